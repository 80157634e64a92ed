"""Choices follow their weights, colors vary, and noise is smooth and periodic."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fashion_exp.data.synthetic.random_choices import (
    choose,
    choose_weighted,
    color_distance,
    contrasting_color,
    random_color,
    smooth_noise,
)


def test_choices_follow_their_weights() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(choose_weighted(rng, {"a": 1, "b": 0, "c": 3}) for _ in range(2000))
    assert set(counts) == {"a", "c"} and abs(counts["a"] - 500) < 4 * (2000 * 3 / 16) ** 0.5
    uniform = Counter(choose(rng, "x", "y") for _ in range(2000))
    assert abs(uniform["x"] - 1000) < 4 * 500**0.5


def test_colors_range_from_dark_to_light_and_gray_to_saturated() -> None:
    rng = np.random.default_rng(0)
    colors = np.stack([random_color(rng) for _ in range(300)])
    assert (colors.std(axis=0) > 45).all() and (np.ptp(colors, axis=0) > 200).all()
    assert np.bincount(colors.argmax(axis=1), minlength=3).min() > 30
    assert 0.3 < (np.ptp(colors, axis=1) > 60).mean() < 0.9


def test_contrasting_color_is_nearly_always_found() -> None:
    rng = np.random.default_rng(0)
    grounds = [random_color(rng) for _ in range(200)]
    distances = [color_distance(c, contrasting_color(rng, c, 45)) for c in grounds]
    assert np.mean(np.array(distances) >= 45) > 0.95


@pytest.mark.parametrize(("cells", "stretch"), [(6, 1), (24, 4)])
def test_noise_is_standardized_smooth_and_periodic(cells: int, stretch: int) -> None:
    noise = smooth_noise(np.random.default_rng(1), cells, 96, stretch)
    assert noise.shape == (96, 96) and noise.dtype == np.float32
    assert 0.5 < noise.std() < 1.5
    down, along = (
        np.abs(np.diff(noise, axis=axis, append=noise.take([0], axis=axis))) for axis in (0, 1)
    )
    assert down.mean() > 1.5 * along.mean() or stretch == 1
    for step in (down, along.T):
        lines = step.mean(axis=1)
        assert lines.max() < 3 * lines.mean()


def test_noise_depends_on_the_generator_and_is_read_only() -> None:
    first, repeated = (smooth_noise(np.random.default_rng(3), 8, 64) for _ in range(2))
    assert np.array_equal(first, repeated)
    assert not np.array_equal(first, smooth_noise(np.random.default_rng(4), 8, 64))
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0

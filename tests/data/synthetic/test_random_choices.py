"""Random choices fall as often as asked; noise is smooth and has no seam."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fashion_exp.data.synthetic.random_choices import one_of, pick, soft_noise


def test_choices_fall_as_often_as_their_weights_say() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(pick(rng, {"a": 1, "b": 0, "c": 3}) for _ in range(2000))
    assert set(counts) == {"a", "c"} and abs(counts["a"] - 500) < 4 * (2000 * 3 / 16) ** 0.5
    evenly = Counter(one_of(rng, "x", "y") for _ in range(2000))
    assert abs(evenly["x"] - 1000) < 4 * 500**0.5


@pytest.mark.parametrize(("cells", "wide"), [(6, 1), (24, 4)])
def test_noise_is_standardised_smooth_and_without_a_seam(cells: int, wide: int) -> None:
    noise = soft_noise(np.random.default_rng(1), cells, 96, wide)
    assert noise.shape == (96, 96) and noise.dtype == np.float32
    assert 0.5 < noise.std() < 1.5
    down, along = (
        np.abs(np.diff(noise, axis=axis, append=noise.take([0], axis=axis))) for axis in (0, 1)
    )
    assert down.mean() > 1.5 * along.mean() or wide == 1
    for step in (down, along.T):
        lines = step.mean(axis=1)
        assert lines.max() < 3 * lines.mean()


def test_noise_is_a_function_of_the_generator_alone_and_cannot_be_spoiled() -> None:
    one, again = (soft_noise(np.random.default_rng(3), 8, 64) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, soft_noise(np.random.default_rng(4), 8, 64))
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 0

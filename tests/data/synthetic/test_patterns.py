"""Patterns and textures are tiles without a visible seam."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.data.synthetic.patterns import (
    PATTERN_WEIGHTS,
    PATTERNS,
    TEXTURES,
    TILE,
    random_fabric,
)

COLORS = [np.array(rgb, dtype=float) for rgb in ((200, 40, 40), (30, 40, 120), (230, 220, 190))]


def _seam_ratio(tile: np.ndarray) -> float:
    """Mean step across the tile's edges relative to the largest mean step within it."""
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(tile, axis=axis, append=tile.take([0], axis=axis)))
        by_line = np.moveaxis(steps, axis, 0).reshape(TILE, -1).mean(axis=1)
        ratios.append(float(by_line[-1] / max(by_line[:-1].max(), 1e-6)))
    return max(ratios)


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_has_no_seam(name: str) -> None:
    for seed in range(8):
        tile = PATTERNS[name](np.random.default_rng(seed), COLORS)
        assert tile.shape == (TILE, TILE, 3) and tile.dtype == np.float32
        assert _seam_ratio(tile) < 1.6


@pytest.mark.parametrize("name", TEXTURES)
def test_texture_has_no_seam_and_keeps_the_mean_brightness(name: str) -> None:
    for seed in range(8):
        tones = TEXTURES[name](np.random.default_rng(seed))
        assert tones.shape == (TILE, TILE) and tones.dtype == np.float32
        assert 0.85 < tones.mean() < 1.1 and _seam_ratio(tones) < 1.6


def test_every_pattern_is_used_and_shows_its_colors() -> None:
    assert set(PATTERN_WEIGHTS) == set(PATTERNS)
    for name in set(PATTERNS) - {"plain", "melange"}:
        tile = PATTERNS[name](np.random.default_rng(0), COLORS)
        assert tile.std(axis=(0, 1)).max() > 10


def test_fabric_depends_on_the_generator_alone() -> None:
    first, repeated, other = (
        random_fabric(np.random.default_rng(seed), "knit") for seed in (0, 0, 1)
    )
    assert np.array_equal(first.tile, repeated.tile) and first.repeat == repeated.repeat
    assert first.tile.dtype == np.uint8 and not np.array_equal(first.tile, other.tile)

"""Every pattern and texture is a tile that repeats without a seam."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.data.synthetic.colours import contrast, dye, dye_unlike
from fashion_exp.data.synthetic.fabric import _WEIGHTS, weave
from fashion_exp.data.synthetic.patterns import PATTERNS, TEXTURES, TILE

COLOURS = [np.array(rgb, dtype=float) for rgb in ((200, 40, 40), (30, 40, 120), (230, 220, 190))]


def _seam_ratio(tile: np.ndarray) -> float:
    """The mean step across the tile's edges, in units of the largest mean step within it."""
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(tile, axis=axis, append=tile.take([0], axis=axis)))
        by_line = np.moveaxis(steps, axis, 0).reshape(TILE, -1).mean(axis=1)
        ratios.append(float(by_line[-1] / max(by_line[:-1].max(), 1e-6)))
    return max(ratios)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_repeats_without_a_seam(name: str) -> None:
    for seed in range(8):
        tile = PATTERNS[name](np.random.default_rng(seed), COLOURS)
        assert tile.shape == (TILE, TILE, 3) and tile.dtype == np.float32
        assert _seam_ratio(tile) < 1.6


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_neither_darkens_nor_shows_its_edges(name: str) -> None:
    for seed in range(8):
        tones = TEXTURES[name](np.random.default_rng(seed))
        assert tones.shape == (TILE, TILE) and tones.dtype == np.float32
        assert 0.85 < tones.mean() < 1.1 and _seam_ratio(tones) < 1.6


def test_every_pattern_is_woven_and_shows_its_colours() -> None:
    assert set(_WEIGHTS) == set(PATTERNS)
    for name in set(PATTERNS) - {"plain", "melange"}:
        tile = PATTERNS[name](np.random.default_rng(0), COLOURS)
        assert tile.std(axis=(0, 1)).max() > 10


def test_dyes_range_from_dark_to_light_and_grey_to_bright() -> None:
    rng = np.random.default_rng(0)
    dyed = np.stack([dye(rng) for _ in range(300)])
    assert (dyed.std(axis=0) > 45).all() and (np.ptp(dyed, axis=0) > 200).all()
    assert np.bincount(dyed.argmax(axis=1), minlength=3).min() > 30
    assert 0.3 < (np.ptp(dyed, axis=1) > 60).mean() < 0.9


def test_a_contrasting_dye_is_nearly_always_found() -> None:
    rng = np.random.default_rng(0)
    pairs = [(ground, dye_unlike(rng, ground, 45)) for ground in (dye(rng) for _ in range(200))]
    assert np.mean([contrast(a, b) >= 45 for a, b in pairs]) > 0.95


def test_cloth_is_a_function_of_the_generator() -> None:
    one, again, other = (weave(np.random.default_rng(seed), "knit") for seed in (0, 0, 1))
    assert np.array_equal(one.tile, again.tile) and one.repeat == again.repeat
    assert one.tile.dtype == np.uint8 and not np.array_equal(one.tile, other.tile)

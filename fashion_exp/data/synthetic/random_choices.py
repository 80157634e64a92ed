"""Random choices, and random surfaces."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
T = TypeVar("T")

_SHEETS = 6
"""Stored noise sheets of each kind: drawing one anew costs more than the rest of a picture."""


def one_of(rng: np.random.Generator, *choices: T) -> T:
    """One of the choices, evenly (in a tenth of the time of `rng.choice`)."""
    return choices[int(rng.integers(len(choices)))]


def pick(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One of the keys, as often as its weight says."""
    ends = list(accumulate(weights.values()))
    return list(weights)[bisect(ends, rng.random() * ends[-1], hi=len(ends) - 1)]


def soft_noise(rng: np.random.Generator, cells: int, side: int, wide: int = 1) -> Floats:
    """Smooth noise of about unit variance on side x side pixels, read-only.

    It has `cells` independent values from top to bottom, and repeats without a seam; `wide`
    stretches it sideways.
    """
    sheet = _noise_sheet(cells, side, wide, int(rng.integers(_SHEETS)))
    x, y = rng.integers(0, side, 2).tolist()
    return sheet[y : y + side, x : x + side]


@cache
def _noise_sheet(cells: int, side: int, wide: int, number: int) -> Floats:
    """One repeat of the noise, twice in each direction so that any window can be cut out."""
    rng = np.random.default_rng((cells, wide, number))
    grid = rng.standard_normal((cells, max(cells // wide, 2)), dtype=np.float32)
    grid = np.pad(grid, 2, mode="wrap")
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = steps * (grid.shape[1] - 4) + 1.5, steps * cells + 1.5
    at_x, at_y = np.tile(x, (side, 1)), np.repeat(y[:, None], side, axis=1)
    sheet = np.tile(cv2.remap(grid, at_x, at_y, cv2.INTER_CUBIC) * 1.3, (2, 2))
    sheet.flags.writeable = False
    return sheet

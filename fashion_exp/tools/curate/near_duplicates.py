"""Which of many pictures are copies of each other though their files differ: mirrored ones too.

Two steps, for neither is enough. The perceptual hashes of two pictures differ in few of their 64
bits if their coarse forms agree: so do those of all trousers laid out alike. What coarse forms
leave open, the fine ones decide: with the blurred picture taken away, what remains of a copy
correlates almost perfectly, and that of another garment on the same ground does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter

from fashion_exp.data.parallel import cores, in_threads
from fashion_exp.reporting.progress import Tick

MOST_BITS = 8
LEAST_LIKENESS = 0.85
"""Of 238 pairs of other photos that `MOST_BITS` lets through in the clothing data none reaches
0.75; of 150 re-encoded copies of 0.4 to 1.6 times the size none is below 0.99, and where 2 % of
both sides were cut off, the median is 0.84."""
DOUBTFUL = 0.65
"""From here on two photos may be of one thing, taken twice: for a person to decide."""

_BLUR = 1.0
"""Standard deviation of the blur that is taken away, pixels of the small picture."""
_FLAT = 0.5
"""Least standard deviation of what remains, of 255: below, it is the noise of the encoder."""
_QUERIES, _TARGETS = 64, 4096
"""Hashes compared at once: so many that the results stay in a core's own cache."""
_MOST_OF_ONE = 16
"""Later copies that are kept of one photo, the likest: a thousand frames of one film are as many
links and no half million, and are one group all the same."""
_PAIRS = 8192
"""Pairs of pictures compared at once, for the memory that they take."""


@dataclass(frozen=True)
class Hashes:
    """Perceptual hashes of n pictures, uint64 (n,), and of their mirror images."""

    plain: np.ndarray
    mirrored: np.ndarray


@dataclass(frozen=True)
class Match:
    """Two pictures, by their places, that are one."""

    first: int
    second: int
    mirrored: bool
    bits: int
    """In which their hashes differ."""
    likeness: float
    """Correlation of their fine forms."""


def near_copies(hashes: Hashes, small: np.ndarray, tick: Tick) -> list[Match]:
    """The pairs, first < second, in order, doubtful ones too. `small`: uint8 (n, edge, edge), grey.

    Every hash is compared with every other: a hundred thousand take some seconds. An index by parts
    of the hash was slower, for so many bits may differ; a library's search in C but twice as fast.
    """
    n = len(small)
    starts = range(0, n, _QUERIES)
    found: list[Match] = []
    for start, matches in zip(
        starts, in_threads(partial(_matches, hashes, small), starts, cores()), strict=True
    ):
        found += matches
        tick(min(start + _QUERIES, n), n)
    return found


def _matches(hashes: Hashes, small: np.ndarray, start: int) -> list[Match]:
    """Those whose first is one of the queries from `start` on."""
    both = np.concatenate([_alike(hashes, small, mirrored, start) for mirrored in (False, True)])
    pairs = _likest(both, ("first", "second"), 1)
    # A photo that is passed over among another's many copies keeps what it is likest to.
    kept = np.concatenate(
        [_likest(pairs, ("first",), _MOST_OF_ONE), _likest(pairs, ("second",), 1)]
    )
    kept = _likest(kept, ("first", "second"), 1)
    return [Match(*row) for row in np.sort(kept, order=["first", "second"]).tolist()]


_ROW = np.dtype(
    [
        ("first", np.int64),
        ("second", np.int64),
        ("mirrored", bool),
        ("bits", np.uint8),
        ("likeness", np.float32),
    ]
)


def _alike(hashes: Hashes, small: np.ndarray, mirrored: bool, start: int) -> np.ndarray:
    """`_ROW` of each pair that is close and alike, in one orientation."""
    found = [np.empty(0, _ROW)]
    for first, second, bits in _close(hashes, mirrored, start):
        for at in range(0, len(first), _PAIRS):
            part = slice(at, at + _PAIRS)
            likeness = fine_likeness(small, first[part], second[part], mirrored)
            alike = likeness >= DOUBTFUL
            rows = np.empty(int(alike.sum()), _ROW)
            rows["first"], rows["second"] = first[part][alike], second[part][alike]
            rows["mirrored"], rows["bits"] = mirrored, bits[part][alike]
            rows["likeness"] = likeness[alike]
            found.append(rows)
    return np.concatenate(found)


def _likest(rows: np.ndarray, by: Sequence[str], count: int) -> np.ndarray:
    """Of the rows that agree in `by` the `count` likest."""
    rows = rows[np.lexsort([-rows["likeness"], *(rows[name] for name in reversed(by))])]
    ends = np.stack([rows[name] for name in by], axis=1)
    begins = np.ones(len(rows), bool)
    begins[1:] = (ends[1:] != ends[:-1]).any(1)
    place = np.arange(len(rows))
    rank = place - np.maximum.accumulate(np.where(begins, place, 0))
    return rows[rank < count]


def _close(
    hashes: Hashes, mirrored: bool, start: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(first, second, bits) with at most `MOST_BITS` between them, first < second."""
    queries = hashes.plain[start : start + _QUERIES, None]
    others = hashes.mirrored if mirrored else hashes.plain
    for left in range(start, len(others), _TARGETS):
        bits = np.bitwise_count(queries ^ others[None, left : left + _TARGETS])
        close = bits <= MOST_BITS
        if not close.any():
            continue
        row, column = np.nonzero(close)
        first, second = row + start, column + left
        later = first < second
        yield first[later], second[later], bits[row, column][later]


def fine_likeness(
    small: np.ndarray, first: Sequence[int] | np.ndarray, second: np.ndarray, mirrored: bool
) -> np.ndarray:
    """Correlation of the fine forms of pairs of pictures, -1 to 1; 0 where one has none."""
    needed, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    fine = _fine(small[needed]).astype(np.float32)
    one, other = fine[places[: len(first)]], fine[places[len(first) :]]
    if mirrored:
        other = other[:, :, ::-1]
    return np.einsum("nij,nij->n", one, other)


def _fine(small: np.ndarray) -> np.ndarray:
    """What blurring takes from the pictures, of unit length; zeros where that is but noise."""
    values = small.astype(np.float32)
    fine = values - gaussian_filter(values, (0, _BLUR, _BLUR), mode="nearest")
    fine -= fine.mean((1, 2), keepdims=True)
    deviation = fine.std((1, 2), keepdims=True)
    length = np.linalg.norm(fine, axis=(1, 2), keepdims=True)
    return np.where(deviation < _FLAT, 0, fine / np.maximum(length, 1e-6))

"""Finds images that are copies of each other although their files differ, mirrored copies included.

The search has two steps. Perceptual hashes that differ in few of their 64 bits indicate the same
coarse layout, which unrelated product photos often share. For these candidates the fine detail
decides: the image minus its blurred version correlates almost perfectly between copies, and hardly
between different garments on the same background.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from fashion_exp.data.parallel import map_in_threads
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Tick

MAX_HASH_DISTANCE = 8
"""Largest number of differing hash bits of a candidate pair."""
MIN_SIMILARITY = 0.85
"""Detail correlation from which a pair counts as copies. On the clothing data, none of 238
candidate pairs of different photos reaches 0.75. Of 150 re-encoded copies at 0.4 to 1.6 times the
size none is below 0.99; with 2 % of both sides cropped off the median is 0.84."""
MIN_POSSIBLE_SIMILARITY = 0.65
"""Detail correlation from which a pair is listed for a person to decide: two photos may show the
same object."""

_BLUR_STD = 1.0
"""Standard deviation of the blur that is subtracted, pixels of the small image."""
_MIN_DETAIL_STD = 0.5
"""Least standard deviation of the detail, of 255; below it the detail is encoder noise."""
_QUERIES, _TARGETS = 64, 4096
"""Hashes compared at once; the result fits a core's cache."""
_MAX_PARTNERS = 16
"""Most later copies recorded per image. It keeps the number of pairs linear in the number of
copies, and the copies still form one group."""
_MAX_PAIRS = 8192
"""Image pairs compared at once, which bounds memory."""


@dataclass(frozen=True)
class Hashes:
    """Perceptual hashes of n images, uint64 (n,), and of their mirrored versions."""

    plain: np.ndarray
    mirrored: np.ndarray


class NearMatch(NamedTuple):
    """Two similar images by their indices."""

    first: int
    second: int
    mirrored: bool
    hash_distance: int
    """Differing bits."""
    similarity: float
    """Correlation of the details, -1 to 1."""


def find_near_copies(hashes: Hashes, gray: np.ndarray, tick: Tick) -> list[NearMatch]:
    """All similar pairs with first < second, sorted; `gray`: uint8 (n, edge, edge).

    Compares every hash with every other, which takes some seconds for 100,000 images. An index over
    parts of the hash was slower at this distance; a C library was only twice as fast.
    """
    n = len(gray)
    starts = range(0, n, _QUERIES)
    matches: list[NearMatch] = []
    results = map_in_threads(partial(_search_block, hashes, gray), starts, cpu_count())
    for start, block_matches in zip(starts, results, strict=True):
        matches += block_matches
        tick(min(start + _QUERIES, n), n)
    return matches


def _search_block(hashes: Hashes, gray: np.ndarray, start: int) -> list[NearMatch]:
    """The pairs whose first image is one of the `_QUERIES` from `start` on."""
    chunks = []
    for mirrored in (False, True):
        for first, second, distance in _close_pairs(hashes, mirrored, start):
            similarity = detail_similarity(gray, first, second, mirrored)
            keep = similarity >= MIN_POSSIBLE_SIMILARITY
            orientation = np.full(int(keep.sum()), mirrored)
            chunks.append(
                (first[keep], second[keep], orientation, distance[keep], similarity[keep])
            )
    if not chunks:
        return []
    columns = [np.concatenate(column) for column in zip(*chunks, strict=True)]
    pairs = pd.DataFrame(dict(zip(NearMatch._fields, columns, strict=True)))
    pairs = pairs.sort_values(
        ["similarity", "first", "second"], ascending=[False, True, True], kind="stable"
    ).drop_duplicates(["first", "second"])
    # An image that is crowded out by the many copies of another keeps its most similar partner.
    keep_pair = (pairs.groupby("first").cumcount() < _MAX_PARTNERS) | ~pairs.duplicated("second")
    rows = pairs[keep_pair].sort_values(["first", "second"])
    return [NearMatch(*row) for row in rows.itertuples(index=False, name=None)]


def _close_pairs(
    hashes: Hashes, mirrored: bool, start: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(first, second, distance) up to `MAX_HASH_DISTANCE`, first < second, `_MAX_PAIRS` at once."""
    queries = hashes.plain[start : start + _QUERIES, None]
    targets = hashes.mirrored if mirrored else hashes.plain
    for left in range(start, len(targets), _TARGETS):
        distances = np.bitwise_count(queries ^ targets[None, left : left + _TARGETS])
        row, column = np.nonzero(distances <= MAX_HASH_DISTANCE)
        ordered = row + start < column + left
        row, column = row[ordered], column[ordered]
        for chunk in range(0, len(row), _MAX_PAIRS):
            rows, columns = row[chunk : chunk + _MAX_PAIRS], column[chunk : chunk + _MAX_PAIRS]
            yield rows + start, columns + left, distances[rows, columns]


def detail_similarity(
    gray: np.ndarray, first: np.ndarray, second: np.ndarray, mirrored: bool
) -> np.ndarray:
    """Correlation of the details of image pairs, -1 to 1; 0 if an image has no detail.

    `gray`: uint8 (n, edge, edge); `first` and `second`: indices into it. `mirrored` flips the
    second images.
    """
    needed, index = np.unique(np.concatenate([first, second]), return_inverse=True)
    detail = _unit_detail(gray[needed])
    detail_first, detail_second = detail[index[: len(first)]], detail[index[len(first) :]]
    if mirrored:
        detail_second = detail_second[:, :, ::-1]
    return np.einsum("nij,nij->n", detail_first, detail_second)


def _unit_detail(gray: np.ndarray) -> np.ndarray:
    """The images minus their blurred versions, at unit norm; zeros where only noise remains."""
    values = gray.astype(np.float32)
    detail = values - gaussian_filter(values, (0, _BLUR_STD, _BLUR_STD), mode="nearest")
    detail -= detail.mean((1, 2), keepdims=True)
    deviation = detail.std((1, 2), keepdims=True)
    norm = np.linalg.norm(detail, axis=(1, 2), keepdims=True)
    unit = np.where(deviation < _MIN_DETAIL_STD, 0, detail / np.maximum(norm, 1e-6))
    return unit.astype(np.float32)

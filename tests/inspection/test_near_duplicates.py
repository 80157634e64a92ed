"""The search equals brute force, and image detail decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.inspection import near_duplicates
from fashion_exp.inspection.near_duplicates import (
    MAX_HASH_DISTANCE,
    Hashes,
    detail_similarity,
    find_near_copies,
)
from tests.inspection.conftest import no_tick


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 70), st.integers(1, 9), st.integers(1, 9))
def test_search_equals_brute_force_for_any_block_size(
    seed: int, n: int, queries: int, targets: int
) -> None:
    """Hashes are few centers with few flipped bits; all images have the same detail."""
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2**63, 4, dtype=np.uint64)
    plain, mirrored = (_flip_bits(rng.choice(centers, n), rng) for _ in range(2))
    gray = np.repeat(rng.integers(0, 256, (1, 32, 32), dtype=np.uint8), n, axis=0)
    gray = np.maximum(gray, gray[:, :, ::-1])  # symmetric
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "_QUERIES", queries)
        patch.setattr(near_duplicates, "_TARGETS", targets)
        patch.setattr(near_duplicates, "_MAX_PAIRS", targets)
        patch.setattr(near_duplicates, "_MAX_PARTNERS", n)
        matches = find_near_copies(Hashes(plain, mirrored), gray, no_tick)
    distances = {
        (i, j): min(
            (int(plain[i] ^ plain[j])).bit_count(), (int(plain[i] ^ mirrored[j])).bit_count()
        )
        for i in range(n)
        for j in range(i + 1, n)
    }
    expected = [pair for pair, bits in distances.items() if bits <= MAX_HASH_DISTANCE]
    assert [(match.first, match.second) for match in matches] == sorted(expected)
    assert all(match.similarity == pytest.approx(1, abs=1e-4) for match in matches)


def _flip_bits(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    bits = rng.integers(0, 64, (len(values), 6)).astype(np.uint64)
    return np.asarray(values ^ np.bitwise_or.reduce(np.uint64(1) << bits, axis=1))


def test_equal_hashes_with_different_detail_do_not_match() -> None:
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (6, 32, 32), dtype=np.uint8)
    hashes = np.zeros(6, np.uint64)
    assert find_near_copies(Hashes(hashes, hashes), gray, no_tick) == []


def test_images_without_detail_do_not_match() -> None:
    """Their hashes and detail are encoder noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, (1, 32, 32), dtype=np.uint8)
    ramp = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8)[None]
    gray = np.concatenate([noise // 2 + 200, noise // 2 + 200, ramp, ramp])
    hashes = np.zeros(4, np.uint64)
    assert find_near_copies(Hashes(hashes, hashes), gray, no_tick) == []


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.9), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_similarity_is_symmetric_and_invariant_to_brightness(
    seed: int, gain: float, offset: int
) -> None:
    rng = np.random.default_rng(seed)
    image, other = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8)
    darker = np.round(image * gain + offset).astype(np.uint8)
    gray = np.stack([image, other, darker, image[:, ::-1]])
    first, second = np.array([0, 1, 0]), np.array([1, 0, 2])
    forward, backward, to_darker = detail_similarity(gray, first, second, mirrored=False)
    assert forward == pytest.approx(backward, abs=1e-5) and abs(forward) < 0.2
    assert to_darker > 0.99
    (to_mirrored,) = detail_similarity(gray, np.array([0]), np.array([3]), mirrored=True)
    assert to_mirrored == pytest.approx(1, abs=1e-5)


def test_weak_copy_is_found_among_many_strong_ones() -> None:
    """It matches only the original, which has more copies than `_MAX_PARTNERS`."""
    rng = np.random.default_rng(0)
    original = rng.integers(60, 190, (32, 32)).astype(float)
    strong = [original + rng.normal(0, 4, (32, 32)) for _ in range(30)]
    weak = original + rng.normal(0, 18, (32, 32))
    gray = np.array([original, *strong, weak]).clip(0, 255).astype(np.uint8)
    # The weak copy's hash is close to the original's but not to those of the strong copies.
    plain = np.array([0, *[0b11110000] * 30, 0b00001111 << 8], np.uint64)
    far = np.full(32, 2**64 - 1, np.uint64)
    matches = find_near_copies(Hashes(plain, far), gray, no_tick)
    assert (0, 31) in {(match.first, match.second) for match in matches}


def test_many_identical_images_are_connected_by_few_pairs() -> None:
    n, rng = 300, np.random.default_rng(0)
    gray = np.repeat(rng.integers(0, 256, (1, 32, 32), dtype=np.uint8), n, axis=0)
    hashes = np.zeros(n, np.uint64)
    matches = find_near_copies(Hashes(hashes, hashes), gray, no_tick)
    assert len(matches) < 20 * n
    reached = {0}
    for match in matches:
        if match.first in reached:
            reached.add(match.second)
    assert len(reached) == n

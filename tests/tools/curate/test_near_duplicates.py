"""The search finds what comparing all with all finds; the fine forms decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.tools.curate import near_duplicates
from fashion_exp.tools.curate.near_duplicates import MOST_BITS, Hashes, fine_likeness, near_copies


def _no_tick(done: int, total: int | None = None, /) -> None: ...


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 70), st.integers(1, 9), st.integers(1, 9))
def test_every_pair_that_is_close_is_found_once_whatever_the_blocks(
    seed: int, n: int, queries: int, targets: int
) -> None:
    """Few centres and few flips, so that there is something to find; all have one fine form."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**63, 4, dtype=np.uint64)
    plain, mirrored = (_flipped(rng.choice(centres, n), rng) for _ in range(2))
    small = np.repeat(rng.integers(0, 256, (1, 32, 32), dtype=np.uint8), n, axis=0)
    small = np.maximum(small, small[:, :, ::-1])  # its own mirror image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "_QUERIES", queries)
        patch.setattr(near_duplicates, "_TARGETS", targets)
        patch.setattr(near_duplicates, "_MOST_OF_ONE", n)
        found = near_copies(Hashes(plain, mirrored), small, _no_tick)
    expected = {
        (i, j): min(
            (int(plain[i] ^ plain[j])).bit_count(), (int(plain[i] ^ mirrored[j])).bit_count()
        )
        for i in range(n)
        for j in range(i + 1, n)
    }
    close = {pair for pair, bits in expected.items() if bits <= MOST_BITS}
    assert [(m.first, m.second) for m in found] == sorted(close)
    assert all(m.likeness == pytest.approx(1, abs=1e-4) for m in found)


def _flipped(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    flips = rng.integers(0, 64, (len(values), 6)).astype(np.uint64)
    return values ^ np.bitwise_or.reduce(np.uint64(1) << flips, axis=1)


def test_equal_hashes_of_different_fine_forms_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (6, 32, 32), dtype=np.uint8)
    same = np.zeros(6, np.uint64)
    assert near_copies(Hashes(same, same), small, _no_tick) == []


def test_flat_pictures_are_copies_of_nothing() -> None:
    """Their hashes are the encoder's noise, and so would be their correlation."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, (1, 32, 32), dtype=np.uint8)
    ramp = np.add.outer(np.arange(32), np.arange(32)).astype(np.uint8)[None]
    small = np.concatenate([noise // 2 + 200, noise // 2 + 200, ramp, ramp])
    same = np.zeros(4, np.uint64)
    assert near_copies(Hashes(same, same), small, _no_tick) == []


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.9), st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_likeness_is_the_same_both_ways_and_blind_to_light(
    seed: int, gain: float, offset: int
) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8)
    darker = np.round(one * gain + offset).astype(np.uint8)
    small = np.stack([one, other, darker, one[:, ::-1]])
    pairs = np.array([0, 1, 0]), np.array([1, 0, 2])
    there, back, light = fine_likeness(small, *pairs, mirrored=False)
    assert there == pytest.approx(back, abs=1e-5) and abs(there) < 0.2 and light > 0.99
    (mirror,) = fine_likeness(small, np.array([0]), np.array([3]), mirrored=True)
    assert mirror == pytest.approx(1, abs=1e-5)


def test_a_weaker_copy_is_not_lost_among_many_good_ones() -> None:
    """It is like the original alone, which has more copies than are kept of one photo."""
    rng = np.random.default_rng(0)
    original = rng.integers(60, 190, (32, 32)).astype(float)
    small = [original + rng.normal(0, 4, (32, 32)) for _ in range(30)]
    weaker = original + rng.normal(0, 18, (32, 32))
    pictures = np.array([original, *small, weaker]).clip(0, 255).astype(np.uint8)
    # Its hash is close to the original's, and the other copies' are not.
    plain = np.array([0, *[0b11110000] * 30, 0b00001111 << 8], np.uint64)
    far = np.full(32, 2**64 - 1, np.uint64)
    found = near_copies(Hashes(plain, far), pictures, _no_tick)
    assert (0, 31) in {(match.first, match.second) for match in found}


def test_many_frames_of_one_film_are_one_group_by_few_links() -> None:
    n, rng = 300, np.random.default_rng(0)
    small = np.repeat(rng.integers(0, 256, (1, 32, 32), dtype=np.uint8), n, axis=0)
    same = np.zeros(n, np.uint64)
    found = near_copies(Hashes(same, same), small, _no_tick)
    assert len(found) < 20 * n
    reached = {0}
    for match in found:
        if match.first in reached:
            reached.add(match.second)
    assert len(reached) == n

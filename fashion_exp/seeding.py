"""Random seeds as a function of names, independent of the order of work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2⁶³) that depends on the parts alone, in every process and Python version.

    Parts are compared by their `repr`: use numbers and strings.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def derive_seeds(prefix: tuple[object, ...], last: Iterable[object]) -> list[int]:
    """`derive_seed(*prefix, part)` for each part; hashes the prefix once."""
    prefix_hash = hashlib.blake2b(repr((*prefix, 0)).removesuffix("0)").encode(), digest_size=8)
    seeds = []
    for part in last:
        digest = prefix_hash.copy()
        digest.update(f"{part!r})".encode())
        seeds.append(int.from_bytes(digest.digest(), "big") >> 1)
    return seeds

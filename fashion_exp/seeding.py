"""Random numbers as a function of names, so that nothing depends on the order of work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2⁶³) that is a function of the parts alone, in every process and version.

    Parts are told apart by their `repr`: use numbers and strings.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def derive_seeds(parts: tuple[object, ...], last: Iterable[object]) -> list[int]:
    """`derive_seed(*parts, one)` of each of many: what they share is hashed once."""
    shared = repr((*parts, 0)).removesuffix("0)").encode()
    begun = hashlib.blake2b(shared, digest_size=8)
    seeds = []
    for one in last:
        digest = begun.copy()
        digest.update(f"{one!r})".encode())
        seeds.append(int.from_bytes(digest.digest(), "big") >> 1)
    return seeds

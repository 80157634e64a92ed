"""Random numbers as a function of names, so that nothing depends on the order of work."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2⁶³) that is a function of the parts alone, in every process and version.

    Parts are told apart by their `repr`: use numbers and strings.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1

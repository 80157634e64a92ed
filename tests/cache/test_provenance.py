"""Provenance changes with the code and names the libraries."""

from __future__ import annotations

from fashion_exp.cache.provenance import library_versions, source_hash


def test_source_hash_differs_between_paths() -> None:
    hashes = [source_hash(path) for path in ("models", "data/synthetic", "seeding.py")]
    assert len({*hashes}) == 3
    assert source_hash("models", "seeding.py") not in hashes


def test_library_versions_include_python() -> None:
    assert set(library_versions("numpy")) == {"python", "numpy"}

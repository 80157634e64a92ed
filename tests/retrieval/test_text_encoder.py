"""Words of similar meaning are found where one known word is clearly the nearest."""

from __future__ import annotations

import pytest

from fashion_exp.retrieval.text_encoder import is_installed, similar_words

KNOWN = ["dress", "hat", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt", "red", "blue"]


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="the text encoder is not installed")
@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("gown", "dress"), ("trousers", "pants"), ("sneakers", "shoes"), ("crimson", "red"),
        ("jacket", None), ("coat", None), ("boho", None),
    ],
)  # fmt: skip
def test_word_stands_for_the_nearest_or_for_none(word: str, known: str | None) -> None:
    assert similar_words()(word, KNOWN) == known

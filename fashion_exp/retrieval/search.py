"""Searches an index by photos, words and conditions."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.retrieval.index import IMAGENET, PhotoIndex, unit_vectors
from fashion_exp.retrieval.words import (
    MAX_LETTERS,
    MAX_VALUES,
    MODEL_PREFIX,
    Near,
    Similar,
    Term,
    Vocabulary,
    Words,
    build_vocabulary,
)

if TYPE_CHECKING:
    from fashion_exp.retrieval.embedding import Embedder
    from fashion_exp.retrieval.text_image import TextImageEmbedder

CANDIDATES = 2_000
"""Photos most similar to the query's that its words rank, if the index has more."""
MIN_SCORE = 0.01
"""Of a term, so that one that does not hold at all leaves the order of the others."""
MIN_SIMILARITY = 0.05
"""In a score: higher than that of a term, so that a photo that is unlike the query's but has the
color that was asked for comes before the query's own photo."""
MAX_TOP = 10_000
_SHOWN = ("image_id", "path", "file", "copies", "group", "folder", "color", "pattern")


@dataclass(frozen=True)
class Query:
    """Photos and words, each of which may be missing."""

    vectors: np.ndarray | None = None
    """(photos, width), unit length."""
    text: np.ndarray | None = None
    """(width,), of a text that a text–image model reads."""
    words: Words = field(default_factory=lambda: Words((), ()))
    where: str | None = None

    @property
    def target(self) -> np.ndarray | None:
        """(width,), unit length: the mean of the photos, plus the text; None without both."""
        parts = [] if self.vectors is None else [_unit(self.vectors.mean(0))]
        parts += [] if self.text is None else [self.text]
        return _unit(np.sum(parts, axis=0)) if parts else None


def _unit(vector: np.ndarray) -> np.ndarray:
    return unit_vectors(vector[None], np.zeros(1, np.float32))[0]


@dataclass(frozen=True)
class Results:
    """Photos found, best first, one per group of copies."""

    rows: pd.DataFrame
    """image_id, path, file, copies (files of this photo and of its near copies), folder, color,
    pattern, score, similarity (to the query's photos), predicted, attributes, missing (whether the
    file has gone), why (a sentence)."""
    words: Words


class Searcher:
    """An index that is ready to be searched."""

    def __init__(
        self, index: PhotoIndex, embedder: Callable[[], Embedder | TextImageEmbedder],
        similar: Similar = lambda word, known: None, near: Near = lambda word, known: {},
    ) -> None:  # fmt: skip
        self.index, self._build_embedder = index, embedder
        self._similar, self._near = similar, near

    @cached_property
    def embedder(self) -> Embedder | TextImageEmbedder:
        """Loaded when a photo is searched for the first time."""
        return self._build_embedder()

    @property
    def model(self) -> str:
        """The text–image model that reads the words; "" if the index knows them."""
        name = self.index.about.by[0]
        return name if name.startswith(MODEL_PREFIX) else ""

    @cached_property
    def vocabulary(self) -> Vocabulary:
        names = [name for name in ("folder", *self.index.about.attributes)]
        table = self.index.rows(names)
        texts = {
            name: table[name].dropna().unique() for name in names if table[name].dtype != float
        }
        values = {name: [str(x) for x in v] for name, v in texts.items() if len(v) <= MAX_VALUES}
        about = self.index.about
        return build_vocabulary(about.classes, values, self._similar, self._near, about.imagenet)

    def query(
        self, images: Sequence[np.ndarray] = (), text: str = "", where: str | None = None,
        image_ids: Sequence[str] = (), inputs: Sequence[np.ndarray] = (),
    ) -> Query:  # fmt: skip
        """From decoded photos, uint8 (height, width, 3), photos of the index, words, and photos
        that are in the embedder's geometry.

        Raises `InputError` if the words have nothing that the index knows and there is no photo.
        """
        words, direction = Words((), ()), None
        if text.strip() and self.model:
            embedder: Any = self.embedder
            direction = embedder.direction(text[:MAX_LETTERS])
            words = Words((), (), self.model)
        elif text.strip():
            words = self.vocabulary.read(text)
        vectors = [self.index.vectors(image_ids)] if image_ids else []
        vectors += [self._best_turn(image, self.embedder.of_images) for image in images]
        vectors += [self._best_turn(image, self.embedder.of_inputs) for image in inputs]
        if not (vectors or words.terms or where or direction is not None):
            raise InputError(_nothing_understood(text, self.vocabulary))
        return Query(np.concatenate(vectors) if vectors else None, direction, words, where)

    def _best_turn(
        self, photo: np.ndarray, encode: Callable[[Sequence[np.ndarray]], np.ndarray]
    ) -> np.ndarray:
        """(1, width): of the photo, or of the photo turned by 90, 180 or 270 degrees, whichever has
        the most similar photo in the index."""
        is_packed = len(photo) == 1  # several sizes in one array, which cannot be turned
        turns = [np.ascontiguousarray(np.rot90(photo, k)) for k in range(1 if is_packed else 4)]
        vectors = unit_vectors(encode(turns), self.index.center)
        if is_packed:
            return vectors
        nearest = [self.index.nearest(x, 1, ["image_id"])["similarity"].max() for x in vectors]
        best = int(np.argmax(nearest))
        return vectors[best : best + 1]

    def search(self, query: Query, top: int = 24) -> Results:
        """The best photos, by the product of the scores of photos and terms: the cosine to the mean
        of the query's photos, at least `MIN_SIMILARITY`; the probability of a class; the garment's
        share of a color; and 1 or 0 for an attribute. `not` takes 1 minus the score.
        """
        if not 0 < top <= MAX_TOP:
            raise InputError(f"--top {top}: must be between 1 and {MAX_TOP:,}")
        rows = self.score(query, top)
        order = ["score", "similarity", "image_id"]
        rows = rows.sort_values(order, ascending=[False, False, True], kind="stable")
        best = rows.drop_duplicates("group").head(top)
        members = self._copies(best["group"])
        best = best.assign(
            copies=best["group"].map(members).to_numpy(),
            missing=[not os.path.exists(file) for file in best["file"]],
            why=[_why(row, query) for _, row in best.iterrows()],
        )
        return Results(best.reset_index(drop=True), query.words)

    def score(self, query: Query, top: int = MAX_TOP) -> pd.DataFrame:
        """The photos that the condition holds for, in no order, with `similarity` and `score`; with
        photos in the query those most similar to them."""
        columns = self._columns(query.words.terms)
        target = query.target
        if target is None:
            rows = self.index.rows(columns, query.where).assign(similarity=np.nan)
        else:
            wanted = max(CANDIDATES, 4 * top) if query.words.terms else 4 * top + 100
            rows = self.index.nearest(target, wanted, columns, query.where)
        for term in query.words.terms:
            if term.kind == "imagenet":
                rows[term.column] = _imagenet_score(rows, term)
        rows = rows.drop(columns=list(IMAGENET), errors="ignore")
        scores = [np.clip(rows["similarity"].fillna(1).to_numpy(float), MIN_SIMILARITY, 1)]
        scores += [_score(rows, term) for term in query.words.terms]
        return rows.assign(score=np.prod(scores, axis=0))

    def _copies(self, groups: pd.Series) -> pd.Series:
        """Files of each group in the whole index."""
        rows = self.index.rows_of("group", list(groups), ["group", "copies"])
        return rows.to_pandas().groupby("group")["copies"].sum()

    def _columns(self, terms: Sequence[Term]) -> list[str]:
        optional = ["predicted"] if self.index.about.classes else []
        of_terms = [
            column
            for term in terms
            for column in (IMAGENET if term.kind == "imagenet" else [term.column])
        ]
        return list(dict.fromkeys((*_SHOWN, *optional, *of_terms, *self.index.about.attributes)))


def _imagenet_score(rows: pd.DataFrame, term: Term) -> np.ndarray:
    """The probabilities of the term's classes, by their nearness to it."""
    weights = np.zeros(1_000)
    for number, nearness in term.classes:
        weights[number] = nearness
    classes, shares = (np.stack(rows[name].to_list()) for name in IMAGENET)
    return np.asarray((weights[classes] * shares).sum(1))


def _score(rows: pd.DataFrame, term: Term) -> np.ndarray:
    values = rows[term.column]
    score = (
        (values.astype(str) == term.word).to_numpy(float)
        if term.kind == "attribute"
        else values.to_numpy(float)
    )
    return np.clip(1 - score if term.negated else score, MIN_SCORE, 1)


def _why(row: pd.Series, query: Query) -> str:
    """similarity 0.82; dress 97 %; red 64 %"""
    parts = [f"similarity {row['similarity']:.2f}"] if query.target is not None else []
    for term in query.words.terms:
        value = row[term.column]
        shown = f"{value:.0%}".replace("%", " %") if isinstance(value, float) else f"{value}"
        parts.append(
            f"{term.column} {shown}"
            if term.kind == "attribute"
            else f"{term.text if term.kind == 'imagenet' else term.word} {shown}"
        )
    return "; ".join(parts)


def _nothing_understood(text: str, vocabulary: Vocabulary) -> str:
    if not text.strip():
        return "nothing to search for; give a photo, words, or --where"
    known = ", ".join(list(vocabulary.terms)[:40])
    return f"{text[:100]!r}: no word of this index; it knows: {known}"

"""How well an index finds: precision, recall and average precision, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.data.csv_lists import read_csv_rows
from fashion_exp.errors import InputError, suggest
from fashion_exp.retrieval.colors import COLORS, SHADES
from fashion_exp.retrieval.index import PhotoIndex
from fashion_exp.retrieval.photos import real_path
from fashion_exp.stats.bootstrap import bootstrap
from fashion_exp.stats.interval import Interval

if TYPE_CHECKING:
    from fashion_exp.retrieval.search import Searcher

CUTOFFS = (1, 5, 10, 24)
MIN_UNSEEN = 20
"""Photos that a run was not trained on; with fewer all photos are queries."""
MAX_QUERIES = 2_000
"""Photos that are queries; more are sampled."""
_ROWS = 256
"""Queries ranked at once, which bounds memory."""
RESAMPLES = 1_000

Ranking = Callable[[np.ndarray], np.ndarray]
"""From positions of queries (q,) to scores of all photos (q, n)."""


@dataclass(frozen=True)
class SearchEvaluation:
    """Measures of every query of one way to search."""

    name: str
    queries: pd.DataFrame
    """One row per query: id, label, relevant (photos that are right answers), photos (that it
    chose from), average_precision, precision_<k>, recall_<k>. Shares lie in [0, 1]."""

    def interval(self, metric: str, label: str | None = None, level: float = 0.95) -> Interval:
        """Of the mean over queries, or over those of one label: BCa bootstrap."""
        rows = self.queries if label is None else self.queries[self.queries["label"] == label]
        return bootstrap(rows[metric].to_numpy(), np.mean, level, resamples=RESAMPLES)

    @property
    def chance(self) -> float:
        """The expected precision of a random order."""
        return float((self.queries["relevant"] / self.queries["photos"]).mean())

    @property
    def labels(self) -> list[str]:
        return sorted(self.queries["label"].unique())


def evaluate_pictures(
    index: PhotoIndex, by: str = "folder", sample: int = MAX_QUERIES, seed: int = 0,
    unseen: frozenset[str] | None = None,
) -> list[SearchEvaluation]:  # fmt: skip
    """Each photo searches for the others with the same value of the column `by`.

    Copies are one photo: of every group the first is used, as query and as answer, so a query never
    finds itself or its copies, and resampled queries are resampled groups. With `unseen` only these
    photos (image ids) are queries, if their copies are unseen too: the run was not trained on them.
    The second evaluation orders by the probability of the query's
    predicted class alone, if the index has classes.

    Raises `InputError` for a column that is not there or has no two photos of a value.
    """
    columns = index.columns
    if by not in columns:
        raise InputError(f"--by {by}: no column of the index; {suggest(by, columns)}")
    scores = [f"p_{name}" for name in index.about.classes]
    rows = index.rows(list(dict.fromkeys(("image_id", "group", by, *scores))))
    is_seen = ~rows["image_id"].isin(rows["image_id"] if unseen is None else unseen)
    seen = rows["group"][is_seen]
    rows = rows[rows[by].notna()].sort_values("image_id").drop_duplicates("group")
    counts = rows[by].astype(str).map(rows[by].astype(str).value_counts())
    may_ask = (counts > 1) & ~rows["group"].isin(seen)
    positions = np.flatnonzero(may_ask.to_numpy())
    if not len(positions):
        raise InputError(f"--by {by}: no two photos have the same; name a column with labels")
    if len(positions) > sample:
        chosen = np.random.default_rng(seed).choice(positions, sample, replace=False)
        positions = np.sort(chosen)
    vectors = index.vectors(rows["image_id"].to_list())
    ids, labels = rows["image_id"].to_numpy(), rows[by].astype(str).to_numpy()

    def by_similarity(queries: np.ndarray) -> np.ndarray:
        return np.asarray(vectors[queries] @ vectors.T)

    evaluations = [_measure("similarity", positions, ids, labels, by_similarity)]
    if scores:
        probabilities = rows[scores].to_numpy(float)

        def by_class(queries: np.ndarray) -> np.ndarray:
            return probabilities[:, probabilities[queries].argmax(1)].T

        evaluations.append(_measure("predicted class alone", positions, ids, labels, by_class))
    return evaluations


def _measure(
    name: str, positions: np.ndarray, ids: np.ndarray, labels: np.ndarray, ranking: Ranking
) -> SearchEvaluation:
    parts = []
    for start in range(0, len(positions), _ROWS):
        queries = positions[start : start + _ROWS]
        scores = ranking(queries).astype(float)
        scores[np.arange(len(queries)), queries] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
        relevant = labels[order] == labels[queries][:, None]
        parts.append(measures(relevant).assign(id=ids[queries], label=labels[queries]))
    return SearchEvaluation(name, pd.concat(parts, ignore_index=True))


def measures(relevant: np.ndarray) -> pd.DataFrame:
    """Of rankings, bool (queries, photos), best first: relevant, photos, average_precision,
    precision_<k>, recall_<k>.

    Average precision is the mean of the precisions at the ranks of the relevant photos (Manning,
    Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4). Precision at k
    counts k photos even if there are fewer.
    """
    hits = np.cumsum(relevant, axis=1)
    total = np.maximum(relevant.sum(1), 1)
    precision = hits / np.arange(1, relevant.shape[1] + 1)
    table = {
        "relevant": relevant.sum(1), "photos": relevant.shape[1],
        "average_precision": (precision * relevant).sum(1) / total,
    }  # fmt: skip
    for cutoff in CUTOFFS:
        hits_in_top = hits[:, min(cutoff, relevant.shape[1]) - 1]
        table |= {
            f"precision_{cutoff}": hits_in_top / cutoff,
            f"recall_{cutoff}": hits_in_top / total,
        }
    return pd.DataFrame(table)


def evaluate_words(searcher: Searcher, labels: pd.DataFrame) -> SearchEvaluation:
    """Every pair of a color and a class that labels (path, color, class) have is a query: the
    right answers are the labeled photos with both, and the others are those without.

    Several colors of a photo are separated by |. Photos outside the list are no answers. Raises
    `InputError` if none of them is in the index.
    """
    index = searcher.index
    listed = labels.merge(index.rows(["image_id", "file", "group"]), on="file")
    listed = listed.sort_values("image_id").drop_duplicates("group")
    if listed.empty:
        raise InputError(f"--words: none of the {len(labels)} photos is in {index.location}")
    tables = []
    for (color, name), text in _queries(listed).items():
        query = searcher.query(text=text)
        partly = query.words.unknown or len(query.words.terms) < 2
        if partly and not query.words.read_by:
            continue
        rows = searcher.score(query).merge(listed, on="image_id")
        rows = rows.sort_values(["score", "image_id"], ascending=[False, True], kind="stable")
        has_color = rows["color_label"].map(lambda colors, c=color: c in colors.split("|"))
        relevant = (has_color & (rows["class_label"] == name)).to_numpy()[None]
        tables.append(measures(relevant).assign(id=text, label=name))
    if not tables:
        raise InputError("--words: the index knows no pair of a color and a class of the list")
    return SearchEvaluation("words", pd.concat(tables, ignore_index=True))


def _queries(listed: pd.DataFrame) -> dict[tuple[str, str], str]:
    pairs = {
        (color, name)
        for colors, name in zip(listed["color_label"], listed["class_label"], strict=True)
        for color in colors.split("|")
    }
    return {(color, name): f"{color} {name}" for color, name in sorted(pairs)}


def unseen_photos(
    index: PhotoIndex, outputs: Path, uri: str | None = None
) -> tuple[frozenset[str] | None, str]:
    """The photos of an index by a run that the run was not trained on, and a note; None if all are
    queries."""
    if not index.about.classes:
        return None, ""
    from fashion_exp.inference.trained_run import load_run

    run = load_run(index.about.by[0], outputs, uri)
    split = pd.read_csv(run.run.split_file, dtype={"image_id": str})
    trained = set(split["image_id"][(split[list(run.model_names)] == "train").any(axis=1)])
    ids = set(index.rows(["image_id"])["image_id"])
    unseen = frozenset(ids - trained)
    if len(unseen) < MIN_UNSEEN:
        return None, "the run was trained on these photos: the figures are too good for new ones"
    seen = len(ids) - len(unseen)
    note = f"{seen:,} photos that the run was trained on are answers, but no queries"
    return unseen, note if seen else ""


def read_color_labels(file: str) -> pd.DataFrame:
    """path, file (absolute), class_label and color_label (several separated by |) from a CSV list
    with the columns path, class and color. Raises `InputError`."""
    path = Path(file).expanduser()
    rows = read_csv_rows(path, ["path", "class", "color"], key="--words")
    known = {*SHADES, *COLORS}
    for row in rows:
        for color in row.cells["color"].split("|"):
            if color not in known:
                raise InputError(f"{row.location}: color {color}: {suggest(color, known)}")
    records = [
        {"path": row.cells["path"], "file": real_path(row.cells["path"], path.parent),
         "class_label": row.cells["class"], "color_label": row.cells["color"]}
        for row in rows
    ]  # fmt: skip
    return pd.DataFrame(records)


def metric_names(cutoffs: Sequence[int] = CUTOFFS) -> list[str]:
    return [
        "average_precision",
        *(f"precision_{k}" for k in cutoffs),
        *(f"recall_{k}" for k in cutoffs),
    ]

"""Search by picture and by words: `fashion_exp.build_index` and `fashion_exp.open_index`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    import pandas as pd

    from fashion_exp.reporting.progress import Progress
    from fashion_exp.retrieval.build import Built
    from fashion_exp.retrieval.evaluation_report import EvaluationReport
    from fashion_exp.retrieval.index import PhotoIndex
    from fashion_exp.retrieval.search import Query, Results, Searcher

DEFAULT_NAME = "photos"


class Index:
    """Photos that can be searched. Networks are loaded when a photo is searched first."""

    def __init__(
        self, photos: PhotoIndex, outputs: Path, built: Built | None = None, uri: str | None = None
    ) -> None:
        self.photos, self.outputs, self.built, self._uri = photos, outputs, built, uri

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def location(self) -> str:
        return self.photos.location

    @cached_property
    def searcher(self) -> Searcher:
        from fashion_exp.retrieval.build import find_networks
        from fashion_exp.retrieval.search import Searcher
        from fashion_exp.retrieval.text_encoder import near_words, similar_words

        about = self.photos.about

        def embedder() -> Any:
            embedder = find_networks(about.by, about.weights, self.outputs, self._uri).embedder
            if embedder.identity != about.identity:
                raise InputError(
                    f"{self.location}: {', '.join(about.by)} has other weights than when the index "
                    "was built; build it anew under another name"
                )
            return embedder

        return Searcher(self.photos, embedder, similar_words(), near_words())

    def query(
        self, photos: object = (), words: str = "", where: str | None = None,
        like: Sequence[str] = (),
    ) -> Query:  # fmt: skip
        """`like` are image ids of photos in the index. Raises `InputError`."""
        from fashion_exp.inference.images import as_list, decoded_photo
        from fashion_exp.retrieval.photos import read_photo

        images = [decoded_photo(photo, read_photo) for photo in as_list(photos)]
        return self.searcher.query(images, words, where, like)

    def search(
        self, photos: object = (), words: str = "", top: int = 24, where: str | None = None,
        like: Sequence[str] = (),
    ) -> Results:  # fmt: skip
        """The best photos for one or several photos (paths, PIL images or arrays uint8 (height,
        width, 3)), words, or both; `where` is a condition such as `price<50 and size="M"`.

        `.rows` is a table, `.words` says how the words were understood. Raises `InputError`.
        """
        return self.searcher.search(self.query(photos, words, where, like), top)

    def evaluate(
        self, *others: Index, by: str = "folder", words: str | PathLike[str] | None = None,
        queries: int = 2000,
    ) -> EvaluationReport:  # fmt: skip
        """How well photos find others with the same value of the column `by`; beside other indexes,
        with the paired test of the queries that they share.

        `words` is a CSV list of labeled photos (path, class, color), which are searched for by
        color and class. Raises `InputError`.
        """
        return _evaluate([self, *others], by, words, queries)

    def to_frame(self, where: str | None = None) -> pd.DataFrame:
        """All photos with their attributes."""
        return self.photos.rows(self.photos.columns, where)


def _evaluate(
    indexes: Sequence[Index], by: str, words: str | PathLike[str] | None, queries: int
) -> EvaluationReport:
    from fashion_exp.retrieval.evaluation import (
        SearchEvaluation,
        evaluate_pictures,
        evaluate_words,
        read_color_labels,
        unseen_photos,
    )
    from fashion_exp.retrieval.evaluation_report import EvaluationReport

    if queries < 2:
        raise InputError(f"--queries {queries}: must be 2 or more")
    names = [Path(index.location).name for index in indexes]
    if len(set(names)) < len(names):
        raise InputError(f"index evaluate: {names[0]} is named twice")
    notes, evaluations = list[str](), list[SearchEvaluation]()
    paired: dict[str, pd.DataFrame] = {}
    labels = None if words is None else read_color_labels(fspath(words))
    for name, index in zip(names, indexes, strict=True):
        prefix = f"{name}: " if len(indexes) > 1 else ""
        unseen, note = unseen_photos(index.photos, index.outputs, index._uri)
        notes += [f"{prefix}{note}"] if note else []
        measured = evaluate_pictures(index.photos, by, queries, unseen=unseen)
        measured = [SearchEvaluation(f"{prefix}{x.name}", x.queries) for x in measured]
        paired |= {x.name: x.queries for x in measured}
        if labels is not None:
            by_words = evaluate_words(index.searcher, labels)
            measured.append(SearchEvaluation(f"{prefix}{by_words.name}", by_words.queries))
        evaluations += measured
    return EvaluationReport(evaluations, by, notes, _verdicts(paired))


def _verdicts(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Which way to search has the higher mean average precision on the queries that all have."""
    from fashion_exp.api.judging import judge

    if len(tables) < 2:
        return []
    shared = set.intersection(*(set(table["id"]) for table in tables.values()))
    if len(shared) < 2:
        raise InputError("index evaluate: the indexes share no photos that could be queries")
    queries = {
        name: table[table["id"].isin(shared)].sort_values("id") for name, table in tables.items()
    }
    answers = {tuple(map(tuple, x[["relevant", "photos"]].to_numpy())) for x in queries.values()}
    if len(answers) > 1:
        return [
            "The indexes hold different photos, so their figures cannot be compared; build them of "
            "the same photos."
        ]
    frames = {name: table[["id", "average_precision"]] for name, table in queries.items()}
    judgement = judge(frames, metric="average_precision")
    return list(replace(judgement, about_trainings=False, item="photo").conclusions)


def build_index(
    photos: str | PathLike[str] | Sequence[str | PathLike[str]], by: str | Sequence[str], *,
    into: str = DEFAULT_NAME, attributes: str | PathLike[str] | None = None,
    weights: Mapping[str, str] | None = None, outputs: str | PathLike[str] | None = None,
    uri: str | None = None, progress: Progress | None = None,
) -> Index:  # fmt: skip
    """Indexes photos (folders, files, patterns, CSV lists) by a run, by networks of timm, or
    by a text–image model of open_clip: clip:ViT-B-32.

    An index that is there gets exactly these photos: new ones are added, others deleted.
    `attributes` is a CSV list with a column `path`; `weights` are files of weights by the names of
    networks. Raises `InputError`.
    """
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.retrieval.build import build_index as build
    from fashion_exp.retrieval.build import find_networks
    from fashion_exp.retrieval.index import index_location

    folder = outputs_dir(None if outputs is None else fspath(outputs))
    sources = [photos] if isinstance(photos, str | PathLike) else list(photos)
    names = [by] if isinstance(by, str) else list(by)
    location = index_location(into, folder)
    networks = find_networks(names, weights or {}, folder, uri)
    with progress or Progress(plain_console(stderr=True)) as shown:
        built = build(
            [fspath(source) for source in sources], networks, names, location, folder, shown,
            None if attributes is None else fspath(attributes), weights,
        )  # fmt: skip
    return Index(built.index, folder, built, uri)


def open_index(
    name: str | PathLike[str] | None = None, *, outputs: str | PathLike[str] | None = None,
    uri: str | None = None,
) -> Index:  # fmt: skip
    """An index by its name, folder or address; default: the only one. Raises `InputError`."""
    from fashion_exp.retrieval.index import (
        find_index,
        index_location,
        is_remote,
        known_indexes,
        open_index,
        unknown_index,
    )

    folder = outputs_dir(None if outputs is None else fspath(outputs))
    if name is None:
        known = known_indexes(folder)
        if len(known) != 1:
            hint = f"name one of {', '.join(known)}" if known else "make one with `index build`"
            raise InputError(
                f"--in: there {'are several indexes' if known else 'is no index'}; {hint}"
            )
        name = known[0]
    location = index_location(fspath(name), folder)
    photos = open_index(location) if is_remote(location) else find_index(location)
    if photos is None:
        raise unknown_index(fspath(name), folder)
    return Index(photos, folder, None, uri)

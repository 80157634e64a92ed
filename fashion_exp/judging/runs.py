"""Joins the predictions of several tools by item, and arranges each tool's as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from fashion_exp.comparison.metrics import METRICS, Metric
from fashion_exp.comparison.scored_run import ScoreMatrix
from fashion_exp.errors import InputError, suggest
from fashion_exp.judging.columns import KEYS, Predictions
from fashion_exp.judging.design import Models, arrange_models
from fashion_exp.judging.shares import score_by_shares
from fashion_exp.judging.shifts import shift_remedy
from fashion_exp.stats.metrics import per_image_loss

Unit = Literal["repeat", "fold"]
UNITS: tuple[Unit, ...] = ("repeat", "fold")
CLASS_METRICS = ("accuracy", "loss", "macro_f1")
"""The metrics of predicted classes; others are columns of scores."""


@dataclass(frozen=True)
class Tool:
    """The predictions of one tool; several tables are trainings or folds."""

    name: str
    tables: Sequence[Predictions]


@dataclass(frozen=True)
class JoinOptions:
    """How to join tables. Raises `InputError` for an unknown kind of key or unit."""

    join: str = "auto"
    """A kind of key (`KEYS`); auto: the first one that all tables have."""
    unit: Unit | None = None
    """What several tables of one tool are."""
    shared_only: bool = False
    """Compares tools that predicted different items on those that all of them predicted."""
    train_size: int | None = None
    """Training items of each training, if their splits were redrawn."""

    def __post_init__(self) -> None:
        if self.join not in (kinds := ("auto", *KEYS)):
            raise InputError(f"join={self.join}: no such key; {suggest(self.join, kinds)}")
        if self.unit is not None and self.unit not in UNITS:
            raise InputError(f"unit={self.unit}: no such unit; {suggest(self.unit, UNITS)}")
        if self.train_size is not None and self.train_size < 1:
            raise InputError(f"train-size={self.train_size}: must be at least 1")


@dataclass(frozen=True)
class JudgedRun:
    """The scores of one tool, for `comparison`: what it needs of a run (`ScoredRun`)."""

    name: str
    classes: tuple[str, ...]
    redrawn: bool
    train_sizes: Mapping[str, int]
    items: pd.Index
    """Keys of the items, sorted; the columns of every matrix."""
    by_metric: Mapping[str, ScoreMatrix]
    truth: np.ndarray | None
    """(items,) indices into `classes`."""
    data_fingerprint: str | None = field(default=None, init=False)
    """The labels of all tools are the same: different ones are refused."""

    def labels(self, part: str) -> pd.Series:
        """The true class of each item."""
        assert self.truth is not None, "only the classes of predictions are looked up"
        return pd.Series(np.array(self.classes, dtype=object)[self.truth], index=self.items)

    def select(self, positions: np.ndarray) -> JudgedRun:
        """The run on some of its items."""
        items = self.items[positions]
        return replace(
            self,
            items=items,
            by_metric={
                metric: matrix.select_images(items) for metric, matrix in self.by_metric.items()
            },
            truth=None if self.truth is None else self.truth[positions],
        )

    def score_matrix(self, part: str, metric: str) -> ScoreMatrix:
        """Of the metric that it was read for; there is one part."""
        return self.by_metric[metric]


@dataclass(frozen=True)
class JoinedTools:
    runs: tuple[JudgedRun, ...]
    part: Literal["test", "validation"]
    """"validation": the folds of a repeat judged items of their own; "test": all models judged all
    items."""
    metric: Metric
    notes: tuple[str, ...]


def join_tools(
    tools: Sequence[Tool],
    options: JoinOptions,
    metric: str = "accuracy",
    lower_is_better: bool = False,
    labels: Predictions | None = None,
) -> JoinedTools:
    """The runs of all tools on the same items.

    `labels` are the true classes by which all tools are judged, whatever their own tables say.
    Raises `InputError` if the tables cannot be joined, or their design is unclear.
    """
    return _Join(tools, options, metric, lower_is_better, labels).result()


@dataclass(frozen=True)
class _Join:
    tools: Sequence[Tool]
    options: JoinOptions
    metric: str
    lower_is_better: bool
    labels: Predictions | None

    def result(self) -> JoinedTools:
        designs = [self._models(tool) for tool in self.tools]
        compared = self._compared(designs)
        if compared is not None:
            designs = [models.select(compared) for models in designs]
        items = self.items if compared is None else self.items[compared]
        truth = self._truth
        if truth is not None and compared is not None:
            truth = truth[compared]
        if truth is not None and (truth < 0).any():
            item = items[int(np.flatnonzero(truth < 0)[0])]
            raise InputError(
                f"no label for {int((truth < 0).sum()):,} of {len(items):,} items, such as {item}; "
                "--labels FILE gives them"
            )
        has_folds = any(models.has_own_items for models in designs)
        groups = self._groups if compared is None else self._groups[compared]
        described = self._described(designs)
        runs = [
            JudgedRun(
                tool.name, self.classes, models.redrawn, self._train_sizes(tool, models), items,
                {self.metric: ScoreMatrix(
                    models.scores, items, groups, models.keys, len(self.classes), described,
                    truth if self.metric == "macro_f1" else None,
                )},
                truth,
            )
            for tool, models in zip(self.tools, designs, strict=True)
        ]  # fmt: skip
        notes = [*self._notes, *(note for models in designs for note in models.notes)]
        part: Literal["test", "validation"] = "validation" if has_folds else "test"
        return JoinedTools(tuple(runs), part, described, tuple(dict.fromkeys(notes)))

    @cached_property
    def tables(self) -> list[Predictions]:
        return [table for tool in self.tools for table in tool.tables]

    @cached_property
    def key(self) -> str:
        """What the tables are joined by."""
        needed = [*self.tables, *([self.labels] if self.labels else [])]
        has = {
            kind: [kind in t.keys or (kind == "name" and "path" in t.keys) for t in needed]
            for kind in KEYS
        }
        if self.options.join != "auto":
            if not all(has[self.options.join]):
                lacking = needed[has[self.options.join].index(False)].source
                raise InputError(f"join={self.options.join}: {lacking} has no such column")
            return self.options.join
        if kind := next((kind for kind in KEYS if all(has[kind])), None):
            return kind
        texts = "; ".join(f"{table.source} has {', '.join(table.keys)}" for table in needed)
        raise InputError(
            f"no column to join by that all have ({texts}); --images FOLDER reads the content "
            "hashes of paths, --columns names columns"
        )

    def _key_of(self, table: Predictions) -> pd.Series:
        if self.key != "name":
            return table.keys[self.key]
        return table.keys["path"].str.rpartition("/")[2]

    @property
    def items(self) -> pd.Index:
        """The keys of all tables, sorted."""
        return self._coded[0]

    @property
    def codes(self) -> list[np.ndarray]:
        """The item of each row, as an index into `items`, by table."""
        return self._coded[1]

    @cached_property
    def _coded(self) -> tuple[pd.Index, list[np.ndarray]]:
        items, codes = pd.Index([], dtype=str), list[np.ndarray]()
        for position, table in enumerate(self.tables):
            keys = self._key_of(table)
            if position and keys.equals(self._key_of(self.tables[position - 1])):
                codes.append(codes[-1])
                continue
            own = items.get_indexer(pd.Index(keys))
            if (unknown := own < 0).any():
                new = pd.Index(keys[unknown].unique())
                own[unknown] = len(items) + new.get_indexer(pd.Index(keys[unknown]))
                items = items.append(new)
            codes.append(own)
        order = items.argsort()
        rank = np.empty(len(items), dtype=np.intp)
        rank[order] = np.arange(len(items))
        return items[order], [rank[own] for own in codes]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """All class names, of labels first."""
        names: dict[str, None] = {}
        labeled = [*self.tables, *([self.labels] if self.labels else [])]
        for table in labeled:
            names |= dict.fromkeys(table.classes)
            names |= dict.fromkeys([] if table.label is None else table.label.categories)
        for table in self.tables:
            names |= dict.fromkeys([] if table.predicted is None else table.predicted.categories)
        return tuple(names)

    def _class_codes(self, values: pd.Categorical[str]) -> np.ndarray:
        position = {name: index for index, name in enumerate(self.classes)}
        lookup = np.array([position[name] for name in values.categories], dtype=np.int64)
        return lookup[values.codes]

    @cached_property
    def _truth(self) -> np.ndarray | None:
        """(items,) true class, -1: unknown; None if scores are compared, not classes."""
        if self.metric not in CLASS_METRICS:
            return None
        truth = np.full(len(self.items), -1, dtype=np.int64)
        sources: list[str] = []
        if self.labels is not None:
            if self.labels.label is None:
                raise InputError(f"{self.labels.source}: no column label")
            codes = self.items.get_indexer(pd.Index(self._key_of(self.labels)))
            known = codes >= 0
            truth[codes[known]] = self._class_codes(self.labels.label)[known]
            return truth
        for table, codes in zip(self.tables, self.codes, strict=True):
            if table.label is None:
                continue
            own = self._class_codes(table.label)
            differs = (truth[codes] >= 0) & (truth[codes] != own)
            if differs.any():
                self._refuse_labels(table, sources, codes, own, truth, differs)
            truth[codes] = own
            if (truth[codes] != own).any():
                row = int(np.flatnonzero(truth[codes] != own)[0])
                raise InputError(
                    f"{table.source}: item {self.items[codes[row]]} has two labels; correct one"
                )
            sources.append(table.source)
        if not sources:
            raise InputError(
                f"{self.tables[0].source}: no labels to judge the predictions by; name their "
                "column with --columns label=COLUMN, or a table with --labels FILE"
            )
        return truth

    def _refuse_labels(
        self, table: Predictions, sources: Sequence[str], codes: np.ndarray, own: np.ndarray,
        truth: np.ndarray, differs: np.ndarray,
    ) -> None:  # fmt: skip
        row = int(np.flatnonzero(differs)[0])
        names = self.classes[truth[codes[row]]], self.classes[own[row]]
        remedy = shift_remedy(own, truth[codes]) or "--labels FILE gives the labels to judge all by"
        if len({name.isdigit() for name in names}) == 2:
            remedy = "--classes NAME,NAME,… gives the names of the classes 0, 1, …"
        raise InputError(
            f"{table.source}: {int(differs.sum()):,} items have another label than in "
            f"{sources[-1]}, such as {self.items[codes[row]]} ({names[1]}, there {names[0]}); "
            f"{remedy}"
        )

    @cached_property
    def _groups(self) -> np.ndarray:
        """(items,) group of each item, by the first table that has one for it; else it is alone."""
        groups = np.array([f"no group {number}" for number in range(len(self.items))], dtype=object)
        for table, codes in reversed([*zip(self.tables, self.codes, strict=True)]):
            if table.group is not None:
                groups[codes] = table.group
        return np.asarray(pd.factorize(groups)[0])

    def _models(self, tool: Tool) -> Models:
        first = self.tables.index(tool.tables[0])
        codes = self.codes[first : first + len(tool.tables)]
        scores = [self._scores(t, c) for t, c in zip(tool.tables, codes, strict=True)]
        return arrange_models(tool.name, tool.tables, codes, scores, self.items, self.options.unit)

    def _scores(self, table: Predictions, codes: np.ndarray) -> np.ndarray:
        """(rows,) the metric of each prediction; for the macro-F1 the predicted class."""
        if self.metric not in CLASS_METRICS:
            assert table.score is not None
            return table.score
        assert self._truth is not None
        if table.predicted is None:
            raise InputError(
                f"{table.source}: no predictions; it needs columns p_CLASS, probabilities or "
                "predicted (--columns predicted=COLUMN), or a column of scores: --metric COLUMN"
            )
        if table.shares is not None and self.labels is None:
            return score_by_shares(table.shares, table.probabilities, self.metric, table.source)
        truth = self._truth[codes]
        self._check_classes(table, truth)
        if self.metric == "loss":
            if table.probabilities is None:
                raise InputError(f"{table.source}: the loss needs probabilities of all classes")
            position = {name: index for index, name in enumerate(table.classes)}
            own = np.array([position.get(name, -1) for name in self.classes])[truth]
            return per_image_loss(own, table.probabilities)
        predicted = self._class_codes(table.predicted)
        if self.metric == "macro_f1":
            return predicted.astype(np.float64)
        return (predicted == truth).astype(np.float64)

    def _check_classes(self, table: Predictions, truth: np.ndarray) -> None:
        """The true classes must be among those that the table can predict."""
        assert table.predicted is not None
        labels = {self.classes[code] for code in np.unique(truth[truth >= 0])}
        names = table.classes or tuple(map(str, table.predicted.categories))
        missing = sorted(labels - set(names))
        if not missing or (not table.classes and len(missing) < len(labels)):
            return  # without probabilities, a class may happen never to be predicted
        raise InputError(
            f"{table.source}: the labels have {', '.join(missing[:4])}, the predictions only "
            f"{', '.join(names[:6])}; --classes NAME,NAME,… names the classes 0, 1, …"
        )

    def _compared(self, designs: Sequence[Models]) -> np.ndarray | None:
        """Positions of the items to compare; None: all of them."""
        judged = [models.judged for models in designs]
        shared = np.logical_and.reduce(judged)
        if all(own.all() for own in judged):
            return None
        counts = ", ".join(
            f"{tool.name} {own.sum():,}" for tool, own in zip(self.tools, judged, strict=True)
        )
        if not shared.any():
            examples = " and ".join(str(self.items[np.flatnonzero(own)[0]]) for own in judged[:2])
            has_run = any(t.train_sizes is not None for tool in self.tools for t in tool.tables)
            part = ", --part validation or test chooses those of a run" if has_run else ""
            raise InputError(
                f"no item in common by {self.key} ({counts}; such as {examples}); --join "
                f"{'|'.join(kind for kind in KEYS if kind != self.key)} joins by another key{part}"
            )
        if not self.options.shared_only:
            raise InputError(
                f"different items by {self.key}: {counts}, {shared.sum():,} in common; "
                "--shared-only compares on these"
            )
        return np.flatnonzero(shared)

    def _train_sizes(self, tool: Tool, models: Models) -> dict[str, int]:
        if not models.has_own_items:
            return {}
        if (known := tool.tables[0].train_sizes) is not None:
            return dict(known)
        if self.options.train_size is None and models.train_sizes is None:
            raise InputError(
                f"{tool.name}: each training judged items of its own, and the test needs the "
                "number of training items: --train-size N"
            )
        sizes = models.train_sizes or [self.options.train_size or 0] * len(models.keys)
        if self.options.train_size is not None:
            sizes = [self.options.train_size] * len(models.keys)
        names = [f"r{repeat}f{fold}" for repeat, fold in models.keys]
        return dict(zip(names, sizes, strict=True))

    def _described(self, designs: Sequence[Models]) -> Metric:
        if self.metric in CLASS_METRICS:
            return METRICS[self.metric]
        scores = (models.scores for models in designs)
        is_binary = all(np.isin(s[~np.isnan(s)], (0, 1)).all() for s in scores)
        return Metric(
            self.metric, is_share=is_binary, lower_is_better=self.lower_is_better, plain_unit="",
            is_binary=is_binary,
        )  # fmt: skip

    @property
    def _notes(self) -> list[str]:
        notes = [note for table in self.tables for note in table.notes]
        if self.labels is None and self.metric in CLASS_METRICS:
            without = [table.source for table in self.tables if table.label is None]
            if without:
                notes.append(f"Judged by the labels of the other tables: {', '.join(without)}.")
        return [f"Joined by {self.key}.", *notes]

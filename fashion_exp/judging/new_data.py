"""The accuracy on new data of which few items are labeled, and whether it drifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from fashion_exp.errors import InputError, suggest
from fashion_exp.judging.columns import ALIASES, KEYS, Predictions, find_columns, path_text
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import holm
from fashion_exp.stats.prediction_powered import MIN_LABELS, PoweredEstimate, prediction_powered
from fashion_exp.stats.proportions import independent_difference, wilson, wilson_grouped

ALPHA = 0.05
MIN_EXPECTED = 5
"""Expected items of a class in both samples that a chi-square test needs; rarer ones are pooled."""


@dataclass(frozen=True)
class Batch:
    """Predictions of one tool, one row per item: the mean over its trainings."""

    source: str
    keys: Mapping[str, pd.Series]
    predicted: np.ndarray
    """(N,) class names."""
    confidence: np.ndarray | None
    """(N,) probability of the predicted class; None if there are no probabilities."""
    classes: Sequence[str]
    correct: np.ndarray | None = None
    """(N,) if all items are labeled."""
    groups: np.ndarray | None = None
    """(N,) names; None if no two items share a group."""

    def __len__(self) -> int:
        return len(self.predicted)

    @property
    def key(self) -> str:
        """The kind of key that a list of items to label has."""
        return self.unique_kinds[0]

    @property
    def unique_kinds(self) -> list[str]:
        """The kinds of keys that tell all items apart. Raises `InputError` if there is none."""
        kinds = [kind for kind in ("path", "id", "hash") if kind in self.keys]
        unique = [kind for kind in kinds if self.keys[kind].is_unique]
        if not unique:
            raise InputError(
                f"{self.source}: several items have the same {' and '.join(kinds)}, so labels "
                "cannot be told apart; add a column id with another value for each"
            )
        return unique


@dataclass(frozen=True)
class DriftFinding:
    quantity: str
    effect: float
    """Kolmogorov-Smirnov distance, or Cramér's V."""
    p: float
    """Adjusted by Holm's method."""

    @property
    def is_significant(self) -> bool:
        return self.p < ALPHA


@dataclass(frozen=True)
class NewDataEstimate:
    """The accuracy on a batch, beside that on a labeled reference if there is one."""

    powered: PoweredEstimate
    reference: Interval | None
    difference: Interval | None
    """Accuracy here minus that of the reference."""
    drift: Sequence[DriftFinding]
    notes: Sequence[str] = field(default=())

    @property
    def interval(self) -> Interval:
        return self.powered.interval

    @cached_property
    def verdict(self) -> str:
        """ "lower", "higher" or "no difference shown" against the reference; else empty."""
        if self.difference is None:
            return ""
        low, high = self.difference.low, self.difference.high
        if high is not None and high < 0:
            return "lower"
        return "higher" if low is not None and low > 0 else "no difference shown"

    def as_json(self) -> dict[str, Any]:
        powered, interval = self.powered, self.interval
        return {
            "schema": 1,
            "accuracy": [interval.estimate, interval.low, interval.high],
            "level": interval.level, "method": interval.method, "note": interval.note,
            "labels": powered.labels, "items": powered.items,
            "effective_labels": interval.n, "explained": powered.explained,
            "labels_to_halve": powered.labels_to_halve,
            "reference": _triple(self.reference), "difference": _triple(self.difference),
            "verdict": self.verdict or None,
            "drift": [vars(finding) | {"significant": finding.is_significant}
                      for finding in self.drift],
            "notes": list(self.notes),
        }  # fmt: skip


def _triple(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [interval.estimate, interval.low, interval.high]


def batch_of(table: Predictions) -> Batch:
    """Several predictions of an item, as of several trainings, become their mean.

    Raises `InputError` for predictions without classes, or several without probabilities.
    """
    if table.predicted is None:
        raise InputError(f"{table.source}: no predictions; name their column with --columns")
    key = next(kind for kind in KEYS if kind in table.keys)
    codes, items = pd.factorize(table.keys[key])
    first = np.unique(codes, return_index=True)[1]
    keys = {kind: own.iloc[first].reset_index(drop=True) for kind, own in table.keys.items()}
    label = None if table.label is None else np.asarray(table.label, dtype=object)[first]
    if table.probabilities is None:
        if len(items) < len(table):
            raise InputError(f"{table.source}: items repeat, and have no probabilities to average")
        predicted = np.asarray(table.predicted, dtype=object)
        confidence, classes = None, [str(name) for name in table.predicted.categories]
    else:
        total = np.zeros((len(items), table.probabilities.shape[1]))
        np.add.at(total, codes, table.probabilities)
        mean = total / np.bincount(codes)[:, None]
        classes = list(table.classes)
        predicted = np.array(classes, dtype=object)[mean.argmax(axis=1)]
        confidence = mean.max(axis=1)
    correct = None if label is None else (predicted == label).astype(np.float64)
    groups = None if table.group is None else np.asarray(table.group)[first]
    if groups is not None and len(set(groups)) == len(groups):
        groups = None
    return Batch(table.source, keys, predicted, confidence, classes, correct, groups)


def sample_to_label(batch: Batch, count: int, seed: int) -> pd.DataFrame:
    """Items drawn at random, in random order, with an empty column label: any first rows of it are
    a random sample too. Raises `InputError` for a count that makes no sense."""
    if not MIN_LABELS <= count <= len(batch):
        raise InputError(
            f"count={count}: must be between {MIN_LABELS} and the number of items, {len(batch):,}"
        )
    rows = np.random.default_rng(seed).choice(len(batch), count, replace=False)
    column = ALIASES[batch.key][0]
    return pd.DataFrame({column: batch.keys[batch.key].to_numpy()[rows], "label": ""})


def estimate_accuracy(
    batch: Batch, labels: pd.DataFrame, reference: Batch | None = None, level: float = 0.95,
    notes: Sequence[str] = (),
) -> NewDataEstimate:  # fmt: skip
    """The accuracy on the batch, from a table with a key and a column label.

    Rows without a label are left out. `reference` are labeled predictions of the same tool, such
    as those of its test. Raises `InputError` for labels of no item, too few, and of unknown
    classes; without probabilities, which name the classes, any label is accepted.
    """
    rows, names, own_notes = _labeled(batch, labels)
    if len(rows) < MIN_LABELS:
        raise InputError(
            f"labels: {len(rows)} of {len(batch):,} items are labeled; at least {MIN_LABELS} are "
            "needed, and some tens say more"
        )
    correct = (batch.predicted[rows] == names).astype(np.float64)
    confidence = np.ones(len(batch)) if batch.confidence is None else batch.confidence
    groups = batch.groups
    if groups is not None and len(set(groups[rows])) < 2:
        raise InputError(
            f"labels: all labeled items are of the group {groups[rows[0]]}; label a random sample"
        )
    powered = prediction_powered(
        correct, confidence[rows], confidence, level,
        groups=None if groups is None else groups[rows], all_groups=groups,
    )  # fmt: skip
    accuracy = None
    if reference is not None:
        if reference.correct is None:
            raise InputError(f"{reference.source}: no labels; the reference needs them")
        if reference.groups is None:
            accuracy = wilson(float(reference.correct.sum()), len(reference), level)
        else:
            accuracy = wilson_grouped(reference.correct, reference.groups, level)
            own_notes.append(f"The accuracy of the reference: {accuracy.note}.")
    difference = None if accuracy is None else independent_difference(powered.interval, accuracy)
    drift: list[DriftFinding] = []
    if reference is not None and batch.groups is None and reference.groups is None:
        drift = _drift(batch, reference)
    elif reference is not None:
        own_notes.append(
            "No tests whether the predictions differ: they need independent items, and some of "
            "these share a group."
        )
    return NewDataEstimate(powered, accuracy, difference, drift, [*notes, *own_notes])


def _labeled(batch: Batch, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows of the batch and the label of each. Raises `InputError`."""
    column_of = find_columns(labels, "labels", {})
    if "label" not in column_of:
        raise InputError(f"labels: no column label; it has {', '.join(map(str, labels))}")
    kind = next((kind for kind in batch.unique_kinds if kind in column_of), None)
    if kind is None:
        known = " or ".join(ALIASES[kind][0] for kind in batch.unique_kinds)
        raise InputError(f"labels: no column {known}, by which items are found")
    text = labels[column_of["label"]].astype(object).fillna("").astype(str).str.strip()
    given = np.flatnonzero(text != "")
    notes = []
    if len(given) and given[-1] >= len(given):
        notes.append(
            f"{given[-1] + 1 - len(given)} rows without a label stand between labeled ones: if "
            "they were left out for being difficult, the estimate is biased."
        )
    values = labels[column_of[kind]].astype(str).iloc[given]
    if kind == "path":
        values = path_text(values)
    rows = pd.Index(batch.keys[kind]).get_indexer(pd.Index(values))
    if (rows < 0).any():
        name = values.iloc[int(np.flatnonzero(rows < 0)[0])]
        raise InputError(f"labels: {(rows < 0).sum()} of them are of no item, such as {name}")
    if len(np.unique(rows)) < len(rows):
        raise InputError("labels: an item has two labels; correct one")
    names = text.iloc[given].to_numpy(object)
    unknown = [name for name in dict.fromkeys(names) if name not in batch.classes]
    if unknown and batch.confidence is not None:
        raise InputError(
            f"labels: {unknown[0]}: no such class; {suggest(unknown[0], batch.classes)}"
        )
    if unknown:  # the classes are those that are predicted: others may be true
        notes.append(
            f"No item is predicted as {', '.join(unknown)}: such labels count as wrong. Correct "
            "them if they are misspelled."
        )
    return rows, names, notes


def _drift(batch: Batch, reference: Batch) -> list[DriftFinding]:
    """Whether the predictions differ from those on the reference, by tests of two samples."""
    tests: list[tuple[str, float, float]] = []
    if batch.confidence is not None and reference.confidence is not None:
        test = scipy_stats.ks_2samp(batch.confidence, reference.confidence, method="asymp")
        tests.append(("confidence", float(test.statistic), float(test.pvalue)))
    counts = pd.crosstab(
        np.repeat([0, 1], [len(batch), len(reference)]),
        np.concatenate([batch.predicted, reference.predicted]),
    ).to_numpy()
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < MIN_EXPECTED
    if rare.any():
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    if counts.shape[1] > 1:
        chi2, p, *_ = scipy_stats.chi2_contingency(counts, correction=False)
        tests.append(("predicted classes", float(np.sqrt(chi2 / counts.sum())), float(p)))
    adjusted = holm([p for *_, p in tests])
    return [
        DriftFinding(quantity, effect, p or 0.0)
        for (quantity, effect, _), p in zip(tests, adjusted, strict=True)
    ]

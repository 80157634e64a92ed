"""Labels of several annotators: their agreement, and soft labels from them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from fashion_exp.data.csv_lists import CsvRow, read_csv_rows, write_csv_rows
from fashion_exp.data.label_shares import format_shares, scaled
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.sources.csv_manifest import ANNOTATOR
from fashion_exp.errors import InputError
from fashion_exp.stats.annotators import (
    TrueClasses,
    accuracy_intervals,
    alpha_interval,
    class_counts,
    find_true_classes,
    human_accuracy,
    kappa_interval,
)
from fashion_exp.stats.checks import Integers
from fashion_exp.stats.interval import Interval

PATH_COLUMNS = ("path", "image")
KEPT_COLUMNS = ("group", "part", "split")
"""Columns of the votes that the manifest of soft labels has too."""
MIN_SHARE = 0.01
"""Smaller shares are left out of soft labels."""


@dataclass(frozen=True)
class Votes:
    file: Path
    images: tuple[str, ...]
    annotators: tuple[str, ...]
    classes: tuple[str, ...]
    codes: Integers
    """(images, annotators): index into `classes`, or -1 without a label."""
    columns: Mapping[str, Mapping[str, str]]
    """{image: `KEPT_COLUMNS` that its first row has}"""

    @property
    def groups(self) -> list[str]:
        """Of the images; one without a group is alone."""
        return [self.columns[image].get("group") or f"image {image}" for image in self.images]


@dataclass(frozen=True)
class AnnotatorReport:
    """What the labels of several annotators say about them and about the images."""

    votes: Votes
    kappas: Mapping[tuple[str, str], Interval]
    """Cohen's kappa of each pair of annotators."""
    alpha: Interval
    """Krippendorff's."""
    true_classes: TrueClasses
    accuracies: Mapping[str, Interval]
    """Of each annotator, by the model of Dawid and Skene."""
    human: Interval
    """`stats.annotators.human_accuracy`."""

    def as_json(self) -> dict[str, Any]:
        """The numbers; intervals as estimate, low, high and n."""
        votes = self.votes
        return {
            "images": len(votes.images),
            "labels": int((votes.codes >= 0).sum()),
            "classes": list(votes.classes),
            "krippendorff_alpha": _interval_json(self.alpha),
            "cohen_kappa": [
                {"annotators": list(pair), **_interval_json(interval)}
                for pair, interval in self.kappas.items()
            ],
            "annotators": {
                name: {
                    "labels": int((votes.codes[:, i] >= 0).sum()),
                    "accuracy": _interval_json(self.accuracies[name]),
                    "confusion": self.true_classes.confusion[i].round(6).tolist(),
                }
                for i, name in enumerate(votes.annotators)
            },
            "human_accuracy": _interval_json(self.human),
        }

    def soft_labels(self, method: str) -> list[str]:
        """The label of each image, as `training.targets=soft` reads it: by the model
        (dawid_skene), or the shares of the votes (votes)."""
        if method == "votes":
            weights = class_counts(self.votes.codes, len(self.votes.classes))
        else:
            weights = self.true_classes.posterior
        shares = weights / weights.sum(axis=1, keepdims=True)
        names = self.votes.classes
        return [
            format_shares(
                scaled({names[i]: float(row[i]) for i in np.flatnonzero(row > MIN_SHARE)})
            )
            for row in shares
        ]


def read_votes(file: Path) -> Votes:
    """The labels in a CSV with the columns path (or image), annotator and label.

    Raises `InputError` for an invalid file, two labels of one annotator for one image, a class with
    the characters | or :, fewer than two annotators or classes.
    """
    rows = read_csv_rows(file, (ANNOTATOR, "label"))
    path_column = next((name for name in PATH_COLUMNS if rows and name in rows[0].cells), None)
    if path_column is None:
        raise InputError(f"{file}: needs a column path (or image) and rows")
    labels: dict[tuple[str, str], str] = {}
    columns: dict[str, dict[str, str]] = {}
    for row in rows:
        image, annotator = row.cells[path_column], row.cells[ANNOTATOR]
        if label := _single_label(row):
            if not image or not annotator:
                raise InputError(f"{row.location} lacks the {path_column} or the {ANNOTATOR}")
            if labels.setdefault((image, annotator), label) != label:
                raise InputError(
                    f"{row.location}: {annotator} gave {image} the label {label} and another one "
                    "before; keep one of them"
                )
            further = {name: row.cells[name] for name in KEPT_COLUMNS if name in row.cells}
            columns.setdefault(image, further)
    images, annotators, classes = (
        tuple(sorted(names)) for names in (
            columns, {annotator for _, annotator in labels}, {*labels.values()}
        )
    )  # fmt: skip
    for names, what in ((annotators, "annotators"), (classes, "classes")):
        if len(names) < 2:
            column_names = ", ".join(names) or "none"
            raise InputError(f"{file}: needs two or more {what}, has {column_names}")
    codes = np.full((len(images), len(annotators)), -1, dtype=np.int64)
    row_of, column_of, code_of = (
        {name: i for i, name in enumerate(names)} for names in (images, annotators, classes)
    )
    for (image, annotator), label in labels.items():
        codes[row_of[image], column_of[annotator]] = code_of[label]
    return Votes(file, images, annotators, classes, codes, columns)


def _single_label(row: CsvRow) -> str:
    label = normalize_name(row.cells["label"])
    if "|" in label or ":" in label:
        raise InputError(
            f"{row.location}: the label '{label}' names several classes or shares; agreement is "
            "about one class from each annotator"
        )
    return label


def report_annotators(votes: Votes, level: float = 0.95) -> AnnotatorReport:
    """All measures with intervals of this confidence level, over the images or their groups."""
    codes, classes, names = votes.codes, len(votes.classes), votes.annotators
    groups, true_classes = votes.groups, find_true_classes(codes, classes)
    intervals = accuracy_intervals(codes, classes, true_classes, level, groups)
    return AnnotatorReport(
        votes,
        {
            (names[a], names[b]): kappa_interval(codes[:, a], codes[:, b], classes, level, groups)
            for a, b in combinations(range(len(names)), 2)
        },
        alpha_interval(codes, classes, level, groups),
        true_classes,
        dict(zip(names, intervals, strict=True)),
        human_accuracy(codes, classes, level, groups),
    )


def write_soft_labels(report: AnnotatorReport, into: Path, method: str) -> None:
    """A manifest for dataset=csv. Relative paths are made relative to its folder."""
    folder = into.absolute().parent
    here = report.votes.file.absolute().parent

    def moved(path: str) -> str:
        is_moved = folder != here and not os.path.isabs(path)
        return os.path.relpath(here / path, folder) if is_moved else path

    rows = [
        {"path": moved(image), "label": label, **report.votes.columns[image]}
        for image, label in zip(report.votes.images, report.soft_labels(method), strict=True)
    ]
    write_csv_rows(into, ("path", "label"), rows)


def _interval_json(interval: Interval) -> dict[str, Any]:
    names: Sequence[str] = ("estimate", "low", "high", "n")
    return {name: getattr(interval, name) for name in names} | {"note": interval.note}

"""Suggestions for labels that a person should review, in the class names of the data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_exp.comparison.audit import GOOD_ACCURACY
from fashion_exp.comparison.out_of_fold import average_by_image, predictions_on_training_images
from fashion_exp.comparison.run_data import RunData
from fashion_exp.data.label_shares import SEPARATOR
from fashion_exp.data.label_versions import ORIGINAL, LabelHistory, journal_path, read_history
from fashion_exp.data.split import fold_columns
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities
from fashion_exp.reporting.formats import percent
from fashion_exp.tools.relabel.label_issues import (
    AMBIGUOUS,
    WRONG,
    assess_labels,
    rank_label_issues,
)

COLUMNS = (
    "image_id", "path", "given", "suggested", "kind", "quality", "confidence", "agree", "group",
    "data", "decision",
)  # fmt: skip


@dataclass(frozen=True)
class LabelSuggestions:
    rows: pd.DataFrame
    """`COLUMNS`; wrong before ambiguous, worst first; the column decision is empty."""
    images: pd.DataFrame
    """All predicted images, from `assess_labels`."""
    development: int
    """Number of images outside the test set, predicted or not."""
    decided: int
    """Number of label issues that are not in `rows` because a person has decided on them."""
    classes: tuple[str, ...]
    """Class names of the data set, for decisions."""
    run_version: str
    """Version of the labels that the run used."""
    current_version: str
    """Version of the labels that the data set has now."""

    @property
    def accuracy(self) -> float:
        """Share of sources whose given label the mean prediction matches."""
        labels, probabilities = labels_and_probabilities(self.images)
        correct = pd.Series(probabilities.argmax(axis=1) == labels, index=self.images.index)
        return float(correct.groupby(self.images["group_id"]).mean().mean())

    def counts(self) -> dict[str, Any]:
        """Counts of images and of sources; copies of one source count once."""
        wrong, ambiguous = (self.images[self.images["kind"] == k] for k in (WRONG, AMBIGUOUS))
        sources = self.images["group_id"].nunique()
        wrong_sources = wrong["group_id"].nunique()
        return {
            "images": len(self.images),
            "development_images": self.development,
            "covered": len(self.images) / self.development,
            "sources": sources,
            "accuracy": self.accuracy,
            "wrong": len(wrong),
            "wrong_sources": wrong_sources,
            "wrong_share_of_sources": wrong_sources / sources,
            "ambiguous": len(ambiguous),
            "ambiguous_sources": ambiguous["group_id"].nunique(),
            "decided_already": self.decided,
        }

    def notes(self) -> list[str]:
        """Limitations of the suggestions, one sentence each."""
        notes = []
        covered = len(self.images) / self.development
        if covered < 1:
            notes.append(
                f"Only {len(self.images):,} of {self.development:,} development images "
                f"({percent(covered, 0)}) were predicted by a model that had not seen them; "
                "split=kfold predicts all."
            )
        notes.append("Test predictions are not used: the test set stays held out.")
        if self.accuracy < GOOD_ACCURACY:
            notes.append(
                f"The models predict the given label of only {percent(self.accuracy, 0)} of the "
                "sources, so many suggestions are errors of the models. Train a better model first."
            )
        if self.run_version != self.current_version:
            notes.append(
                f"The run used labels {self.run_version}; the current version is "
                f"{self.current_version}. Decisions on labels that changed since are rejected."
            )
        if self.decided:
            notes.append(f"Not listed, because already decided: {self.decided} suggestions.")
        return notes


def suggest_labels(run: RunData, table: ImageTable | None, data: Path | None) -> LabelSuggestions:
    """Label issues by the validation predictions of a finished run; test predictions are not read.

    `table` holds the run's images under the class names of the data set; `data` is the folder or
    list that decisions apply to. Raises `InputError` if a model predicted its training images.
    """
    _reject_seen_images(run)
    images = assess_labels(average_by_image(run.predictions("validation")))
    names = _DatasetClassNames(run.options, images, table)
    issues = rank_label_issues(images)
    run_version = run.result.facts.get("labels_version", ORIGINAL)
    history = LabelHistory(Path()) if data is None else read_history(journal_path(data))
    undecided = issues[~issues.index.isin(list(history.overrides_at(history.current)))]
    rows = undecided.assign(
        image_id=undecided.index,
        given=[names.given(str(image), label) for image, label in undecided["label"].items()],
        suggested=[names.join(classes) for classes in undecided["suggested"]],
        group=undecided["group_id"],
        data="" if data is None else str(data),
        decision="",
    )
    folds = fold_columns(run.split)
    return LabelSuggestions(
        rows=rows[list(COLUMNS)].reset_index(drop=True),
        images=images,
        development=int(folds.isin(["train", "validation"]).any(axis=1).sum()),
        decided=len(issues) - len(undecided),
        classes=names.classes,
        run_version=run_version,
        current_version=run_version if data is None else history.current,
    )


def _reject_seen_images(run: RunData) -> None:
    rows = predictions_on_training_images(run)
    if len(rows):
        raise InputError(
            f"{run.name}: {rows['image_id'].nunique()} images were predicted by models that had "
            f"trained on them or their copies, such as {rows['path'].iloc[0]}; such predictions "
            "cannot reveal wrong labels; run again with split=kfold"
        )


class _DatasetClassNames:
    """Maps the classes of an experiment back to those of the data set (before dataset.rename)."""

    def __init__(
        self, options: Mapping[str, Any], images: pd.DataFrame, table: ImageTable | None
    ) -> None:
        rename: dict[str, str] = dict(options.get("dataset.rename") or {})
        self._originals: dict[str, list[str]] = defaultdict(list)
        for original, new in rename.items():
            self._originals[new].append(original)
        self._given: dict[str, str] = {}
        names = class_names(images)
        self.classes = tuple(original for name in names for original in self._original(name))
        if table is not None:
            given = [SEPARATOR.join(names) for names in table.class_names()]
            self._given = dict(zip(table.rows["image_id"], given, strict=True))
            self.classes = table.classes
            for name in names:  # a class that others were merged into keeps its own name too
                if name in self._originals and name in table.classes and name not in rename:
                    self._originals[name].append(name)

    def _original(self, name: str) -> list[str]:
        return self._originals.get(name, [name])

    def given(self, image_id: str, label: str) -> str:
        return self._given.get(image_id, " or ".join(self._original(label)))

    def join(self, classes: Sequence[str]) -> str:
        """The classes in the notation of decisions."""
        return SEPARATOR.join(" or ".join(self._original(name)) for name in classes)

"""What is proposed to a person about the labels of a run's images, by the data's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_exp.comparison.audit import GOOD
from fashion_exp.comparison.out_of_fold import by_image, seen_in_training
from fashion_exp.comparison.run_data import RunData
from fashion_exp.data.label_decisions import BETWEEN
from fashion_exp.data.label_versions import ORIGINAL, History, journal_of, read_history
from fashion_exp.data.sources.clothing import kept_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities
from fashion_exp.reporting.formats import percent
from fashion_exp.tools.relabel.suspects import AMBIGUOUS, WRONG, judged, ranked

COLUMNS = (
    "image_id", "path", "given", "suggested", "kind", "quality", "confidence", "agree", "group",
    "data", "decision",
)  # fmt: skip


@dataclass(frozen=True)
class Suggestions:
    """The images whose labels a person should look at, and how much was looked at."""

    rows: pd.DataFrame
    """`COLUMNS`, wrong before ambiguous, the most doubtful first; no decision yet."""
    images: pd.DataFrame
    """All that were predicted, as `judged` has them."""
    development: int
    """Images that are not of the test set; the predicted ones are some of them."""
    decided: int
    """Suspects that a person has decided on already: not among the rows."""
    classes: tuple[str, ...]
    """The data's own names, for decisions."""
    read: str
    """The version of the labels that the run read."""
    current: str
    """That which the data have now."""

    def counts(self) -> dict[str, Any]:
        """Images, and sources, of which copies count once."""
        kinds = {kind: self.images[self.images["kind"] == kind] for kind in (WRONG, AMBIGUOUS)}
        sources = self.images["group_id"].nunique()
        wrong = kinds[WRONG]["group_id"].nunique()
        return {
            "images": len(self.images),
            "development_images": self.development,
            "covered": len(self.images) / self.development,
            "sources": sources,
            "accuracy": self.accuracy,
            "wrong": len(kinds[WRONG]),
            "wrong_sources": wrong,
            "wrong_share_of_sources": wrong / sources,
            "ambiguous": len(kinds[AMBIGUOUS]),
            "ambiguous_sources": kinds[AMBIGUOUS]["group_id"].nunique(),
            "decided_already": self.decided,
        }

    @property
    def accuracy(self) -> float:
        """Share of sources whose given label the models name, by their mean."""
        labels, probabilities = labels_and_probabilities(self.images)
        right = pd.Series(probabilities.argmax(axis=1) == labels, index=self.images.index)
        return float(right.groupby(self.images["group_id"]).mean().mean())

    def notes(self) -> list[str]:
        """What a reader must know of the list, a sentence each."""
        told = []
        covered = len(self.images) / self.development
        if covered < 1:
            told.append(
                f"Only {len(self.images):,} of {self.development:,} development images "
                f"({percent(covered, 0)}) were predicted by a model that had not seen them; "
                "split=kfold predicts all."
            )
        told.append("Test images are not looked at: their predictions stay sealed here.")
        if self.accuracy < GOOD:
            told.append(
                f"The models name the given label of {percent(self.accuracy, 0)} of the sources "
                "only: much of what they call wrong is their own error. Train better, then ask "
                "again."
            )
        if self.read != self.current:
            told.append(
                f"The run read the labels {self.read}, the current ones are {self.current}: "
                "decisions on what has changed since will be refused."
            )
        if self.decided:
            told.append(f"{self.decided} suspects have been decided on already: not listed.")
        return told


def suggestions(member: RunData, table: ImageTable | None, data: Path | None) -> Suggestions:
    """What a finished run's validation predictions say of its labels; the test's are not read.

    `table` are its images under the data's own class names, `data` is where decisions apply. Raises
    `InputError` where a model predicted what it was trained on.
    """
    _refuse_seen(member)
    images = judged(by_image(member.frame("validation")))
    own = _OwnNames(member.knobs, images, table)
    suspects = ranked(images)
    read = member.result.facts.get("labels_version", ORIGINAL)
    history = History(Path()) if data is None else read_history(journal_of(data))
    current = read if data is None else history.current
    state = history.state(history.current)
    waiting = suspects[~suspects.index.isin(list(state))]
    rows = waiting.assign(
        image_id=waiting.index,
        given=[own.given(str(image), label) for image, label in waiting["label"].items()],
        suggested=[own.meant(classes) for classes in waiting["suggested"]],
        group=waiting["group_id"],
        data="" if data is None else str(data),
        decision="",
    )
    split = member.split
    folds = split.drop(columns=["image_id", "group_id", "label"])
    development = int(folds.isin(["train", "validation"]).any(axis=1).sum())
    skipped = len(suspects) - len(waiting)
    columns = rows[list(COLUMNS)].reset_index(drop=True)
    return Suggestions(columns, images, development, skipped, own.classes, read, current)


def _refuse_seen(member: RunData) -> None:
    rows = seen_in_training(member)
    if len(rows):
        raise InputError(
            f"{member.name}: {rows['image_id'].nunique()} images were predicted by models that had "
            f"trained on them or their copies, such as {rows['path'].iloc[0]}: such predictions "
            "say nothing of a label; run it again with split=kfold"
        )


class _OwnNames:
    """From the classes of an experiment to those of the data, which may have others' names."""

    def __init__(
        self, knobs: Mapping[str, Any], images: pd.DataFrame, table: ImageTable | None
    ) -> None:
        rename = dict(knobs.get("dataset.rename") or {})
        self._old: dict[str, list[str]] = {}
        for old, new in rename.items():
            self._old.setdefault(new, []).append(old)
        self._given: dict[str, str] = {}
        names = class_names(images)
        self.classes = tuple(old for name in names for old in self._of(name))
        if table is not None:
            given = [table.classes[label] for label in table.labels]
            self._given = dict(zip(table.rows["image_id"], given, strict=True))
            self.classes = table.classes
            kept = [name for name in names if name in table.classes and name not in rename]
            for name in kept:  # a class merged into another's name keeps that name
                if name in self._old:
                    self._old[name].append(name)

    def _of(self, name: str) -> list[str]:
        return self._old.get(name, [name])

    def given(self, image: str, label: str) -> str:
        return self._given.get(image, " or ".join(self._of(label)))

    def meant(self, classes: Sequence[str]) -> str:
        """The classes as a decision would name them."""
        return BETWEEN.join(" or ".join(self._of(name)) for name in classes)


def data_of(knobs: Mapping[str, Any], cache: Path) -> Path | None:
    """The folder or list whose labels can be decided on; None for drawn and downloaded pictures."""
    name = knobs.get("dataset.name")
    root, manifest = knobs.get("dataset.root"), knobs.get("dataset.manifest")
    if name == "csv" and manifest:
        return Path(manifest).expanduser().resolve()
    if name in ("folder", "clothing") and root:
        return Path(root).expanduser().resolve()
    return kept_folder(cache) if name == "clothing" else None

"""The labels of listed files: the original ones, or those of a label version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fashion_exp.data.image_files import content_ids
from fashion_exp.data.label_decisions import count_changes, read_decisions, resolve_decisions
from fashion_exp.data.label_versions import (
    CURRENT,
    ORIGINAL,
    LabelOverrides,
    Labels,
    journal_path,
    labels_fingerprint,
    read_history,
)
from fashion_exp.errors import InputError


class SelectedFiles(NamedTuple):
    """The files that an experiment uses."""

    files: pd.DataFrame
    """`FILE_COLUMNS`, labels by the experiment's class names."""
    excluded: list[tuple[str, str]]
    """(path, reason) of files that a person excluded."""
    notes: list[str]


@dataclass(frozen=True)
class LabeledFiles:
    """The files of a source and the label overrides in force."""

    files: pd.DataFrame
    """`FILE_COLUMNS`, original labels by the data set's class names."""
    overrides: LabelOverrides
    facts: Mapping[str, str]
    """What a run records: labels_version, and for a version other than the original also
    labels_fingerprint, labels_parent and labels_changes."""

    @cached_property
    def labels(self) -> list[Labels]:
        """The classes of each file: one, several, or none if it is excluded."""
        original: list[Labels] = [(label,) for label in self.files["label"]]
        if not self.overrides:
            return original
        ids, _ = content_ids(set(self.files["file"]))
        return [
            self.overrides.get(ids.get(file, ""), labels)
            for file, labels in zip(self.files["file"], original, strict=True)
        ]

    @property
    def class_counts(self) -> Counter[str]:
        """Number of files of each class; a file with several labels counts for each."""
        return Counter(name for labels in self.labels for name in labels)

    def select(self, names: Mapping[str, str]) -> SelectedFiles:
        """The files of the classes in `names` {data set's name: experiment's name}.

        An image with several labels is excluded unless all of them have one name in the experiment.
        """
        positions, new_labels, excluded = [], [], []
        for position, (labels, original) in enumerate(
            zip(self.labels, self.files["label"], strict=True)
        ):
            targets = {names[name] for name in labels if name in names}
            if len(targets) == 1 and all(name in names for name in labels):
                positions.append(position)
                new_labels.append(targets.pop())
            elif targets or (not labels and original in names):
                excluded.append((position, labels))
        paths = self.files["path"].to_list()
        version = self.facts["labels_version"]
        return SelectedFiles(
            self.files.iloc[positions].assign(label=new_labels),
            [(paths[row], f"{_exclusion_reason(labels)} (labels {version})")
             for row, labels in excluded],
            self._notes([labels for _, labels in excluded]),
        )  # fmt: skip

    def _notes(self, excluded: Sequence[Labels]) -> list[str]:
        if not self.overrides:
            return []
        several = sum(len(labels) > 0 for labels in excluded)
        notes = [f"Labels {self.facts['labels_version']}: {self.facts['labels_changes']}."]
        if several:
            notes.append(f"Files with several labels, excluded: {several}.")
        if several < len(excluded):
            notes.append(f"Files excluded by decision: {len(excluded) - several}.")
        return notes


def _exclusion_reason(labels: Labels) -> str:
    return f"several labels: {', '.join(labels)}" if labels else "excluded by decision"


def read_labels(files: pd.DataFrame, version: str | None, data: Path) -> LabeledFiles:
    """The files with the labels that `dataset.labels=version` names.

    `data` is the image folder or manifest that the versions belong to. None is `ORIGINAL`, as in
    runs of releases without versions. Raises `InputError` for an unknown version or file, and for a
    file that does not fit the data.
    """
    version = ORIGINAL if version is None else version
    if version != ORIGINAL:
        history = read_history(journal_path(data))
        choices = [ORIGINAL, CURRENT, *(entry.version for entry in history.versions)]
        if version not in choices:
            return _read_decision_file(files, Path(version).expanduser(), choices, data)
        name = history.current if version == CURRENT else version
        if (entry := history.find(name)) is not None:
            facts = {
                "labels_version": name,
                "labels_fingerprint": entry.fingerprint,
                "labels_parent": entry.parent,
                "labels_changes": describe_changes(entry.counts),
            }
            return LabeledFiles(files, history.overrides_at(name), facts)
    return LabeledFiles(files, {}, {"labels_version": ORIGINAL})


def _read_decision_file(
    files: pd.DataFrame, file: Path, choices: list[str], data: Path
) -> LabeledFiles:
    """The original labels with the decisions of a file."""
    if not file.is_file():
        raise InputError(
            f"dataset.labels={file}: neither a file of decisions nor one of {', '.join(choices)}"
        )
    original = original_labels(files)
    classes = set(files["label"])
    overrides = resolve_decisions(read_decisions(file), original, classes, str(data))
    facts = {
        "labels_version": file.name,
        "labels_fingerprint": labels_fingerprint(overrides),
        "labels_parent": ORIGINAL,
        "labels_changes": describe_changes(count_changes(overrides, original)),
    }
    return LabeledFiles(files, overrides, facts)


def original_labels(files: pd.DataFrame) -> dict[str, Labels]:
    """{image id: classes that list it}; several classes are a label conflict."""
    ids, _ = content_ids(set(files["file"]))
    classes: dict[str, set[str]] = {}
    for file, label in zip(files["file"], files["label"], strict=True):
        if file in ids:
            classes.setdefault(ids[file], set()).add(label)
    return {image: tuple(sorted(names)) for image, names in sorted(classes.items())}


def describe_changes(counts: Mapping[str, int]) -> str:
    """Nonzero counts as text: "3 relabelled, 1 excluded"."""
    names = {"several": "of several labels"}
    parts = [f"{count} {names.get(kind, kind)}" for kind, count in counts.items() if count]
    return ", ".join(parts) or "nothing"

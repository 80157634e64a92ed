"""The labels of listed files: the original ones, or those of a label version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fashion_exp.configuration.schema import Targets
from fashion_exp.data.image_files import content_ids
from fashion_exp.data.label_decisions import count_changes, read_decisions, resolve_decisions
from fashion_exp.data.label_shares import (
    SHARE,
    Shares,
    label_names,
    mean_shares,
    parse_shares,
    scaled,
    with_names,
)
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

MIN_CHOSEN_SHARE = 0.5
"""Least share of the chosen classes in the label of a photo that is used (`Targets.soft`)."""


class SelectedFiles(NamedTuple):
    """The files that an experiment uses."""

    files: pd.DataFrame
    """`FILE_COLUMNS`, labels by the experiment's class names. Unless the targets are single, a
    column `shares` has ((class, share), …), and the label is the class with the largest share."""
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
    targets: Targets = Targets.single

    @cached_property
    def labels(self) -> list[Shares]:
        """The classes of each file: one, several, or none if it is excluded."""
        read = {text: self._read(text) for text in self.files["label"].unique()}
        original = [read[text] for text in self.files["label"]]
        if not self.overrides:
            return original
        ids, _ = content_ids(set(self.files["file"]))
        decided: dict[str, Shares] = {
            image: mean_shares(map(self._read, labels)) if labels else {}
            for image, labels in self.overrides.items()
        }
        return [
            decided.get(ids.get(file, ""), shares)
            for file, shares in zip(self.files["file"], original, strict=True)
        ]

    def _read(self, text: str) -> Shares:
        if self.targets is Targets.single:
            names = label_names(text)
            is_list = self._texts.issuperset(names)  # else it is the name of one class
            return scaled(dict.fromkeys(names if is_list else [text], 1.0))
        shares = parse_shares(text, "dataset labels")
        if self.targets is Targets.several and SHARE in text and len({*shares.values()}) > 1:
            raise InputError(
                f"training.targets=several: all classes of a label are right, but '{text}' gives "
                "shares; write the classes alone, or set training.targets=soft"
            )
        return shares

    @cached_property
    def _texts(self) -> frozenset[str]:
        return frozenset(self.files["label"])

    @property
    def class_counts(self) -> Counter[str]:
        """Number of files of each class; a file with several labels counts for each."""
        return Counter(name for labels in self.labels for name in labels)

    def select(self, names: Mapping[str, str]) -> SelectedFiles:
        """The files of the classes in `names` {data set's name: experiment's name}.

        With single targets, an image with several labels is excluded unless all of them have one
        name in the experiment; a text such as "dress|shirt" is a list of labels if both are labels
        of other files. With soft ones, classes that are not chosen are dropped, unless they have
        more than half of the shares; with several, the image is used for those chosen.
        """
        positions, new_labels, excluded = [], list[Shares](), []
        order = {name: position for position, name in enumerate(dict.fromkeys(names.values()))}
        for position, (shares, text) in enumerate(
            zip(self.labels, self.files["label"], strict=True)
        ):
            targets: dict[str, float] = {}
            for name in filter(names.__contains__, shares):
                targets[names[name]] = targets.get(names[name], 0.0) + shares[name]
            if targets and self._is_used(shares, targets, names):
                positions.append(position)
                new_labels.append(scaled(targets))
            elif targets or (not shares and any(name in names for name in self._read(text))):
                excluded.append((position, tuple(shares)))
        paths = self.files["path"].to_list()
        version = self.facts["labels_version"]
        files = self.files.iloc[positions].assign(
            label=[max(label, key=lambda n: (label[n], -order[n])) for label in new_labels]
        )
        notes = self._notes([labels for _, labels in excluded])
        if self.targets is not Targets.single:
            pairs = [tuple(label.items()) for label in new_labels]
            files["shares"] = pd.Series(pairs, index=files.index, dtype=object)
            several = sum(len(label) > 1 for label in new_labels)
            notes.append(f"Files with a label of several classes: {several:,}.")
        return SelectedFiles(
            files,
            [(paths[row], f"{_exclusion_reason(labels)} (labels {version})")
             for row, labels in excluded],
            notes,
        )  # fmt: skip

    def _is_used(self, shares: Shares, chosen: Shares, names: Mapping[str, str]) -> bool:
        if self.targets is Targets.single:
            return len(chosen) == 1 and all(name in names for name in shares)
        enough = sum(chosen.values()) >= MIN_CHOSEN_SHARE - 1e-9
        return enough or self.targets is Targets.several

    def _notes(self, excluded: Sequence[Labels]) -> list[str]:
        several = sum(len(labels) > 0 for labels in excluded)
        notes = []
        if self.overrides:
            notes.append(f"Labels {self.facts['labels_version']}: {self.facts['labels_changes']}.")
        if several:
            notes.append(f"Files with several labels, excluded: {several}.")
        if several < len(excluded):
            notes.append(f"Files excluded by decision: {len(excluded) - several}.")
        return notes


def _exclusion_reason(labels: Labels) -> str:
    return f"several labels: {', '.join(labels)}" if labels else "excluded by decision"


def read_labels(
    files: pd.DataFrame, version: str | None, data: Path, targets: Targets = Targets.single
) -> LabeledFiles:
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
            file = Path(version).expanduser()
            return replace(_read_decision_file(files, file, choices, data), targets=targets)
        name = history.current if version == CURRENT else version
        if (entry := history.find(name)) is not None:
            facts = {
                "labels_version": name,
                "labels_fingerprint": entry.fingerprint,
                "labels_parent": entry.parent,
                "labels_changes": describe_changes(entry.counts),
            }
            return LabeledFiles(files, history.overrides_at(name), facts, targets)
    return LabeledFiles(files, {}, {"labels_version": ORIGINAL}, targets)


def _read_decision_file(
    files: pd.DataFrame, file: Path, choices: list[str], data: Path
) -> LabeledFiles:
    """The original labels with the decisions of a file."""
    if not file.is_file():
        raise InputError(
            f"dataset.labels={file}: neither a file of decisions nor one of {', '.join(choices)}"
        )
    original = original_labels(files)
    classes = with_names(files["label"])
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

"""The labels of listed files: their own, or as a version of the labels has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fashion_exp.data.image_files import identify
from fashion_exp.data.label_decisions import counts, decided, read_decisions
from fashion_exp.data.label_versions import (
    CURRENT,
    ORIGINAL,
    Labels,
    State,
    fingerprint,
    journal_of,
    read_history,
)
from fashion_exp.errors import InputError


class Taken(NamedTuple):
    """What an experiment takes of a data set's files."""

    listed: pd.DataFrame
    """Labelled by the experiment's names."""
    aside: list[tuple[str, str]]
    """What a person has decided to leave out: path, reason."""
    notes: list[str]


@dataclass(frozen=True)
class Labelled:
    """Files as a source lists them (`LISTED_COLUMNS`, labels by the data's own names), and the
    decisions in force on them."""

    listed: pd.DataFrame
    state: State
    facts: Mapping[str, str]
    """What is recorded of the version: labels_version, and of one that is not the original its
    labels_fingerprint, labels_parent, labels_changes."""

    @cached_property
    def labels(self) -> list[Labels]:
        """Of each file its classes: one, several, or none where it is excluded."""
        own: list[Labels] = [(label,) for label in self.listed["label"]]
        if not self.state:
            return own
        ids, _ = identify(set(self.listed["file"]))
        images = self.listed["file"].map(ids)
        return [self.state.get(image, label) for image, label in zip(images, own, strict=True)]

    @property
    def classes(self) -> set[str]:
        return {name for labels in self.labels for name in labels}

    def taken(self, names: Mapping[str, str]) -> Taken:
        """The files of the classes `names` {own name: the experiment's}.

        An image of several labels has no one right answer: it is neither trained on nor judged,
        unless all its labels have one name in the experiment.
        """
        places, new, aside = [], [], []
        for place, (labels, own) in enumerate(zip(self.labels, self.listed["label"], strict=True)):
            meant = {names[name] for name in labels if name in names}
            if len(meant) == 1 and all(name in names for name in labels):
                places.append(place)
                new.append(meant.pop())
            elif meant or (not labels and own in names):
                aside.append((place, labels))
        paths = self.listed["path"].to_list()
        version = self.facts["labels_version"]
        return Taken(
            self.listed.iloc[places].assign(label=new),
            [(paths[place], f"{_why(labels)} (labels {version})") for place, labels in aside],
            self._notes([labels for _, labels in aside]),
        )

    def _notes(self, aside: Sequence[Labels]) -> list[str]:
        if not self.state:
            return []
        excluded = sum(not labels for labels in aside)
        several = len(aside) - excluded
        told = [f"Labels {self.facts['labels_version']}: {self.facts['labels_changes']}."]
        if several:
            told.append(f"Files of several labels, neither trained on nor judged: {several}.")
        if excluded:
            told.append(f"Files excluded by decision: {excluded}.")
        return told


def _why(labels: Labels) -> str:
    return f"several labels: {', '.join(labels)}" if labels else "excluded by decision"


def labelled(listed: pd.DataFrame, wanted: str | None, data: Path) -> Labelled:
    """The files with the labels that `dataset.labels=wanted` means, for a folder or list `data`.

    None are the original ones: what a run of a time before versions read. Raises `InputError`
    where there is no such version or file, and where a file does not fit the data.
    """
    wanted = ORIGINAL if wanted is None else wanted
    if wanted != ORIGINAL:
        history = read_history(journal_of(data))
        known = [ORIGINAL, CURRENT, *(version.version for version in history.versions)]
        if wanted not in known:
            return _by_file(listed, Path(wanted).expanduser(), known, data)
        name = history.current if wanted == CURRENT else wanted
        if (version := history.find(name)) is not None:
            facts = {
                "labels_version": name,
                "labels_fingerprint": version.fingerprint,
                "labels_parent": version.parent,
                "labels_changes": in_words(version.counts),
            }
            return Labelled(listed, history.state(name), facts)
    return Labelled(listed, {}, {"labels_version": ORIGINAL})


def _by_file(listed: pd.DataFrame, file: Path, known: list[str], data: Path) -> Labelled:
    """The original labels with the decisions of a file."""
    if not file.is_file():
        raise InputError(
            f"dataset.labels={file}: neither a file of decisions nor one of {', '.join(known)}"
        )
    own = own_labels(listed)
    state = decided(read_decisions(file), own, set(listed["label"]), str(data))
    facts = {
        "labels_version": file.name,
        "labels_fingerprint": fingerprint(state),
        "labels_parent": ORIGINAL,
        "labels_changes": in_words(counts(state, own)),
    }
    return Labelled(listed, state, facts)


def own_labels(listed: pd.DataFrame) -> dict[str, Labels]:
    """Image id → the classes that it is found under; several are a label conflict."""
    ids, _ = identify(set(listed["file"]))
    found = listed.assign(image=listed["file"].map(ids)).dropna(subset="image")
    return {
        str(image): tuple(sorted(set(labels))) for image, labels in found.groupby("image")["label"]
    }


def in_words(changes: Mapping[str, int]) -> str:
    """ "3 relabelled, 1 excluded"."""
    said = {"several": "of several labels"}
    told = [f"{count} {said.get(kind, kind)}" for kind, count in changes.items() if count]
    return ", ".join(told) or "nothing"

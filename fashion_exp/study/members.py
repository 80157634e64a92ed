"""The runs of a study, as they lie in their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fashion_exp.compose import load_config
from fashion_exp.config import Config
from fashion_exp.errors import InputError
from fashion_exp.evidence import Evidence
from fashion_exp.predictions import (
    PART_FILES,
    class_names,
    labels_and_probabilities,
    read_predictions,
)
from fashion_exp.results import Result, load_result
from fashion_exp.stats import metrics

NOT_TYPED = ("sweep.", "hydra", "outputs=", "tracking")
"""Beginnings of overrides that the driver added, or that say where and not what."""

PER_IMAGE = {"accuracy": metrics.per_image_correct, "loss": metrics.per_image_loss}
"""Metrics that are a mean over images."""


@dataclass(frozen=True)
class Member:
    """A finished run: its result, its knobs and what was typed for it."""

    result: Result
    knobs: Mapping[str, Any]
    overrides: Sequence[str]

    @property
    def name(self) -> str:
        return self.result.name

    @property
    def opened(self) -> bool:
        return self.result.test_looks > 0

    def frame(self, part: str) -> pd.DataFrame:
        """The predictions of "validation", or of "test" once it has been opened."""
        return self._validation if part == "validation" else self._test

    def evidence(self, part: str) -> Evidence:
        return self._validation_evidence if part == "validation" else self._test_evidence

    @cached_property
    def _validation(self) -> pd.DataFrame:
        return read_predictions(self.result.output / PART_FILES["validation"])

    @cached_property
    def _test(self) -> pd.DataFrame:
        assert self.opened, "the test is sealed"
        return read_predictions(self.result.output / PART_FILES["test"])

    @cached_property
    def _validation_evidence(self) -> Evidence:
        return self.result.evidence("validation")

    @cached_property
    def _test_evidence(self) -> Evidence:
        return self.result.evidence("test")

    @cached_property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.result.output / "history.csv")

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """A row a training: images, updates, seconds, accuracy on training images."""
        return pd.read_csv(self.result.output / "trainings.csv")

    @cached_property
    def split(self) -> pd.DataFrame:
        return pd.read_csv(self.result.output / "split.csv", keep_default_na=False)

    def scores(self, part: str, metric: str) -> pd.DataFrame:
        """One row a trained model (repeat, fold), one column an image id; nan: not asked."""
        return self._scores[part, metric]

    @cached_property
    def _scores(self) -> _Scores:
        return _Scores(self)

    def answers(self, part: str, metric: str) -> Answers:
        """`scores` as arrays."""
        if (part, metric) not in self._answers:
            table = self.scores(part, metric)
            rows = self.frame(part).drop_duplicates("image_id").set_index("image_id")["group_id"]
            self._answers[part, metric] = Answers(
                table.to_numpy(), table.columns, rows[table.columns].to_numpy(), tuple(table.index)
            )
        return self._answers[part, metric]

    @cached_property
    def _answers(self) -> dict[tuple[str, str], Answers]:
        return {}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return class_names(self._validation)

    @cached_property
    def config(self) -> Config:
        """Raises `InputError` where the knobs of today are no longer those of then."""
        return load_config(self.result.output / "config" / "config.yaml")

    @property
    def command(self) -> str:
        return command(self.overrides)


@dataclass(frozen=True)
class Answers:
    """The scores of a run on one part as an array, for comparing many runs quickly."""

    values: np.ndarray
    """(models, images); nan: not asked."""
    images: pd.Index
    """Image ids, sorted."""
    groups: np.ndarray
    """Group id of each image."""
    keys: tuple[tuple[int, int], ...]
    """Repeat and fold of each model."""

    @cached_property
    def folds(self) -> int:
        return len({fold for _, fold in self.keys})

    @cached_property
    def repeats(self) -> int:
        return len({repeat for repeat, _ in self.keys})

    @cached_property
    def complete(self) -> bool:
        """Whether every model was asked every image."""
        return not np.isnan(self.values).any()

    @cached_property
    def grouped(self) -> bool:
        """Whether some images share a source."""
        return len(set(self.groups)) < len(self.groups)

    def of(self, images: pd.Index) -> Answers:
        """To these images only."""
        if images is self.images or self.images.equals(images):
            return self
        places = self.images.get_indexer(images)
        return Answers(self.values[:, places], images, self.groups[places], self.keys)

    def by(self, keys: Sequence[tuple[int, int]]) -> Answers:
        """Of these models only."""
        if tuple(keys) == self.keys:
            return self
        places = [self.keys.index(key) for key in keys]
        return Answers(self.values[places], self.images, self.groups, tuple(keys))


class _Scores(dict[tuple[str, str], pd.DataFrame]):
    """Per-image scores by (part, metric), made when first asked for."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member

    def __missing__(self, key: tuple[str, str]) -> pd.DataFrame:
        part, metric = key
        frame = self._member.frame(part)
        scores = PER_IMAGE[metric](*labels_and_probabilities(frame)).astype(np.float64)
        table = frame[["repeat", "fold", "image_id"]].assign(score=scores)
        self[key] = table.pivot(index=["repeat", "fold"], columns="image_id", values="score")
        return self[key]


def load_member(folder: Path) -> Member:
    """Raises `InputError` if `folder` holds no finished run."""
    if not (folder / "result.json").is_file() or (folder / "unfinished").exists():
        raise InputError(f"{folder}: no finished run; finish it with resume={folder}")
    if not (folder / "trainings.csv").is_file():
        raise InputError(f"{folder}: a run of an older version; run it again to compare it")
    knobs = json.loads((folder / "knobs.json").read_text())
    typed = yaml.safe_load((folder / "config" / "overrides.yaml").read_text()) or []
    overrides = [line for line in typed if not line.lstrip("+").startswith(NOT_TYPED)]
    return Member(load_result(folder), knobs, overrides)


def command(overrides: Sequence[str]) -> str:
    """The line that runs an experiment with these overrides."""
    return " ".join(["scripts/run", *map(_for_shell, overrides)])


def _for_shell(word: str) -> str:
    return f"'{word}'" if set(word) & set('[]{}()*?$ ;&|<>"\\') else word


def distinct_names(members: Sequence[Member]) -> list[str]:
    """The names without what all share, if knobs remain; numbered where two are called alike."""
    words = [member.name.split() for member in members]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    own = [" ".join(word for word in told if word not in shared) for told in words]
    names = own if all("=" in name for name in own) else [member.name for member in members]
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return told

"""The runs of a study, as they lie in their folders."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fashion_exp.atomic_io import read_json
from fashion_exp.configuration.composition import SEARCHPATH, load_config
from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import (
    PART_FILES,
    class_names,
    labels_and_probabilities,
    read_predictions,
)
from fashion_exp.evaluation.results import RunResult, load_result
from fashion_exp.evaluation.summary import EvaluationSummary
from fashion_exp.stats import metrics

NOT_TYPED = ("sweep.", "sweep=", "hydra", "outputs=", "tracking")
"""Beginnings of overrides that the driver added, or that say where and not what."""

PER_IMAGE = {"accuracy": metrics.per_image_correct, "loss": metrics.per_image_loss}
"""Metrics that are a mean over images; the macro-F1 is one only of influences, see `Answers`."""


@dataclass(frozen=True)
class RunData:
    """A finished run: its result, its knobs and what was typed for it."""

    result: RunResult
    knobs: Mapping[str, Any]
    overrides: Sequence[str]

    @property
    def name(self) -> str:
        return self.result.name

    @property
    def opened(self) -> bool:
        return self.result.test_evaluations > 0

    def frame(self, part: str) -> pd.DataFrame:
        """The predictions of "validation", or of "test" once it has been opened."""
        return self._validation if part == "validation" else self._test

    def summary(self, part: str) -> EvaluationSummary:
        return self._validation_evidence if part == "validation" else self._test_evidence

    @cached_property
    def _validation(self) -> pd.DataFrame:
        return read_predictions(self.result.output / PART_FILES["validation"])

    @cached_property
    def _test(self) -> pd.DataFrame:
        assert self.opened, "the test is sealed"
        return read_predictions(self.result.output / PART_FILES["test"])

    @cached_property
    def _validation_evidence(self) -> EvaluationSummary:
        return self.result.summary("validation")

    @cached_property
    def _test_evidence(self) -> EvaluationSummary:
        return self.result.summary("test")

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

    def labels(self, part: str) -> pd.Series:
        """The class that each image was judged by, by image id."""
        if part not in self._labels:
            rows = self.frame(part).drop_duplicates("image_id")
            self._labels[part] = rows.set_index("image_id")["label"]
        return self._labels[part]

    @cached_property
    def _labels(self) -> dict[str, pd.Series]:
        return {}

    @property
    def label_version(self) -> str:
        """Of its data: "none" for the original labels, else the version and its fingerprint."""
        facts = self.result.facts
        name = facts.get("labels_version", "none")  # runs of earlier times knew no versions
        print_ = facts.get("labels_fingerprint", "")
        return f"{name} ({print_[:8]})" if print_ else name

    def scores(self, part: str, metric: str) -> pd.DataFrame:
        """One row a trained model (repeat, fold), one column an image id; nan: not asked."""
        if (part, metric) not in self._scores:
            if metric == "macro_f1":
                found = self.answers(part, metric)
                index = pd.MultiIndex.from_tuples(found.keys, names=["repeat", "fold"])
                self._scores[part, metric] = pd.DataFrame(found.values, index, found.images)
            else:
                scores = PER_IMAGE[metric](*labels_and_probabilities(self.frame(part)))
                self._scores[part, metric] = self._by_image(part, scores.astype(np.float64))
        return self._scores[part, metric]

    @cached_property
    def _scores(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}

    def answers(self, part: str, metric: str) -> ScoreMatrix:
        """`scores` as arrays."""
        if (part, metric) not in self._answers:
            rows = self.frame(part).drop_duplicates("image_id").set_index("image_id")
            if metric == "macro_f1":
                labels, probabilities = labels_and_probabilities(self.frame(part))
                guesses = self._by_image(part, metrics.predicted_labels(probabilities))
                truth = self._by_image(part, labels).max()
                table, confused = guesses, Confused(
                    truth.to_numpy().astype(int),
                    guesses.fillna(NOT_ASKED).to_numpy().astype(int),
                    len(self.classes),
                )  # fmt: skip
                values = confused.values()
            else:
                table, confused = self.scores(part, metric), None
                values = table.to_numpy()
            groups = rows["group_id"][table.columns].to_numpy()
            self._answers[part, metric] = ScoreMatrix(
                values, table.columns, groups, tuple(table.index), confused
            )
        return self._answers[part, metric]

    @cached_property
    def _answers(self) -> dict[tuple[str, str], ScoreMatrix]:
        return {}

    def _by_image(self, part: str, values: np.ndarray) -> pd.DataFrame:
        """A value of each prediction as one row a model and one column an image."""
        table = self.frame(part)[["repeat", "fold", "image_id"]].assign(value=values)
        return table.pivot(index=["repeat", "fold"], columns="image_id", values="value")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return class_names(self._validation)

    @cached_property
    def config(self) -> Config:
        """Raises `InputError` where the knobs of today are no longer those of then."""
        return load_config(self.result.output / "config" / "config.yaml")

    @property
    def command(self) -> str:
        return rerun_command(self.overrides)


NOT_ASKED = -1


@dataclass(frozen=True)
class Confused:
    """What each model called each image, for metrics that are more than a mean over images."""

    labels: np.ndarray
    """(images,) class numbers."""
    predicted: np.ndarray
    """(models, images) class numbers; `NOT_ASKED` where a model was not asked."""
    classes: int

    def values(self) -> np.ndarray:
        """(models, images) what each image gives to its model's macro-F1; nan: not asked."""
        given = np.full(self.predicted.shape, np.nan)
        for row, guesses in zip(given, self.predicted, strict=True):
            asked = guesses != NOT_ASKED
            if asked.any():
                row[asked] = metrics.per_image_macro_f1(
                    self.labels[asked], guesses[asked], self.classes
                )
        return given


@dataclass(frozen=True)
class ScoreMatrix:
    """The scores of a run on one part as an array, for comparing many runs quickly.

    The mean of a row is the model's metric on the images it was asked. What an image gives to a
    macro-F1 depends on the other images, so fewer images are scored anew.
    """

    values: np.ndarray
    """(models, images); nan: not asked."""
    images: pd.Index
    """Image ids, sorted."""
    groups: np.ndarray
    """Group id of each image."""
    keys: tuple[tuple[int, int], ...]
    """Repeat and fold of each model."""
    confused: Confused | None = None
    """For the macro-F1 only."""

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

    def of(self, images: pd.Index) -> ScoreMatrix:
        """To these images only."""
        if images is self.images or self.images.equals(images):
            return self
        places = self.images.get_indexer(images)
        groups = self.groups[places]
        if self.confused is None:
            return ScoreMatrix(self.values[:, places], images, groups, self.keys)
        kept = Confused(
            self.confused.labels[places], self.confused.predicted[:, places], self.confused.classes
        )
        return ScoreMatrix(kept.values(), images, groups, self.keys, kept)

    def by(self, keys: Sequence[tuple[int, int]]) -> ScoreMatrix:
        """Of these models only."""
        if tuple(keys) == self.keys:
            return self
        places = [self.keys.index(key) for key in keys]
        kept = self.confused and replace(self.confused, predicted=self.confused.predicted[places])
        return ScoreMatrix(self.values[places], self.images, self.groups, tuple(keys), kept)

    def only(self, asked: np.ndarray) -> ScoreMatrix:
        """What was `asked` (models, images) only."""
        if self.confused is None:
            return replace(self, values=np.where(asked, self.values, np.nan))
        guesses = np.where(asked, self.confused.predicted, NOT_ASKED)
        kept = replace(self.confused, predicted=guesses)
        return replace(self, values=kept.values(), confused=kept)

    def pooled(self) -> ScoreMatrix:
        """The folds of a repeat, which ask each image once, as one model."""
        repeats = sorted({repeat for repeat, _ in self.keys})
        rows = [[own == repeat for own, _ in self.keys] for repeat in repeats]
        keys = tuple((repeat, 0) for repeat in repeats)
        if self.confused is None:
            values = np.array([np.nanmax(self.values[row], axis=0) for row in rows])
            return ScoreMatrix(values, self.images, self.groups, keys)
        guesses = np.array([self.confused.predicted[row].max(axis=0) for row in rows])
        kept = replace(self.confused, predicted=guesses)
        return ScoreMatrix(kept.values(), self.images, self.groups, keys, kept)


def load_run(folder: Path) -> RunData:
    """Raises `InputError` if `folder` holds no finished run."""
    if not (folder / "result.json").is_file() or (folder / "unfinished").exists():
        raise InputError(f"{folder}: no finished run; finish it with resume={folder}")
    if not (folder / "trainings.csv").is_file():
        raise InputError(f"{folder}: a run of an older version; run it again to compare it")
    knobs = read_json(folder / "knobs.json")
    typed = yaml.safe_load((folder / "config" / "overrides.yaml").read_text()) or []
    return RunData(load_result(folder), knobs, [line for line in typed if defines_experiment(line)])


def defines_experiment(override: str) -> bool:
    """Whether an override is part of what an experiment is, and not of where and how it runs."""
    bare = override.lstrip("+")
    return bare.startswith(SEARCHPATH) or not bare.startswith(NOT_TYPED)


def rerun_command(overrides: Sequence[str]) -> str:
    """The line that runs an experiment with these overrides."""
    return shlex.join(["scripts/run", *overrides])


def distinct_names(members: Sequence[RunData]) -> list[str]:
    """The names without the knobs that all share, and without the model if it is shared and knobs
    remain for each; numbered where two are called alike."""
    words = [member.name.split() for member in members]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    knobs = {word for word in shared if "=" in word}
    own, names = (
        [" ".join(word for word in told if word not in left) for told in words]
        for left in (shared, knobs)
    )
    names = own if all("=" in name for name in own) else names
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return told

"""Calibrated probabilities, prediction sets and unfamiliar photos of a finished run.

All of it is fitted to the validation predictions, which come from models that were not trained on
the photo, and is saved in the run's folder. The test set is never used.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.atomic_io import atomic_write, write_json
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.inference.own_features import own_features
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.calibration import (
    apply_temperature,
    cross_fitted_if_better,
    fit_temperature,
    group_parts,
)
from fashion_exp.stats.conformal import ConformalScores, conformal_scores, prediction_sets
from fashion_exp.stats.novelty import (
    RelativeMahalanobis,
    entropy,
    false_alarm_threshold,
    fit_mahalanobis,
    rank_score,
)

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

log = logging.getLogger(__name__)

FILE, ARRAYS = "calibration.json", "calibration.npz"
VERSION = 2
"""Of the files; those of another version are computed again."""
FALSE_ALARMS = 0.05
"""Share of familiar photos that may be called unfamiliar."""


@dataclass(frozen=True)
class ValidationRows:
    """The validation predictions of a run: n rows, one for each image and model that judged it."""

    image_ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    models: np.ndarray
    """Index into the names of the run's models."""
    parts: np.ndarray
    """Fifths of the images; a group is in one of them."""
    raw: np.ndarray
    """(n, C) probabilities as predicted."""
    calibrated: np.ndarray
    """(n, C) at temperatures that were fitted without the image, or `raw` if not `is_scaled`."""
    is_scaled: bool = True
    """Whether these temperatures lower the mean cross-entropy; if not, all are 1."""


def validation_rows(run: TrainedRun) -> ValidationRows:
    frame = run.predictions("validation")
    labels, raw = labels_and_probabilities(frame)
    models, groups = model_indices(frame, run.model_names), frame["group_id"].to_numpy()
    parts = group_parts(groups)
    calibrated, is_scaled = cross_fitted_if_better(labels, raw, models, parts)
    ids = frame["image_id"].to_numpy()
    return ValidationRows(ids, labels, groups, models, parts, raw, calibrated, is_scaled)


def model_indices(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Which model (n,) made each prediction."""
    keys = "r" + frame["repeat"].astype(str) + "f" + frame["fold"].astype(str)
    return keys.map({name: index for index, name in enumerate(names)}).to_numpy(np.int64)


@dataclass(frozen=True)
class Novelty:
    """What `Calibration.unfamiliar` compares photos with."""

    distance: RelativeMahalanobis | None
    """None if the models share no features, or if the photos were not there."""
    references: list[np.ndarray]
    """Entropies in nats, and distances if there are any, of validation predictions on images that
    the distance was not fitted to."""
    threshold: float

    def score(self, features: np.ndarray | None, entropies: np.ndarray) -> np.ndarray:
        """The highest rank among the validation photos (n,), 0 to 1."""
        scores = [entropies]
        if self.distance is not None and features is not None:
            scores.append(self.distance.score(features))
        return rank_score(self.references[: len(scores)], scores)


@dataclass(frozen=True)
class Calibration:
    """Fitted to the validation predictions of a run.

    Its methods take the probabilities (J, n, C) of the J models in the order of `temperature`, or
    of the `models` that are named.
    """

    classes: tuple[str, ...]
    temperature: dict[str, float]
    """Of each model; above 1 its probabilities are overconfident."""
    scores: ConformalScores
    novelty: Novelty

    def scaled(self, probabilities: np.ndarray, models: Sequence[str] | None = None) -> np.ndarray:
        """The calibrated probabilities (J, n, C) of each model."""
        names = models or tuple(self.temperature)
        assert len(names) == len(probabilities), "one table of probabilities per model"
        return np.stack(
            [
                apply_temperature(table, self.temperature[name])
                for name, table in zip(names, probabilities, strict=True)
            ]
        )

    def apply(self, probabilities: np.ndarray, models: Sequence[str] | None = None) -> np.ndarray:
        """The calibrated probabilities (n, C) of the ensemble: the mean of those of the models."""
        return np.asarray(self.scaled(probabilities, models).mean(axis=0))

    def set_members(
        self, probabilities: np.ndarray, coverage: float = 0.95, per_class: bool = False,
        models: Sequence[str] | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Which classes are in the prediction set of each photo, bool (n, C).

        With `per_class` the coverage holds for the photos of each class.
        """
        scaled, scores = self.scaled(probabilities, models), self.scores
        if models:
            order = [list(self.temperature).index(name) for name in models]
            scores = scores.of_models(order)
        best = scaled.mean(axis=0).argmax(axis=1)
        return prediction_sets(scores.p_values(scaled, per_class), best, coverage)

    def prediction_sets(
        self, probabilities: np.ndarray, coverage: float = 0.95, per_class: bool = False,
        models: Sequence[str] | None = None,
    ) -> list[tuple[str, ...]]:  # fmt: skip
        """The classes of each set, most probable first."""
        members = self.set_members(probabilities, coverage, per_class, models)
        order = np.argsort(-self.apply(probabilities, models), axis=1, kind="stable")
        return [
            tuple(self.classes[label] for label in ranking if row[label])
            for row, ranking in zip(members, order, strict=True)
        ]

    def unfamiliar(
        self, features: np.ndarray | None, probabilities: np.ndarray,
        models: Sequence[str] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """A score (n,) from 0 to 1, and whether it is above the threshold (n,).

        The score is the share of validation photos that were less unusual, by the more unusual of
        two quantities: the distance of the features from all classes, and the mean entropy of the
        models' probabilities. Of familiar photos about 5 % are above the threshold.
        """
        entropies = entropy(self.scaled(probabilities, models)).mean(axis=0)
        score = self.novelty.score(features, entropies)
        return score, score > self.novelty.threshold

    @cached_property
    def uses_features(self) -> bool:
        return self.novelty.distance is not None


def load_calibration(run: TrainedRun, progress: Progress | None = None) -> Calibration:
    """The calibration of a run: from its folder, or computed and saved there."""
    folder, key = run.run.path, _key(run)
    if (saved := _read(folder, key)) is not None:
        return saved
    calibration = _fit(run, progress or Progress(plain_console(stderr=True)))
    with suppress(OSError):  # a folder that cannot be written, such as a copy on a read-only disk
        _write(calibration, folder, key)
    return calibration


def _fit(run: TrainedRun, progress: Progress) -> Calibration:
    rows = validation_rows(run)
    temperature = {
        name: fit_temperature(rows.labels[rows.models == index], rows.raw[rows.models == index])
        if rows.is_scaled
        else 1.0
        for index, name in enumerate(run.model_names)
    }
    scores = conformal_scores(rows.labels, rows.calibrated, rows.models, rows.groups)
    features = None
    if run.shares_backbone:
        try:
            features = own_features(run, list(rows.image_ids), progress)
        except InputError as error:
            log.warning("unfamiliar photos are found by their probabilities alone: %s", error)
    return Calibration(run.classes, temperature, scores, fit_novelty(rows, features))


def fit_novelty(rows: ValidationRows, features: np.ndarray | None) -> Novelty:
    """`features` (n, width) of the rows, or None.

    The distance is fitted to four fifths of the images and compared with the last fifth: its level
    depends on the number of images that it is fitted to.
    """
    held_out = rows.parts == 0
    references = [entropy(rows.calibrated[held_out])]
    distance = None
    if features is not None and len(np.unique(features[~held_out], axis=0)) > 1:
        distance = fit_mahalanobis(features[~held_out], rows.labels[~held_out])
        references.append(distance.score(features[held_out]))
    threshold = false_alarm_threshold(rank_score(references, references), FALSE_ALARMS)
    return Novelty(distance, references, threshold)


def _key(run: TrainedRun) -> str:
    """Of what the calibration depends on. A refit may have fewer models than the predictions."""
    predictions = run.run.predictions_file("validation").read_bytes()
    return hashlib.sha256(predictions + " ".join(run.model_names).encode()).hexdigest()


def _write(calibration: Calibration, folder: Path, key: str) -> None:
    novelty = calibration.novelty
    arrays = {f"scores_{name}": array for name, array in vars(calibration.scores).items()}
    arrays |= {f"reference_{index}": array for index, array in enumerate(novelty.references)}
    if novelty.distance is not None:
        arrays |= {f"distance_{name}": array for name, array in vars(novelty.distance).items()}
    with atomic_write(folder / ARRAYS) as draft, open(draft, "wb") as file:
        np.savez(file, **arrays)
    content = {
        "version": VERSION,
        "validation_predictions": key,
        "classes": calibration.classes,
        "temperature": calibration.temperature,
        "unfamiliar_threshold": novelty.threshold,
        "false_alarms": FALSE_ALARMS,
    }
    write_json(folder / FILE, content)


def _read(folder: Path, key: str) -> Calibration | None:
    """None if there is none of these predictions and this version, or if it is damaged."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if content["version"] != VERSION or content["validation_predictions"] != key:
            return None
        with np.load(folder / ARRAYS) as file:
            arrays = dict(file)
        scores, distance, references = (
            {name.removeprefix(kind): arrays[name] for name in arrays if name.startswith(kind)}
            for kind in ("scores_", "distance_", "reference_")
        )
        novelty = Novelty(
            RelativeMahalanobis(**distance) if distance else None,
            list(references.values()), float(content["unfamiliar_threshold"]),
        )  # fmt: skip
        return Calibration(
            tuple(content["classes"]), content["temperature"], ConformalScores(**scores), novelty
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None

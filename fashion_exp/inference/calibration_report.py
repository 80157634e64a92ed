"""How well the calibration of a run works: on validation photos, and on the test once evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import labels_and_probabilities, require_single_labels
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.inference.calibration import (
    FALSE_ALARMS,
    Calibration,
    ValidationRows,
    load_calibration,
    model_indices,
    validation_rows,
)
from fashion_exp.inference.own_features import own_features
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.bootstrap import bootstrap
from fashion_exp.stats.calibration import (
    ReliabilityBin,
    calibration_error,
    per_image_brier,
    reliability,
)
from fashion_exp.stats.conformal import held_out_sets
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.metrics import per_image_correct, per_image_loss
from fashion_exp.stats.novelty import (
    auroc,
    entropy,
    false_alarm_threshold,
    fit_mahalanobis,
    linear_probabilities,
    rank_score,
)
from fashion_exp.stats.proportions import wilson_grouped
from fashion_exp.stats.selective import RiskCoverage, Threshold, accuracy_threshold, risk_coverage

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

PHOTOS_PER_BIN = 15
"""Of a reliability diagram, which has 2 to 10 bins."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Accepted:
    """The photos whose confidence reaches the threshold."""

    share: float
    accuracy: Interval


@dataclass(frozen=True)
class PartCalibration:
    """On one part. Intervals are over images, or over groups where images share one."""

    part: str
    subject: str
    """Whose predictions these are."""
    predictions: int
    images: int
    before: Mapping[str, Interval]
    """NLL in nats, Brier score (0 to 2), ECE (0 to 1) of the probabilities as predicted."""
    after: Mapping[str, Interval]
    """Of the calibrated ones."""
    reliability_before: Sequence[ReliabilityBin]
    reliability_after: Sequence[ReliabilityBin]
    coverage: Interval
    """Share of the sets that hold the true class."""
    class_coverage: Mapping[str, Interval]
    """The same for the photos of each class."""
    set_size: Interval
    sizes: Sequence[int]
    """Numbers of sets of 1, 2, … classes."""
    curve: RiskCoverage
    accepted: Accepted | None
    """None if no threshold was asked for or found."""
    false_alarms: Interval | None = None
    """Share of the photos that are called unfamiliar; None where it was not measured."""


@dataclass(frozen=True)
class Stranger:
    """A class that was left out, so that its photos were of no known class."""

    name: str
    auroc: Interval
    detected: Interval
    """Share of its photos above the threshold."""


@dataclass(frozen=True)
class CalibrationReport:
    calibration: Calibration
    coverage: float
    per_class: bool
    target: float | None
    threshold: Threshold | None
    """The confidence from which the accuracy is at least `target`, with 95 % confidence."""
    parts: Sequence[PartCalibration]
    strangers: Sequence[Stranger]
    notes: Sequence[str]


def check_shares(**shares: float | None) -> None:
    """Raises `InputError` for a share that is not between 0 and 1."""
    for option, value in shares.items():
        if value is not None and not 0 < value < 1:
            name = option.replace("_", "-")
            raise InputError(f"--{name} {value:g}: must be between 0 and 1, such as 0.95")


def measure_calibration(
    run: TrainedRun, progress: Progress, coverage: float = 0.95, per_class: bool = False,
    target: float | None = None, left_out: bool = True,
) -> CalibrationReport:  # fmt: skip
    """`left_out` also leaves each class out in turn; it takes some seconds per class.

    Raises `InputError` as `check_shares`, and for labels of several classes.
    """
    check_shares(coverage=coverage, at_least=target)
    require_single_labels(run.predictions("validation"), "calibrate")
    calibration, rows = load_calibration(run, progress), validation_rows(run)
    correct = per_image_correct(rows.labels, rows.calibrated)
    threshold = None
    if target is not None:
        confidence = rows.calibrated.max(axis=1)
        threshold = accuracy_threshold(confidence, correct, target, _groups(rows.groups))
    members = held_out_sets(calibration.scores, rows.calibrated, rows.parts, coverage, per_class)
    parts = [
        part_calibration(
            "validation", "single models, each adjusted without the photo in question", run.classes,
            rows.labels, rows.groups, len(set(rows.image_ids)), rows.raw, rows.calibrated, members,
            threshold,
        )
    ]  # fmt: skip
    notes: list[str] = []
    test_ids: list[str] = []
    if run.result.test_evaluations:
        frame, labels, probabilities = by_model(run.predictions("test"), run.model_names)
        test_ids = list(frame["image_id"])
        alarms = None
        if calibration.uses_features:
            try:
                features = own_features(run, test_ids, progress)
                unfamiliar = calibration.unfamiliar(features, probabilities)[1]
                alarms = wilson_grouped(unfamiliar.astype(float), frame["group_id"].to_numpy())
            except InputError as error:
                notes.append(f"Which test photos are called unfamiliar was not counted: {error}.")
        parts.append(
            part_calibration(
                "test", f"the ensemble of {len(run.model_names)} models", run.classes, labels,
                frame["group_id"].to_numpy(), len(frame), probabilities.mean(axis=0),
                calibration.apply(probabilities),
                calibration.set_members(probabilities, coverage, per_class), threshold, alarms,
            )
        )  # fmt: skip
    strangers: list[Stranger] = []
    if left_out:
        try:
            strangers = _leave_each_class_out(run, rows, progress)
        except InputError as error:
            notes.append(f"No class was left out: {error}.")
    if run.run.is_refit:
        study = read_json(run.run.path / REFIT_FILE)["study"]
        notes.append(
            f"All of this is about the predictions of {study}, whose recipe this refit has, not "
            "about the refit's own models: `evaluate` measures those on labeled photos."
        )
    return CalibrationReport(
        calibration, coverage, per_class, target, threshold, parts, strangers, notes
    )


def by_model(
    frame: pd.DataFrame, names: Sequence[str]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """One row per image, labels (n,) and probabilities (J, n, C) of predictions in which all models
    judged the same images."""
    ordered = frame.assign(model=model_indices(frame, names)).sort_values(["model", "image_id"])
    labels, probabilities = labels_and_probabilities(ordered)
    n = len(ordered) // len(names)
    return ordered.head(n), labels[:n], probabilities.reshape(len(names), n, -1)


def _groups(groups: np.ndarray) -> np.ndarray | None:
    """None if no two rows share a group."""
    return groups if len(set(groups)) < len(groups) else None


def part_calibration(
    part: str, subject: str, classes: Sequence[str], labels: np.ndarray, groups: np.ndarray,
    images: int, raw: np.ndarray, calibrated: np.ndarray, members: np.ndarray,
    threshold: Threshold | None, false_alarms: Interval | None = None,
) -> PartCalibration:  # fmt: skip
    clusters = _groups(groups)
    covered = members[np.arange(len(labels)), labels].astype(float)
    sizes = members.sum(axis=1)
    confidence, correct = calibrated.max(axis=1), per_image_correct(labels, calibrated)
    bins = int(np.clip(images // PHOTOS_PER_BIN, 2, 10))
    accepted = None
    if threshold is not None and (chosen := confidence >= threshold.confidence).any():
        accuracy = wilson_grouped(correct[chosen].astype(float), groups[chosen])
        accepted = Accepted(float(chosen.mean()), accuracy)
    return PartCalibration(
        part=part,
        subject=subject,
        predictions=len(labels),
        images=images,
        before=_quality(labels, raw, clusters),
        after=_quality(labels, calibrated, clusters),
        reliability_before=reliability(labels, raw, groups, bins),
        reliability_after=reliability(labels, calibrated, groups, bins),
        coverage=wilson_grouped(covered, groups),
        class_coverage={
            name: wilson_grouped(covered[labels == index], groups[labels == index])
            for index, name in enumerate(classes)
            if (labels == index).any()
        },
        # Its fallback is one for proportions.
        set_size=replace(_mean(sizes.astype(float), clusters), fallback=None),
        sizes=np.bincount(sizes, minlength=len(classes) + 1)[1:].tolist(),
        curve=risk_coverage(confidence, correct),
        accepted=accepted,
        false_alarms=false_alarms,
    )


def _quality(
    labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None
) -> dict[str, Interval]:
    return {
        "NLL": _mean(per_image_loss(labels, probabilities), groups),
        "Brier": _mean(per_image_brier(labels, probabilities), groups),
        "ECE": calibration_error(labels, probabilities, groups, resamples=RESAMPLES),
    }


def _mean(values: np.ndarray, groups: np.ndarray | None) -> Interval:
    return bootstrap(values, lambda rows: float(rows.mean()), groups=groups, resamples=RESAMPLES)


def _leave_each_class_out(
    run: TrainedRun, rows: ValidationRows, progress: Progress
) -> list[Stranger]:
    """Each class in turn is unknown to the distance and to a linear head on the same features.

    Of the photos of the other classes three fifths are learned, one fifth sets the threshold, and
    one fifth are the familiar photos. Raises `InputError` without features of a common backbone.
    """
    images = np.unique(rows.image_ids, return_index=True)[1]
    features = own_features(run, list(rows.image_ids[images]), progress)
    labels, groups, parts = rows.labels[images], rows.groups[images], rows.parts[images]
    tick = progress.stage("leaving a class out", len(run.classes))
    strangers = []
    for index, name in enumerate(run.classes):
        strange = labels == index
        fitted, held_out, familiar = (
            ~strange & chosen for chosen in (parts > 1, parts == 0, parts == 1)
        )
        codes = np.unique(labels[fitted], return_inverse=True)[1]
        if strange.sum() < 2 or len(set(codes)) < 2 or not (held_out.any() and familiar.any()):
            continue
        new = ~fitted
        entropies, distances = np.empty(len(labels)), np.empty(len(labels))
        entropies[new] = entropy(linear_probabilities(features[fitted], codes, features[new]))
        distances[new] = fit_mahalanobis(features[fitted], codes).score(features[new])
        references = [entropies[held_out], distances[held_out]]
        score = rank_score(references, [entropies, distances])
        threshold = false_alarm_threshold(score[held_out], FALSE_ALARMS)
        strangers.append(
            Stranger(
                name,
                auroc(score[familiar], score[strange], groups[familiar], groups[strange]),
                wilson_grouped((score[strange] > threshold).astype(float), groups[strange]),
            )
        )
        tick(index + 1)
    return strangers


def as_json(report: CalibrationReport) -> dict[str, Any]:
    """The numbers of a report; intervals as [estimate, low, high]."""
    return {
        "temperature": report.calibration.temperature,
        "coverage": report.coverage,
        "per_class": report.per_class,
        "target": report.target,
        "threshold": report.threshold and report.threshold._asdict(),
        "parts": {part.part: _part_json(part) for part in report.parts},
        "left_out": {
            stranger.name: {
                "auroc": triple(stranger.auroc), "detected": triple(stranger.detected)
            }
            for stranger in report.strangers
        },
    }  # fmt: skip


def _part_json(part: PartCalibration) -> dict[str, Any]:
    return {
        "predictions": part.predictions,
        "images": part.images,
        "before": {name: triple(value) for name, value in part.before.items()},
        "after": {name: triple(value) for name, value in part.after.items()},
        "set_coverage": triple(part.coverage),
        "class_coverage": {name: triple(value) for name, value in part.class_coverage.items()},
        "set_size": triple(part.set_size),
        "sizes": list(part.sizes),
        "risk_coverage_area": part.curve.area,
        "accepted": part.accepted
        and {"share": part.accepted.share, "accuracy": triple(part.accepted.accuracy)},
        "false_alarms": part.false_alarms and triple(part.false_alarms),
    }


def triple(interval: Interval | None) -> list[float | None]:
    """[estimate, low, high] for JSON; null for what there is not."""
    if interval is None:
        return [None, None, None]
    shown = interval.or_fallback
    return [shown.estimate, shown.low, shown.high]

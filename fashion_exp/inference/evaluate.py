"""Evaluates a finished run on labeled photos that it has never seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from fashion_exp.atomic_io import write_json
from fashion_exp.data.label_shares import SEPARATOR
from fashion_exp.data.parallel import map_in_threads
from fashion_exp.data.table import ImageTable, UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import use_run_code
from fashion_exp.evaluation.own_metrics import add_own_metrics
from fashion_exp.evaluation.predictions import (
    class_names,
    has_several_classes,
    per_image_correct,
    predictions_frame,
    present_and_predicted,
    write_predictions,
    wrong_by_image,
)
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.evaluation.summary import EvaluationSummary, summarize_predictions
from fashion_exp.evaluation.test_usage import record_test_evaluation
from fashion_exp.experiment.fingerprints import short_hash
from fashion_exp.inference.calibration import load_calibration
from fashion_exp.inference.calibration_report import (
    PartCalibration,
    by_model,
    part_calibration,
    triple,
)
from fashion_exp.inference.labeled_photos import read_labeled
from fashion_exp.inference.several import thresholds_of
from fashion_exp.inference.trained_run import numbers_of
from fashion_exp.inspection.drift import DriftTest, find_drift
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import bonferroni_level
from fashion_exp.stats.proportions import independent_difference, wilson_grouped

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

MAX_ERRORS = 10
"""Most confident errors that are listed."""


@dataclass(frozen=True)
class ClassResult:
    name: str
    images: int
    recall: Interval
    own_recall: Interval | None
    """On the run's own photos; None if it has none of this class."""
    difference: Interval | None
    """Recall here minus there, for all classes together (Bonferroni)."""

    @property
    def is_worse(self) -> bool:
        high = self.difference.high if self.difference else None
        return high is not None and high < 0


@dataclass(frozen=True)
class PhotoEvaluation:
    """A run on other photos."""

    name: str
    summary: EvaluationSummary
    own_part: str
    """The run's own photos beside it: "test", or "validation" if its test is held out."""
    own: EvaluationSummary
    ensemble: Interval
    """Accuracy of the mean of the models' probabilities, which `predict` gives."""
    own_ensemble: Interval | None
    """On the run's own test; None on validation photos, which not all models judge."""
    difference: Interval
    """Mean accuracy of the models here minus there; two independent samples of photos."""
    classes: list[ClassResult]
    calibration: PartCalibration | None
    """None for a run that predicts several classes at once."""
    errors: pd.DataFrame
    """The most confident errors of the ensemble: path, label, predicted, probability; none of
    several classes at once."""
    drift: list[DriftTest]
    """Tests of whether the photos differ from the run's own."""
    left_out: pd.DataFrame
    """path, reason"""
    unreadable: int
    """How many of them could not be read."""
    evaluations: int
    """Runs that were evaluated on these photos so far, with this one."""
    notes: tuple[str, ...]
    file: Path

    @property
    def is_worse(self) -> bool:
        return self.difference.high is not None and self.difference.high < 0


def evaluate(
    run: TrainedRun, source: str, outputs: Path, progress: Progress, name: str | None = None,
    rename: Mapping[str, str] | None = None, overwrite: bool = False,
) -> PhotoEvaluation:  # fmt: skip
    """Predicts the photos of a folder of class folders or of a CSV file (path, label), and stores
    the predictions as `evaluations/NAME.parquet` of the run.

    Photos of the run and copies of them are left out. `rename` maps their classes to those of the
    run. `name` is made from that of the file or folder by default. Raises `InputError`, also if the
    run has an evaluation of this name, unless `overwrite`.
    """
    name = _checked(name or _default_name(Path(source).expanduser().resolve()))
    if name in run.run.evaluation_names and not overwrite:
        raise InputError(
            f"--as {name}: {run.run.path.name} has an evaluation of this name; choose another, or "
            "replace it with --overwrite"
        )
    photos = read_labeled(run, source, rename or {}, outputs / "cache", progress)
    table, probabilities, features = _predict(run, photos.table, progress)
    frame, several = _frame(run, table, probabilities, name), run.predicts_several
    own_part = "test" if run.result.test_evaluations else "validation"
    own_frame = run.predictions(own_part)
    trained, own = run.result, run.result.summary(own_part)
    summary = summarize_predictions(
        frame, trained.train_sizes, trained.redrawn, trained.confidence, trained.own_shares
    )
    compared = [image for image in photos.own if image.file.part == "validation"]
    result = PhotoEvaluation(
        name=name,
        summary=summary,
        own_part=own_part,
        own=own,
        ensemble=_ensemble(frame),
        own_ensemble=_ensemble(own_frame) if own_part == "test" else None,
        difference=independent_difference(summary.accuracy, own.accuracy),
        classes=_classes(run, frame, own_frame),
        calibration=None if several else _calibration(run, frame, features),
        errors=pd.DataFrame() if several else _confident_errors(run, frame),
        drift=find_drift([*compared, *photos.new]) if compared else [],
        left_out=table.left_out,
        unreadable=len(table.left_out) - len(photos.table.left_out),
        evaluations=0,
        notes=(*table.notes, *photos.notes, *_shares_note(frame, several)),
        file=run.run.predictions_file(name),
    )
    ids = sorted(table.rows["image_id"])  # nothing is counted or written before all is computed
    count = record_test_evaluation(outputs, short_hash(ids), str(run.run.path), images=ids)
    result = replace(result, evaluations=count)
    write_predictions(frame, result.file)
    write_json(result.file.with_suffix(".json"), as_json(result))
    return result


def _frame(
    run: TrainedRun, table: ImageTable, probabilities: np.ndarray, name: str
) -> pd.DataFrame:
    """The predictions of all models, with the user's metrics."""
    thresholds = thresholds_of(run)
    use_run_code(run.run)
    frames = [
        add_own_metrics(predictions_frame(
            table.rows, run.classes, probabilities[index],
            None if thresholds is None else thresholds[index],
            part=name, fold=fold, repeat=repeat, seed=run.config.seed,
        ))
        for index, (repeat, fold) in enumerate(map(numbers_of, run.model_names))
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _default_name(source: Path) -> str:
    """validation/ and test/ are known by the folder that they are in."""
    is_reserved = source.stem in (*PART_FILES, "train")
    return f"{source.parent.name}-{source.stem}" if is_reserved else source.stem


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w.+ -]{1,100}", name) or name.startswith(".") or name in (
        *PART_FILES, "train",
    ):  # fmt: skip
        raise InputError(
            f"--as {name}: no name for an evaluation; use letters, digits, - and _, but not "
            "train, validation or test"
        )
    return name


def _predict(
    run: TrainedRun, table: ImageTable, progress: Progress
) -> tuple[ImageTable, np.ndarray, np.ndarray | None]:
    """The readable rows, probabilities (J, n, C) and shared features (n, width)."""

    def read(row: int) -> np.ndarray | str:
        try:
            return run.preprocess(table.read(row))
        except UnreadableImageError as error:
            return str(error)

    tick = progress.stage("predicting", len(table))
    reasons: dict[int, str] = {}
    outputs = []
    for start in range(0, len(table), run.batch_size):
        rows = range(start, min(start + run.batch_size, len(table)))
        images = []
        for row, image in zip(rows, map_in_threads(read, rows, cpu_count()), strict=True):
            if isinstance(image, str):
                reasons[row] = image
            else:
                images.append(image)
        if images:
            batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
            outputs.append(run.predict_batch(batch))
        tick(rows.stop)
    if not outputs:
        raise InputError(f"none of the {len(table)} photos can be read: {reasons[0]}")
    unread = pd.DataFrame(
        {"path": table.rows["path"].iloc[list(reasons)].to_numpy(), "reason": [*reasons.values()]}
    )
    readable = np.setdiff1d(np.arange(len(table)), list(reasons))
    features = [output.features for output in outputs if output.features is not None]
    return (
        table.take(readable, unread),
        np.concatenate([output.probabilities for output in outputs], axis=1),
        np.concatenate(features) if features else None,
    )


def _classes(run: TrainedRun, frame: pd.DataFrame, own: pd.DataFrame) -> list[ClassResult]:
    names = [name for name in run.classes if len(_images_of(frame, name))]
    results = []
    for name in names:
        here, there = _images_of(frame, name), _images_of(own, name)
        recall, own_recall, difference = _recall(here, 0.95), None, None
        if len(there):
            own_recall = _recall(there, 0.95)
            level = bonferroni_level(0.05, len(names))
            difference = independent_difference(_recall(here, level), _recall(there, level))
        results.append(ClassResult(name, len(here), recall, own_recall, difference))
    return results


def _has_class(images: pd.DataFrame, name: str) -> pd.Series:
    """Which labels name a class. "dress|shirt" counts in both, right if either is predicted."""
    return images["label"].map(lambda label: name == label or name in label.split(SEPARATOR))


def _images_of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Per image of a class: label, group_id, and the share of its models that were right; of
    several classes at once, of those that predict this one."""
    correct = per_image_correct(frame)
    if has_several_classes(frame):
        correct = present_and_predicted(frame)[1][:, class_names(frame).index(name)]
    rows = frame.assign(correct=correct.astype(float))[_has_class(frame, name)]
    images = rows.groupby("image_id")
    return images.agg({"label": "first", "group_id": "first", "correct": "mean"})


def _ensemble(frame: pd.DataFrame) -> Interval:
    wrong = wrong_by_image(frame)
    groups = frame.drop_duplicates("image_id").set_index("image_id")["group_id"][wrong.index]
    return wilson_grouped(1.0 - wrong.to_numpy(np.float64), groups.to_numpy())


def _recall(rows: pd.DataFrame, level: float) -> Interval:
    return wilson_grouped(rows["correct"].to_numpy(), rows["group_id"].to_numpy(), level)


def _calibration(
    run: TrainedRun, frame: pd.DataFrame, features: np.ndarray | None
) -> PartCalibration:
    calibration = load_calibration(run)
    order = frame.head(len(frame) // len(run.model_names))["image_id"].argsort().to_numpy()
    rows, labels, probabilities = by_model(frame, run.model_names)
    groups = rows["group_id"].to_numpy()
    ordered = None if features is None else features[order]
    unfamiliar = calibration.unfamiliar(ordered, probabilities)[1].astype(float)
    return part_calibration(
        str(frame["part"].iloc[0]), f"the ensemble of {len(run.model_names)} models", run.classes,
        labels, groups, len(rows), probabilities.mean(axis=0), calibration.apply(probabilities),
        calibration.set_members(probabilities), None, wilson_grouped(unfamiliar, groups),
    )  # fmt: skip


def _shares_note(frame: pd.DataFrame, several: bool) -> list[str]:
    if several:
        return ["Calibration and prediction sets are for one class: none with several at once."]
    if not frame["label"].str.contains(SEPARATOR, regex=False).any():
        return []
    return [
        "Calibration errors and prediction sets take one class of each label: the predicted one if "
        "it is accepted. They look better than by shares."
    ]


def _confident_errors(run: TrainedRun, frame: pd.DataFrame) -> pd.DataFrame:
    rows, labels, probabilities = by_model(frame, run.model_names)
    ensemble = load_calibration(run).apply(probabilities)
    best = ensemble.argmax(axis=1)
    names = np.asarray(run.classes, dtype=object)
    table = pd.DataFrame({
        "path": rows["path"].to_numpy(), "label": names[labels], "predicted": names[best],
        "probability": ensemble.max(axis=1),
    })[best != labels]  # fmt: skip
    return table.sort_values("probability", ascending=False).head(MAX_ERRORS)


def as_json(result: PhotoEvaluation) -> dict[str, Any]:
    """The numbers; intervals as [estimate, low, high]."""
    calibrated = result.calibration
    return {
        "name": result.name,
        "images": result.summary.images,
        "accuracy": triple(result.summary.accuracy),
        "ensemble_accuracy": triple(result.ensemble),
        "own_ensemble_accuracy": triple(result.own_ensemble),
        "macro_f1": triple(result.summary.macro_f1),
        **{name: triple(interval) for name, interval in result.summary.own.items()},
        "own_part": result.own_part,
        "own_accuracy": triple(result.own.accuracy),
        "difference": triple(result.difference),
        "classes": {
            row.name: {
                "images": row.images, "recall": triple(row.recall),
                "own_recall": row.own_recall and triple(row.own_recall),
                "difference": row.difference and triple(row.difference),
            }
            for row in result.classes
        },
        "ece": calibrated and triple(calibrated.after["ECE"]),
        "set_coverage": calibrated and triple(calibrated.coverage),
        "set_size": calibrated and triple(calibrated.set_size),
        "unfamiliar": calibrated and triple(calibrated.false_alarms),
        "confusion": result.summary.confusion.tolist(),
        "drift": [vars(test) for test in result.drift],
        "left_out": result.left_out.to_dict("records"),
        "evaluations": result.evaluations,
        "errors": result.errors.to_dict("records"),
    }  # fmt: skip


def sentences(result: PhotoEvaluation) -> Iterator[str]:
    """What follows from an evaluation."""
    from fashion_exp.reporting.formats import difference_range, difference_text, pluralize

    shown = result.difference.or_fallback
    if shown.estimate is not None and shown.low is not None and shown.high is not None:
        verdict = "no difference is shown"
        if result.is_worse:
            verdict = "worse by more than chance"
        elif shown.low > 0:
            verdict = "better by more than chance"
        yield (
            f"{difference_text(shown.estimate)} points compared with the run's own "
            f"{result.own_part} ({difference_range(shown.low, shown.high)}): {verdict}."
        )
    if result.is_worse:
        worse = [row.name for row in result.classes if row.is_worse]
        yield f"Worse in {', '.join(worse)}." if worse else "No single class is shown to be worse."
    significant = [test for test in result.drift if test.is_significant]
    if significant:
        texts = ", ".join(f"{test.quantity} ({test.effect_size:.2f})" for test in significant)
        yield f"The photos differ from those of the {result.own_part} in {texts}."
    elif result.drift:
        yield f"None of {len(result.drift)} tests finds a difference between the photos."
    if result.own_part == "validation":
        yield "The run's test is held out; its validation photos may have chosen the run."
    photos = result.summary.class_counts
    if absent := [name for name, n in zip(result.summary.classes, photos, strict=True) if not n]:
        yield (
            f"No photo of {', '.join(absent)}: no recall and no F1 there; the macro-F1 is the mean "
            "over the other classes."
        )
    if count := len(result.left_out):
        yield f"{pluralize(count, 'photo')} left out: {_reasons(result.left_out)}."
    if result.evaluations > 1:
        yield f"{result.evaluations} runs were evaluated on photos of this set."
    yield from result.notes


def _reasons(left_out: pd.DataFrame) -> str:
    kinds = left_out["reason"].str.replace(r" of .*", "", regex=True).value_counts()
    examples = ", ".join(left_out["path"].head(3))
    return f"{', '.join(f'{count} {kind}' for kind, count in kinds.items())}; such as {examples}"

"""A calibration report as tables and sentences, for `calibrate` and the model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.cache.provenance import library_versions, source_hash
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.inference.calibration_report import (
    CalibrationReport,
    PartCalibration,
    measure_calibration,
)
from fashion_exp.inference.interval_texts import interval_text as text
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.progress import Progress
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

FILE = "calibration-report.json"
SOURCE_DEPENDENCIES = ("inference", "stats", "reporting/formats.py", "evaluation/predictions.py")
"""The source files that determine what a report says of the same predictions."""


def stored_report(run: TrainedRun, progress: Progress) -> tuple[list[str], list[PlainTable]]:
    """The sentences and tables of `calibrate --quick`, from the run's folder if they were measured
    before, of these predictions and by this code."""
    file, key = run.run.path / FILE, _key(run)
    with suppress(InputError, OSError, KeyError, TypeError):  # missing, damaged or of other code
        content = read_json(file)
        if content["key"] == key:
            return content["sentences"], [PlainTable(**table) for table in content["tables"]]
    report = measure_calibration(run, progress, left_out=False)
    lines, tables = sentences(report), [*tables_of(report)]
    needs_photos = report.calibration.uses_features
    if any(part.part == "test" and not part.false_alarms for part in report.parts) and needs_photos:
        return lines, tables  # the photos may be there the next time
    with suppress(OSError):  # a folder that cannot be written
        stored = {"sentences": lines, "tables": [asdict(table) for table in tables]}
        write_json(file, {"key": key, **stored})
    return lines, tables


def _key(run: TrainedRun) -> str:
    """Of everything that the report depends on."""
    digest = hashlib.sha256()
    for part in ["validation", *["test"] * bool(run.result.test_evaluations)]:
        digest.update(run.run.predictions_file(part).read_bytes())
    refit = run.run.path / REFIT_FILE
    facts = [run.identity, read_json(refit) if refit.exists() else None]
    code = [source_hash(*SOURCE_DEPENDENCIES), library_versions("numpy", "scipy", "scikit-learn")]
    digest.update(json.dumps([facts, code], sort_keys=True).encode())
    return digest.hexdigest()


def tables_of(report: CalibrationReport) -> Iterator[PlainTable]:
    """Calibration and prediction sets by part, and how well each left-out class is detected."""
    parts = report.parts
    rows = [
        (f"{name}, {when}", *(text(getattr(part, field)[name], name == "ECE") for part in parts))
        for name in parts[0].before
        for when, field in (("as predicted", "before"), ("calibrated", "after"))
    ]
    rows += [
        ("photos", *(f"{part.images:,}" for part in parts)),
        (f"coverage of {100 * report.coverage:g} % sets", *(text(part.coverage) for part in parts)),
        ("classes in a set, mean", *(text(part.set_size, False) for part in parts)),
        *(
            (f"coverage, {name}", *(text(part.class_coverage.get(name)) for part in parts))
            for name in report.calibration.classes
        ),
        ("called unfamiliar", *(text(part.false_alarms) for part in parts)),
    ]
    if report.threshold is not None:
        accepted = [part.accepted for part in parts]
        rows += [
            ("accepted", *("" if a is None else percent(a.share) for a in accepted)),
            ("accuracy of accepted", *("" if a is None else text(a.accuracy) for a in accepted)),
        ]
    notes = [f"{part.part.capitalize()}: {part.subject}." for part in parts]
    notes.append(
        "ECE: root mean square of confidence minus accuracy in 15 bins, debiased (Kumar et al. "
        "2019). NLL in nats, of the predictions named here; the cross-entropy among the results "
        "is the mean over the trainings. Brier score from 0 to 2. All intervals 95 %."
    )
    yield PlainTable(["", *(part.part for part in parts)], rows, notes=notes)
    if report.strangers:
        yield PlainTable(
            ["left out", "AUROC", "detected at 5 % false alarms"],
            [
                (stranger.name, text(stranger.auroc, False), text(stranger.detected))
                for stranger in report.strangers
            ],
        )


def sentences(report: CalibrationReport) -> list[str]:
    """The temperatures, and the confidence from which an accuracy is reached, if one was asked."""
    temperatures = report.calibration.temperature.items()
    lines = ["temperature: " + ", ".join(f"{name} {value:.2f}" for name, value in temperatures)]
    if all(value == 1 for _, value in temperatures):
        lines.append(
            "Temperature scaling does not help here: it does not lower the NLL of validation "
            "photos that it was not fitted to. The probabilities stay as predicted."
        )
    lines += [sentence for part in report.parts for sentence in _trust(part)]
    if report.target is not None:
        threshold = report.threshold
        lines.append(
            f"No threshold ensures an accuracy of {percent(report.target)} with 95 % confidence."
            if threshold is None
            else f"From a confidence of {threshold.confidence:g} on, accuracy is at least "
            f"{percent(report.target)} with 95 % confidence (bound {percent(threshold.lower)}, "
            f"{threshold.accepted:,} validation predictions, {percent(threshold.coverage)} of all)."
        )
    return [*lines, *report.notes]


def _trust(part: PartCalibration) -> Iterator[str]:
    """Whether the probabilities can be trusted on a part, and what calibration made worse."""
    before, after = part.before["ECE"].or_fallback, part.after["ECE"].or_fallback
    verdict = "an error is not excluded, as the photos give no interval"
    if after.low is not None and after.high is not None:
        verdict = f"no error beyond chance is shown, and one of {percent(after.high)} is possible"
        if after.low > 0:
            verdict = "more than chance explains, so take them as rough"
    yield (
        f"Calibrated probabilities on {part.part} photos are off by {text(after)} "
        f"(ECE; as predicted {text(before)}): {verdict}."
    )
    worse = [
        f"{name} {text(part.before[name], name == 'ECE')} to {text(value, name == 'ECE')}"
        for name, value in part.after.items()
        if (value.estimate or 0) > (part.before[name].estimate or 0)
    ]
    if worse:
        yield f"On {part.part} photos calibration made worse: {', '.join(worse)}."

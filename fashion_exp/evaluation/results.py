"""The result of a finished run: saved, tracked, drawn, and shown as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

import pandas as pd
from cachetools import LRUCache, cached

from fashion_exp.atomic_io import read_json, write_json, write_text
from fashion_exp.data.table import ImageTable, share_names
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.evaluation.annotations import load_annotations
from fashion_exp.evaluation.own_code import CODE_FOLDER
from fashion_exp.evaluation.predictions import (
    chance_accuracy,
    chance_loss,
    has_several_classes,
    read_predictions,
    with_judgement,
)
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.evaluation.targets import describe_targets, measures
from fashion_exp.evaluation.test_usage import MARK, mark_test_evaluated, test_evaluations
from fashion_exp.evaluation.tracked_result import TRACKED_FILES, run_note
from fashion_exp.tracking.tracker import Tracker

if TYPE_CHECKING:  # SciPy takes long to import, and is not needed before the first evaluation
    from fashion_exp.evaluation.summary import EvaluationSummary
    from fashion_exp.reporting.tables import PartResult, PlainTable, ReportedScore
    from fashion_exp.stats.interval import Interval

IMAGES_PER_CLASS = 8
"""In the contact sheet of a run's data."""
MAX_CLASSES = 24
"""In the contact sheet of a run's data."""
SUMMARY_CACHE_BYTES = 256e6
"""Memory for the summaries of many runs: 10,000 of ten classes, or 30 of a thousand."""
PART_FIGURES = ("confusion", "gallery")

METHODS = {
    "wilson": "Wilson at the mean accuracy",
    "wilson_grouped": "Wilson at the mean accuracy, n divided by the design effect",
    "corrected_t": "t with Nadeau and Bengio's correction",
    "crossed_t": "t with models and images crossed",
    "images": "t over the photos",
    "cluster_bootstrap": "bootstrap over the photos",
}


@dataclass(frozen=True)
class RunResult:
    """A finished run, by its files. Numbers are derived from its predictions on demand."""

    name: str
    output: Path
    run: str
    """Id of the tracked run."""
    confidence: float
    seconds: float
    """Training time of all trainings together."""
    facts: Mapping[str, str]
    """What the result depends on beside the options."""
    train_sizes: Mapping[str, int]
    """Training images of each fold, by its name."""
    redrawn: bool
    """Whether each repeat has its own random split."""

    def summary(self, part: str) -> EvaluationSummary:
        """Of "validation", of "test" once that was evaluated, or of an evaluation by its name."""
        assert part != "test" or self.test_evaluations, "the test predictions are held out"
        file = RunDir(self.output).predictions_file(part)
        modified = file.stat().st_mtime_ns if file.exists() else 0
        sizes = tuple(self.train_sizes.items())
        return _summary(file, modified, sizes, self.redrawn, self.confidence, self.own_shares)

    @property
    def own_shares(self) -> frozenset[str]:
        """The user's metrics that are shares in [0, 1]."""
        own = own_metrics(self.facts).items()
        return frozenset(name for name, metric in own if metric["is_share"])

    @property
    def test_evaluations(self) -> int:
        """Runs evaluated on photos of this test set, with this one; 0 while they are held out."""
        return test_evaluations(self.output)

    def require_data(self, fingerprint: str) -> None:
        """Raises `InputError` unless data of this fingerprint are those of the run."""
        if fingerprint != self.facts.get("data_fingerprint"):
            raise InputError(
                f"{self.output}: its photos, labels or groups have changed since; train a new run"
            )


def summary_bytes(summary: EvaluationSummary) -> int:
    """About the memory of a summary: confusion matrix, names and scores of classes, the rest."""
    return summary.confusion.nbytes + 200 * len(summary.classes) + 4_000


@cached(LRUCache(SUMMARY_CACHE_BYTES, getsizeof=summary_bytes), lock=Lock())
def _summary(
    file: Path, modified: int, sizes: tuple[tuple[str, int], ...], redrawn: bool, level: float,
    own_shares: frozenset[str],
) -> EvaluationSummary:  # fmt: skip
    """Cached by file and modification time: a sweep needs it for its live table, its leaderboard
    and its report."""
    from fashion_exp.evaluation.summary import summarize_predictions

    frame = read_predictions(file)
    return summarize_predictions(frame, dict(sizes), redrawn, level, own_shares)


def load_result(output: Path) -> RunResult:
    """The result in the folder of a finished run; raises `InputError` if it is damaged."""
    content = read_json(output / "result.json") | {"output": output}
    if name := load_annotations(output).name:
        content["name"] = name
    return RunResult(**content)


def record_result(result: RunResult, tracker: Tracker) -> None:
    """Saves the result and tracks it, without the test."""
    content = asdict(result) | {"output": result.output.name}
    write_json(RunDir(result.output).result_file, content)
    track_result(result, tracker)


def evaluate_test(result: RunResult, outputs: Path, tracker: Tracker) -> None:
    """Evaluates the test predictions, counts the evaluation, and tracks both."""
    mark_test_evaluated(result.output, outputs)
    track_test(result, tracker)


def track_result(result: RunResult, tracker: Tracker) -> None:
    """Tracks the validation and the files of a run that has finished."""
    tracker.log(result.run, result.summary("validation").metrics())
    tracker.set_description(result.run, _note(result))
    for name in TRACKED_FILES:
        if (result.output / name).exists():  # earlier versions did not write all of them
            tracker.log_artifact(result.run, result.output / name)
    with TemporaryDirectory() as folder:
        for file in (result.output / "config").glob("*"):
            text = redact_credentials(file.read_text(encoding="utf-8"))
            write_text(Path(folder) / file.name, text)
        if any(Path(folder).iterdir()):
            tracker.log_artifact(result.run, Path(folder), "config")
    if (code := result.output / CODE_FOLDER).is_dir():
        tracker.log_artifact(result.run, code, CODE_FOLDER)


def track_test(result: RunResult, tracker: Tracker) -> None:
    """Tracks the test of a run, which was evaluated."""
    tracker.log(result.run, result.summary("test").metrics())
    tracker.set_description(result.run, _note(result))
    tracker.tag(result.run, {"test_evaluations": str(result.test_evaluations)})
    for file in (result.output / PART_FILES["test"], result.output / MARK):
        if file.exists():
            tracker.log_artifact(result.run, file)


def track_figures(result: RunResult, tracker: Tracker) -> None:
    folder = RunDir(result.output).figures
    if folder.exists():
        tracker.log_artifact(result.run, folder, "figures")


def _note(result: RunResult) -> str:
    """What the user has written about the run comes first."""
    parts = ["validation", *(["test"] if result.test_evaluations else [])]
    summaries = [result.summary(part) for part in parts]
    note = run_note(summaries, result.test_evaluations, measures(result.facts)[0])
    return "\n\n".join(filter(None, [load_annotations(result.output).note, note]))


def draw_figures(result: RunResult, table: ImageTable, tracker: Tracker) -> None:
    """Draws the figures of a run; those of the test only if it was evaluated.

    A figure that cannot be drawn is left out with a warning.
    """
    draw_run(result, table)
    for part in _evaluated_parts(result):
        draw_part(result, part, table)
    track_figures(result, tracker)


def missing_figures(result: RunResult) -> list[Path]:
    """The figures that `draw_figures` would draw and that are not there."""
    names = ["curves", "data"]
    names += [f"{kind}_{part}" for part in _evaluated_parts(result) for kind in PART_FIGURES]
    files = [RunDir(result.output).figures / f"{name}.png" for name in names]
    return [file for file in files if not file.exists()]


def _evaluated_parts(result: RunResult) -> list[str]:
    return ["validation", *(["test"] if result.test_evaluations else [])]


def draw_run(result: RunResult, table: ImageTable) -> None:
    """Draws the learning curves, and the first images of the first classes."""
    from fashion_exp.reporting import contact_sheets, figures, style
    from fashion_exp.reporting.drawing import optional_figure

    run, classes = RunDir(result.output), len(table.classes)
    with optional_figure(run.figures / "curves.png") as file:
        history = pd.read_csv(run.history_file)
        counts, loss = list(table.class_counts.values()), _training_loss(run.options())
        chance = None
        if share_names(table.rows):
            frame = run.predictions("validation")
            chance = chance_loss(frame), chance_accuracy(frame)
        curves = figures.learning_curves(
            history, counts, result.name, loss, chance, measures(result.facts)[0]
        )
        style.save(curves, file)
    with optional_figure(run.figures / "data.png") as file:
        rows = table.rows[table.rows["label"] < MAX_CLASSES].groupby("label").head(IMAGES_PER_CLASS)
        names = table.class_names()
        more = f", of which the first {MAX_CLASSES} are shown" if classes > MAX_CLASSES else ""
        sheet = contact_sheets.contact_sheet(
            map(table.read, rows.index),
            ["|".join(names[row]) for row in rows.index],
            IMAGES_PER_CLASS,
            f"{table.name}: {len(table):,} images of {classes:,} classes{more}",
        )
        style.save(sheet, file)


def _training_loss(options: Mapping[str, Any]) -> str:
    """What the training loss is; empty if it is the cross-entropy, as the validation loss."""
    names = {"bce": "binary cross-entropy", "focal": "focal loss"}
    texts = [names[loss]] if (loss := options.get("training.loss")) in names else []
    if options.get("training.label_smoothing"):
        texts.append("smoothed labels")
    if options.get("augmentation.mixup_alpha") or options.get("augmentation.cutmix_alpha"):
        texts.append("mixed images")
    return ", ".join(texts)


def draw_part(result: RunResult, part: str, table: ImageTable) -> None:
    """Draws the confusion matrix and the gallery of one part; lists the scores of all classes."""
    from fashion_exp.reporting import contact_sheets, figures, style
    from fashion_exp.reporting.drawing import optional_figure
    from fashion_exp.reporting.tables import csv_table

    run, summary = RunDir(result.output), result.summary(part)
    title = f"{result.name}: {part}, {summary.counts}"
    with optional_figure(run.figures / f"confusion_{part}.png") as file:
        several = has_several_classes(run.predictions(part))
        figure = figures.confusion_matrix(
            summary.confusion, summary.classes, title, summary.class_counts if several else None
        )
        style.save(figure, file)
    with optional_figure(run.figures / f"gallery_{part}.png") as file:
        rows = {image: row for row, image in enumerate(table.rows["image_id"])}
        gallery = contact_sheets.prediction_gallery(
            with_judgement(run.predictions(part)), lambda image: table.read(rows[image]), part
        )
        style.save(gallery, file)
    with optional_figure(run.figures / f"classes_{part}.csv") as file:
        write_text(file, csv_table(class_table(summary)))


def class_table(summary: EvaluationSummary) -> PlainTable:
    """Recall, precision and F1 of each class. The limits are those of the tested models, and have
    Bonferroni's level."""
    from fashion_exp.reporting.formats import DASH, percent, percent_range
    from fashion_exp.reporting.tables import PlainTable

    columns = (summary.recall, summary.precision, summary.f1)
    rows = [
        (
            name,
            f"{count}",
            *map(percent, scores),
            DASH if f1.low is None or f1.high is None else percent_range(f1.low, f1.high),
        )
        for name, count, f1, *scores in zip(
            summary.classes, summary.class_counts, summary.f1_limits, *columns, strict=True
        )
    ]
    joint = f"F1, {100 * summary.accuracy.level:g} % for all classes jointly"
    return PlainTable(("class", "predictions", "recall", "precision", "F1", joint), rows)


def result_table(result: RunResult, problems: Sequence[str]) -> PlainTable:
    """The table that a run ends with. `problems` are the audit's findings."""
    from fashion_exp.reporting import tables

    parts = _evaluated_parts(result)
    return tables.results_table(
        tables.ResultsSummary(
            [_part_result(result.summary(part), result.own_shares) for part in parts],
            result.confidence,
            result.seconds,
            result.test_evaluations,
            result.name,
            [*problems, *_notes(result)],
            measures(result.facts),
        )
    )


def _notes(result: RunResult) -> list[str]:
    notes = [note] if (note := describe_targets(result.facts)) else []
    if not result.test_evaluations:
        notes.append("The test predictions are held out.")
    trainings = result.facts.get("trainings", "0 of")  # missing in runs of older versions
    if not trainings.startswith("0 of"):
        notes.append(f"Trainings: {trainings}; the training time is from there.")
    if result.facts["weights"].startswith("none"):
        notes.append(f"Weights: {result.facts['weights'].removeprefix('none: ')}.")
    return notes


def own_metrics(facts: Mapping[str, str]) -> dict[str, dict[str, bool]]:
    """Direction and range of the user's metrics, by name: lower_is_better, is_share."""
    return dict(json.loads(facts.get("own_metrics", "{}")))


def _part_result(summary: EvaluationSummary, shares: frozenset[str]) -> PartResult:
    from fashion_exp.reporting import tables

    wilson, t = summary.accuracy, summary.accuracy_t
    assert wilson.estimate is not None and wilson.n is not None
    t_limits = (None, None) if summary.t_interval_omitted else (t.low, t.high)
    return tables.PartResult(
        summary.part,
        wilson.estimate,
        tables.ReportedInterval(_method(wilson), wilson.low, wilson.high),
        tables.ReportedInterval(_method(t), *t_limits, summary.t_interval_omitted),
        summary.images,
        t.scores,
        _score(summary.loss),
        _score(summary.macro_f1),
        (summary.wrong_images, summary.images),
        (summary.wrong_predictions, summary.predictions),
        dict(zip(summary.classes, summary.f1, strict=True)),
        {name: _score(interval) for name, interval in summary.own.items()},
        shares,
    )


def _method(interval: Interval) -> str:
    from fashion_exp.reporting.formats import photo_count, pluralize
    from fashion_exp.stats.groups import TOO_FEW

    n = "" if interval.n is None else f"{photo_count(interval.n)}, "
    warning = f"; {interval.note}" if TOO_FEW in interval.note else ""
    trainings = pluralize(interval.scores, "training")
    return f"{METHODS[interval.method]}, {n}{trainings}, for {interval.claim}{warning}"


def _score(interval: Interval) -> ReportedScore:
    from fashion_exp.reporting import tables

    assert interval.estimate is not None
    limits = tables.ReportedInterval(_method(interval), omitted=interval.note)
    if interval.status == "ok":
        limits = tables.ReportedInterval(_method(interval), interval.low, interval.high)
    return tables.ReportedScore(interval.estimate, limits)

"""What a finished run came to: recorded, shown, drawn; and its sealed test opened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from fashion_exp.atomic_io import read_json, write_text
from fashion_exp.data.table import ImageTable
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions
from fashion_exp.evaluation.summary import EvaluationSummary, summarize_predictions
from fashion_exp.paths import record_test_evaluation
from fashion_exp.reporting import contact_sheets, figures, style, tables
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.scores import MIN_SCORES_SHOWN
from fashion_exp.tracking.tracker import Tracker
from fashion_exp.tracking.urls import without_passwords

PICTURES_PER_CLASS = 8

RUN_FILES = (
    "result.json", "knobs.json", "split.csv", "left_out.csv", "history.csv", "trainings.csv",
    PART_FILES["validation"],
)  # fmt: skip
"""What is tracked of a run beside its config and pictures: enough to compare it elsewhere."""


@dataclass(frozen=True)
class RunResult:
    """A finished run, by its files; numbers are derived from its predictions when asked for."""

    name: str
    output: Path
    run: str
    """Id of the tracked run."""
    confidence: float
    seconds: float
    """All trainings together."""
    facts: Mapping[str, str]
    train_sizes: Mapping[str, int]
    """Training images of each fold, by its name."""
    redrawn: bool
    """Whether the repeats had cuts of their own."""

    def summary(self, part: str) -> EvaluationSummary:
        """Of "validation", or of "test" once it has been opened."""
        assert part == "validation" or self.test_evaluations, "the test is sealed"
        file = self.output / PART_FILES[part]
        sizes = tuple(self.train_sizes.items())
        written = file.stat().st_mtime_ns if file.exists() else 0  # reading it tells what is wrong
        return _evidence(file, written, sizes, self.redrawn, self.confidence)

    @property
    def test_evaluations(self) -> int:
        """Which look at this test set this run's was; 0 while it is sealed."""
        return int(self._opened().get("look", 0))

    def _opened(self) -> dict[str, Any]:
        path = self.output / "test_opened.json"
        return read_json(path) if path.exists() else {}


@lru_cache(maxsize=4096)
def _evidence(
    file: Path, written: int, sizes: tuple[tuple[str, int], ...], redrawn: bool, level: float
) -> EvaluationSummary:
    """Of predictions as they were `written`, in ns since 1970. A sweep asks for it again and again:
    for its live table, its leaderboard, its report."""
    return summarize_predictions(read_predictions(file), dict(sizes), redrawn, level)


def load_result(output: Path) -> RunResult:
    """The result that a finished run left in its folder."""
    return RunResult(**read_json(output / "result.json") | {"output": output})


def record_result(result: RunResult, tracker: Tracker) -> None:
    """Records all but the test: metrics, tags, files."""
    saved = asdict(result) | {"output": result.output.name}
    write_text(result.output / "result.json", json.dumps(saved, indent=1))
    _record(result, result.summary("validation"), tracker)
    for name in RUN_FILES:
        tracker.artifact(result.run, result.output / name)
    with TemporaryDirectory() as shown:
        for file in (result.output / "config").glob("*"):
            write_text(Path(shown) / file.name, without_passwords(file.read_text(encoding="utf-8")))
        tracker.artifact(result.run, Path(shown), "config")


def evaluate_test(result: RunResult, outputs: Path, tracker: Tracker) -> None:
    """Reads the test predictions, counts the look, and records what they say."""
    mark_test_evaluated(result.output, outputs)
    _record(result, result.summary("test"), tracker)
    tracker.tag(result.run, {"test_looks": str(result.test_evaluations)})
    for name in (PART_FILES["test"], "test_opened.json"):
        tracker.artifact(result.run, result.output / name)


def draw_figures(result: RunResult, table: ImageTable, tracker: Tracker) -> None:
    """The pictures of a run, of its test only where that was opened."""
    draw_run(result, table)
    for part in ("validation", *(["test"] if result.test_evaluations else [])):
        draw_part(result, result.summary(part), table)
    folder = result.output / "figures"
    if folder.exists():
        tracker.artifact(result.run, folder, "figures")


def mark_test_evaluated(output: Path, outputs: Path) -> None:
    """Unseals the test of a finished run, and counts the look; an opened one stays as it is."""
    result = load_result(output)
    if not result.test_evaluations:
        trainings = pd.read_csv(output / "trainings.csv")
        known = trainings["identity"].to_list() if "identity" in trainings else []
        look = record_test_evaluation(outputs, result.facts["test_hash"], str(output), known)
        write_text(output / "test_opened.json", json.dumps({"look": look}))


def _record(result: RunResult, of: EvaluationSummary, tracker: Tracker) -> None:
    short = "val" if of.part == "validation" else of.part
    wilson, t = of.accuracy, of.accuracy_t
    tracker.log(result.run, of.metrics())
    tracker.tag(
        result.run,
        {
            f"{short}_interval": f"{wilson.method}, n={wilson.n:g}, of {wilson.target}",
            f"{short}_t_interval": of.t_interval_omitted
            or f"{t.method}, J={t.scores}, of {t.target}",
            f"{short}_one_class_only": ", ".join(of.single_class_models) or "no",
        },
    )


def draw_run(result: RunResult, table: ImageTable) -> None:
    """The learning curves, and the first images of each class."""
    folder = result.output / "figures"
    history = pd.read_csv(result.output / "history.csv")
    curves = figures.curves(history, list(table.class_counts.values()), result.name)
    style.save(curves, folder / "curves.png")
    style.save(_first_of_each_class(table), folder / "data.png")


def draw_part(result: RunResult, of: EvaluationSummary, table: ImageTable) -> None:
    """A part's confusion matrix and its gallery."""
    folder = result.output / "figures"
    trainings = len(result.train_sizes)
    title = f"{result.name}: {of.part}" + (f", {trainings} trainings" if trainings > 1 else "")
    style.save(
        figures.confusion(of.confusion, of.classes, title), folder / f"confusion_{of.part}.png"
    )
    frame = read_predictions(result.output / PART_FILES[of.part])
    rows = {image: row for row, image in enumerate(table.rows["image_id"])}
    sheet = contact_sheets.gallery(frame, lambda image: table.read(rows[image]), of.part)
    style.save(sheet, folder / f"gallery_{of.part}.png")


def _first_of_each_class(table: ImageTable) -> Any:
    chosen = table.rows.groupby("label").head(PICTURES_PER_CLASS)
    captions = [table.classes[label] for label in chosen["label"]]
    pictures = [table.read(row) for row in chosen.index]
    title = f"{table.name}: {len(table):,} images of {len(table.classes)} classes"
    return contact_sheets.contact_sheet(pictures, captions, PICTURES_PER_CLASS, title)


def result_table(result: RunResult, problems: Sequence[str]) -> tables.PlainTable:
    """The table that a run ends with; `problems` is what the audit found."""
    parts = ["validation", *(["test"] if result.test_evaluations else [])]
    return tables.results(
        tables.Summary(
            [_part_result(result.summary(part)) for part in parts],
            result.confidence,
            result.seconds,
            result.test_evaluations,
            result.name,
            [*problems, *_notes(result)],
        )
    )


def _notes(result: RunResult) -> list[str]:
    notes = []
    if not result.test_evaluations:
        notes.append("The test predictions are sealed.")
    trainings = result.facts.get("trainings", "0 of")  # runs of older versions do not say
    if not trainings.startswith("0 of"):
        notes.append(f"Trainings: {trainings}; the time is what they took there.")
    if result.facts["weights"].startswith("none"):
        notes.append(f"Weights: {result.facts['weights']}.")
    return notes


METHODS = {
    "wilson": "Wilson at the mean accuracy",
    "wilson_grouped": "Wilson at the mean accuracy, images divided by their design effect",
    "corrected_t": "t with Nadeau and Bengio's correction",
    "crossed_t": "t with models and images crossed",
}


def _in_words(interval: Interval) -> str:
    images = "effective" if interval.method == "wilson_grouped" else "distinct"
    counted = f"n = {interval.n:g} {images} images, " if interval.n is not None else ""
    return f"{METHODS[interval.method]}, {counted}J = {interval.scores}, of {interval.target}"


def _scored(interval: Interval) -> tables.Scored:
    assert interval.estimate is not None
    if interval.status != "ok" or interval.scores < MIN_SCORES_SHOWN:
        return tables.Scored(interval.estimate)
    return tables.Scored(interval.estimate, interval.low, interval.high)


def _part_result(of: EvaluationSummary) -> tables.PartResult:
    wilson, t = of.accuracy, of.accuracy_t
    assert wilson.estimate is not None and wilson.n is not None
    shown = (None, None) if of.t_interval_omitted else (t.low, t.high)
    return tables.PartResult(
        of.part,
        wilson.estimate,
        tables.Interval(_in_words(wilson), wilson.low, wilson.high),
        tables.Interval(_in_words(t), *shown, of.t_interval_omitted),
        of.images,
        t.scores,
        _scored(of.loss),
        _scored(of.macro_f1),
        dict(zip(of.classes, of.f1, strict=True)),
    )

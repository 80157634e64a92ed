"""Results of runs and sweeps as tables: for a terminal (rich), as Markdown and as CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import csv_text
from fashion_exp.reporting.formats import DASH, duration, percent, percent_range, with_limits
from fashion_exp.reporting.terminal_table import PlainTable

MAX_F1_ROWS = 20
"""Classes in the table of a run."""


@dataclass(frozen=True)
class ReportedInterval:
    """Limits as shares in [0, 1], or the reason why there are none."""

    method: str
    low: float | None = None
    high: float | None = None
    omitted: str = ""
    """The reason, if `low` and `high` are None: "J = 2, shown from 4 on"."""


@dataclass(frozen=True)
class ReportedScore:
    """A metric with its interval."""

    value: float
    interval: ReportedInterval

    def text(self, is_share: bool) -> str:
        return with_limits(self.value, self.interval.low, self.interval.high, is_share)


@dataclass(frozen=True)
class PartResult:
    """The results of one part ("validation", "test"); accuracies are shares."""

    part: str
    accuracy: float
    wilson: ReportedInterval
    t: ReportedInterval
    images: int
    """n, distinct images."""
    trainings: int
    """J, the number of accuracies behind the t-interval."""
    loss: ReportedScore
    macro_f1: ReportedScore
    wrong_photos: tuple[int, int]
    """Photos that are wrong by the mean of their trainings, of all photos."""
    wrong_predictions: tuple[int, int]
    """Wrong predictions of all; one for each photo and training that judged it."""
    f1: Mapping[str, float]
    """By class name; the same classes in the same order in every part."""
    own: Mapping[str, ReportedScore] = field(default_factory=dict)
    """The user's metrics, by name."""
    own_shares: frozenset[str] = frozenset()
    """Those that are shown in percent."""

    def own_text(self, name: str) -> str:
        return self.own[name].text(name in self.own_shares) if name in self.own else ""


@dataclass(frozen=True)
class ResultsSummary:
    parts: Sequence[PartResult]
    level: float
    """Confidence level of all intervals."""
    seconds: float
    """Total training time."""
    test_evaluations: int
    """Evaluations on this test set so far, including this one; 0 if it is held out."""
    title: str = ""
    notes: Sequence[str] = ()
    measures: tuple[str, str] = ("accuracy", "cross-entropy")
    """What the accuracy and the loss are called."""


def results_table(summary: ResultsSummary) -> PlainTable:
    """The results of a run: one column per part, one row per quantity."""
    parts, level = summary.parts, f"{100 * summary.level:g} %"
    accuracy, loss = summary.measures
    classes = _classes_shown(parts[0])
    own = dict.fromkeys(name for part in parts for name in part.own)
    rows = [
        (
            f"{accuracy} ({level} Wilson)",
            *(with_limits(p.accuracy, p.wilson.low, p.wilson.high) for p in parts),
        ),
        (f"{accuracy}, {level} t-interval", *(_limits(part.t) for part in parts)),
        ("different photos, n", *(f"{part.images:,}" for part in parts)),
        ("trainings, J", *(f"{part.trainings}" for part in parts)),
        ("photos wrong", *(_of(*part.wrong_photos) for part in parts)),
        (
            "predictions wrong",
            *(_of(*part.wrong_predictions) if part.trainings > 1 else "" for part in parts),
        ),
        (f"macro-F1 ({level})", *(part.macro_f1.text(is_share=True) for part in parts)),
        (f"{loss} ({level})", *(part.loss.text(is_share=False) for part in parts)),
        *((f"{name} ({level})", *(part.own_text(name) for part in parts)) for name in own),
        *((f"F1 {name}", *(percent(part.f1[name]) for part in parts)) for name in classes),
        ("training time", duration(summary.seconds), *("" for _ in parts[1:])),
        (
            "runs that used these photos",
            *(f"{summary.test_evaluations}" if part.part == "test" else "" for part in parts),
        ),
    ]
    notes = [note for part in parts for note in (*_method_notes(part), *_own_notes(part))]
    if any(part.trainings > 1 for part in parts):
        notes.append(
            "Macro-F1 and the F1 of each class are means over the trainings; the folds of a repeat "
            "count as one. A photo is wrong if the mean of the probabilities over the trainings "
            "predicts another class. Each training gives one prediction of each photo it judges."
        )
    if len(classes) < len(parts[0].f1):
        notes.append(
            f"F1: the {len(classes)} lowest of {len(parts[0].f1):,} classes ({parts[0].part}); "
            f"figures/classes_{parts[0].part}.csv has all."
        )
    header = ["", *(part.part for part in parts)]
    shown = [row for row in rows if any(row[1:])]
    return PlainTable(header, shown, summary.title, [*notes, *summary.notes])


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,}"


def _classes_shown(part: PartResult) -> list[str]:
    """All classes, or those with the lowest F1 if there are too many."""
    if len(part.f1) <= MAX_F1_ROWS:
        return list(part.f1)
    # A class without any prediction has no F1, and comes last.
    ranked = sorted(part.f1, key=lambda name: (math.isnan(part.f1[name]), part.f1[name]))
    return ranked[:MAX_F1_ROWS]


def _own_notes(part: PartResult) -> list[str]:
    return [
        f"No interval of {name} ({part.part}): {score.interval.omitted}."
        for name, score in part.own.items()
        if score.interval.omitted
    ]


def _limits(interval: ReportedInterval) -> str:
    if interval.low is None or interval.high is None:
        return DASH
    return f"{percent_range(interval.low, interval.high)} %"


def _method_notes(part: PartResult) -> list[str]:
    notes = [
        f"No {name} ({part.part}): {interval.omitted}."
        if interval.omitted
        else f"{name} ({part.part}): {interval.method}."
        for name, interval in (("Wilson interval", part.wilson), ("t-interval", part.t))
        if interval.omitted or interval.method != "Wilson"
    ]
    for name, score in (("macro-F1", part.macro_f1), ("cross-entropy", part.loss)):
        if score.interval.omitted:
            notes.append(f"The {name} ({part.part}) has no interval: {score.interval.omitted}.")
        elif score.interval.method != part.t.method:
            notes.append(f"Interval of the {name} ({part.part}): {score.interval.method}.")
    return notes


def leaderboard(
    jobs: Sequence[Mapping[str, Any]],
    show_test: bool = False,
    comparisons: int = 0,
    candidates_note: str = "",
    accuracy: str = "accuracy",
) -> PlainTable:
    """The results of a sweep: finished jobs by validation accuracy, then the others.

    Each job has `options` (the swept options by full name), `status` ("FINISHED", …) and, as far as
    it got, `seconds`, `val_acc`, `val_lo`, `val_hi` and the same with `test_`. Only the test
    accuracy of the first job is reported, in a note; `show_test` adds a column for all. `against`
    is the comparison with the first job; its verdict accounts for this many `comparisons`. Jobs
    with `is_candidate` false follow the candidates without a rank, for the reason in
    `candidates_note`. Ties keep their order. `accuracy` is what the accuracy is called.
    """
    ranked = [jobs[index] for index in ranked_order(jobs)]
    options = list(dict.fromkeys(name for job in jobs for name in job["options"]))
    compared = any(job.get("against") for job in ranked)
    header = ["", *_short_names(options), "validation", "status", "time"]
    rows = [
        [
            f"{rank}" if _is_ranked(job) else DASH,
            *(_option_text(job["options"].get(name)) for name in options),
            _accuracy(job, "val"),
            "done" if job["status"] == "FINISHED" else job["status"].lower(),
            DASH if job.get("seconds") is None else duration(job["seconds"]),
        ]
        for rank, job in enumerate(ranked, start=1)
    ]
    notes = [*filter(None, [candidates_note]), *_ranking_notes(ranked, show_test, accuracy)]
    if compared:
        header.insert(-2, "against the first")
        for row, job in zip(rows, ranked, strict=True):
            row.insert(-2, job.get("against") or DASH)
        note = f"Against the first: {accuracy} minus that of the first, in points."
        if comparisons > 1:
            note += (
                f" Intervals and verdicts hold for {comparisons:,} comparisons jointly "
                "and allow for the choice of the first."
            )
        notes.append(note)
    if show_test:
        header.append("test")
        for row, job in zip(rows, ranked, strict=True):
            row.append(_accuracy(job, "test"))
    return PlainTable(header, rows, notes=notes)


def ranked_order(jobs: Sequence[Mapping[str, Any]]) -> list[int]:
    """The positions of the jobs in the order of the leaderboard."""
    return sorted(range(len(jobs)), key=lambda index: _rank_key(jobs[index]))


def _rank_key(job: Mapping[str, Any]) -> tuple[int, float]:
    if not _has_result(job):
        return 2, 0.0
    return int(not job.get("is_candidate", True)), -job["val_acc"]


def _is_ranked(job: Mapping[str, Any]) -> bool:
    """Whether a job can win."""
    return _has_result(job) and job.get("is_candidate", True)


def _has_result(job: Mapping[str, Any]) -> bool:
    """Whether its accuracy can be compared: that of an unfinished job cannot."""
    accuracy = job.get("val_acc")
    return job["status"] == "FINISHED" and accuracy is not None and not math.isnan(accuracy)


def _accuracy(job: Mapping[str, Any], prefix: str) -> str:
    value = job.get(f"{prefix}_acc")
    limits = job.get(f"{prefix}_lo"), job.get(f"{prefix}_hi")
    return DASH if value is None else with_limits(value, *limits)


def _option_text(value: object) -> str:
    if value is None:
        return DASH
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _short_names(options: Sequence[str]) -> list[str]:
    """`optim.lr` as "lr", `model.name` as "model"; the full name if the short one is ambiguous."""
    short = [option.removesuffix(".name").rpartition(".")[2] for option in options]
    return [
        name if short.count(name) == 1 else option
        for name, option in zip(short, options, strict=True)
    ]


def _ranking_notes(
    ranked: Sequence[Mapping[str, Any]], show_test: bool, accuracy: str
) -> list[str]:
    finished = [job for job in ranked if _is_ranked(job)]
    pruned = sum(job["status"] == "PRUNED" and job.get("is_candidate", True) for job in ranked)
    notes = []
    if finished and len(finished) + pruned > 1:
        early = f" ({pruned} of them pruned early)" if pruned else ""
        notes.append(
            f"The first is the best of {len(finished) + pruned} on these validation images{early}; "
            f"this selection makes its validation {accuracy} optimistic."
        )
    if finished and not show_test and finished[0].get("test_acc") is not None:
        others = "; the others were not evaluated on it" if len(ranked) > 1 else ""
        notes.append(f"Test {accuracy} of the first: {_accuracy(finished[0], 'test')}{others}.")
    return notes


def select_columns(table: PlainTable, columns: Sequence[str]) -> PlainTable:
    """The table with only these columns, in this order."""
    indices = [table.header.index(name) for name in columns]
    rows = [[row[index] for index in indices] for row in table.rows]
    return replace(table, header=list(columns), rows=rows)


def extract_shared(table: PlainTable) -> PlainTable:
    """The table without columns that are equal in all rows; their values stand above it, once.

    A column that only repeats words of the rows' names (`vgg16 lr=0.01`) is left out.
    """
    if not table.rows:
        return table
    first, shared = table.rows[0], []
    for index, name in enumerate(table.header):
        is_fixed = index == 0 or name in table.fixed
        if not is_fixed and all(row[index] == first[index] for row in table.rows):
            shared.append(index)
    repeated = {
        index
        for index, name in enumerate(table.header)
        if index > 0
        and all(
            {f"{name.replace(' ', '_')}={r[index]}", r[index]} & {*r[0].split()} for r in table.rows
        )
    }
    columns = [n for index, n in enumerate(table.header) if index not in {*shared, *repeated}]
    texts = [f"{table.header[index]} {first[index]}" for index in shared if first[index] != DASH]
    rows = "all rows" if len(table.rows) > 1 else "this row"
    intro = [f"In {rows}: {'; '.join(texts)}."] if texts else []
    return replace(select_columns(table, columns), intro=[*table.intro, *intro])


def first_rows(table: PlainTable, count: int, file: Path) -> PlainTable:
    """The table with its first rows only and a note on the file that has all."""
    omitted = len(table.rows) - count
    if omitted <= 0:
        return table
    notes = [f"and {omitted:,} more: {file}", *table.notes]
    return replace(table, rows=table.rows[:count], notes=notes)


def csv_table(table: PlainTable) -> str:
    """Header and rows as CSV."""
    return csv_text([table.header, *table.rows])


def markdown_table(table: PlainTable) -> str:
    """The table in GitHub's Markdown; markup in texts is escaped."""
    header, *rows = [[*map(escape_markdown, row)] for row in (table.header, *table.rows)]
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    blocks = ["\n".join(f"| {' | '.join(line)} |" for line in lines)]
    if table.title:
        blocks.insert(0, f"**{escape_markdown(table.title)}**")
    blocks[-1:-1] = map(escape_markdown, table.intro)
    return "\n\n".join([*blocks, *(escape_markdown(note) for note in table.notes)]) + "\n"


def escape_markdown(text: str) -> str:
    """Escapes markup; an underscore within a word is none."""
    escaped = re.sub(r"([\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())

"""What a run and a sweep came to, as tables: for the terminal by rich, and as Markdown."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from fashion_exp.reporting.formats import DASH, counted, duration, number, percent, span


@dataclass(frozen=True)
class PlainTable:
    """A table of finished texts; the first column names the rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()
    """Sentences that stand below it."""


@dataclass(frozen=True)
class Interval:
    """Limits as shares in [0, 1], or why there are none."""

    method: str
    low: float | None = None
    high: float | None = None
    absent: str = ""
    """The reason, where `low` and `high` are None: "J = 2, shown from 4 on"."""


@dataclass(frozen=True)
class Scored:
    """A metric with the limits of its t-interval, where there are some."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class PartResult:
    """What the predictions of one part ("validation", "test") came to; accuracies are shares."""

    part: str
    accuracy: float
    wilson: Interval
    t: Interval
    images: int
    """n, distinct images."""
    scores: int
    """J, trainings whose accuracies the t-interval is of."""
    loss: Scored
    macro_f1: Scored
    f1: Mapping[str, float]
    """By class name; the same classes in the same order in every part."""


@dataclass(frozen=True)
class Summary:
    parts: Sequence[PartResult]
    level: float
    """Confidence level of every interval."""
    seconds: float
    """Training time of all trainings together."""
    test_evaluations: int
    """How often this test set has been looked at, this time included; 0 if it is sealed."""
    title: str = ""
    notes: Sequence[str] = ()


def results(summary: Summary) -> PlainTable:
    """A run's end: a column a part, a row a quantity."""
    parts, level = summary.parts, f"{100 * summary.level:g} %"
    rows = [
        (
            f"accuracy ({level} Wilson)",
            *(_with_limits(part.accuracy, part.wilson) for part in parts),
        ),
        (f"accuracy, {level} t-interval", *(_limits(part.t) for part in parts)),
        ("distinct images, n", *(f"{part.images:,}" for part in parts)),
        ("trainings, J", *(f"{part.scores}" for part in parts)),
        ("macro-F1, t-interval", *(_share(part.macro_f1) for part in parts)),
        ("cross-entropy, t-interval", *(_nats(part.loss) for part in parts)),
        *((f"F1 {name}", *(percent(part.f1[name]) for part in parts)) for name in parts[0].f1),
        ("training time", duration(summary.seconds), *("" for _ in parts[1:])),
        ("looks at the test set", *(_looks(part, summary.test_evaluations) for part in parts)),
    ]
    shown = [row for row in rows if any(row[1:])]
    notes = [note for part in parts for note in _method_notes(part)]
    header = ["", *(part.part for part in parts)]
    return PlainTable(header, shown, summary.title, [*notes, *summary.notes])


def _share(score: Scored) -> str:
    if score.low is None or score.high is None:
        return percent(score.value)
    return f"{percent(score.value)} ({span(score.low, score.high)})"


def _nats(score: Scored) -> str:
    if score.low is None or score.high is None:
        return number(score.value)
    return f"{number(score.value)} ({number(score.low)}{DASH}{number(score.high)})"


def _looks(part: PartResult, looks: int) -> str:
    return f"{looks}" if part.part == "test" else ""


def _with_limits(value: float, interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return percent(value)
    return f"{percent(value)} ({span(interval.low, interval.high)})"


def _limits(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return DASH
    return f"{span(interval.low, interval.high)} %"


def _method_notes(part: PartResult) -> list[str]:
    intervals = (("Wilson interval", part.wilson), ("t-interval", part.t))
    return [
        f"No {name} ({part.part}): {interval.absent}."
        if interval.absent
        else f"{name} ({part.part}): {interval.method}."
        for name, interval in intervals
        if interval.absent or interval.method != "Wilson"
    ]


def leaderboard(
    jobs: Sequence[Mapping[str, Any]], open_test: bool = False, comparisons: int = 0
) -> PlainTable:
    """A multirun's end: the jobs by validation accuracy, those that did not finish last.

    Each job has `knobs` (the swept ones by their full names), `status` ("FINISHED", …) and, as far
    as it got there, `seconds`, `val_acc`, `val_lo`, `val_hi` and the same with `test_`. The test
    accuracy is told of the first job alone, unless `open_test`. `against` says how it compares with
    the first, with a verdict that counts so many `comparisons`. Equals keep the order they came in.
    """
    ranked = sorted(jobs, key=lambda job: (not _ranks(job), -job["val_acc"] if _ranks(job) else 0))
    knobs = list(dict.fromkeys(name for job in jobs for name in job["knobs"]))
    compared = any(job.get("against") for job in ranked)
    header = [
        "", *_short_names(knobs), "validation", *["against the first"] * compared, "status", "time",
        *["test"] * open_test,
    ]  # fmt: skip
    rows = []
    for place, job in enumerate(ranked, start=1):
        seconds = job.get("seconds")
        rows.append(
            [
                f"{place}" if _ranks(job) else DASH,
                *(_knob(job["knobs"].get(name)) for name in knobs),
                _accuracy(job, "val"),
                *([job.get("against") or DASH] * compared),
                _STATUS.get(job["status"], job["status"].lower()),
                DASH if seconds is None else duration(seconds),
                *([_accuracy(job, "test")] * open_test),
            ]
        )
    notes = _ranking_notes(ranked, open_test)
    if compared:
        notes.append(
            "Each interval is of its difference alone; the verdicts are Holm's over "
            f"{counted(comparisons, 'comparison')}."
        )
    return PlainTable(header, rows, notes=notes)


_STATUS = {"FINISHED": "done"}


def _ranks(job: Mapping[str, Any]) -> bool:
    """Whether a job may win: one that was stopped has no result to compare with the others'."""
    accuracy = job.get("val_acc")
    return job["status"] == "FINISHED" and accuracy is not None and not math.isnan(accuracy)


def _accuracy(job: Mapping[str, Any], prefix: str) -> str:
    value = job.get(f"{prefix}_acc")
    limits = Interval("Wilson", job.get(f"{prefix}_lo"), job.get(f"{prefix}_hi"))
    return DASH if value is None else _with_limits(value, limits)


def _knob(value: object) -> str:
    if value is None:
        return DASH
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _short_names(knobs: Sequence[str]) -> list[str]:
    """`optim.lr` as "lr", `model.name` as "model"; whole where another would be named alike."""
    short = [knob.removesuffix(".name").rpartition(".")[2] for knob in knobs]
    return [
        name if short.count(name) == 1 else knob for name, knob in zip(short, knobs, strict=True)
    ]


def _ranking_notes(ranked: Sequence[Mapping[str, Any]], open_test: bool) -> list[str]:
    finished = [job for job in ranked if _ranks(job)]
    pruned = sum(job["status"] == "PRUNED" for job in ranked)
    notes = []
    if finished and len(finished) + pruned > 1:
        early = f" ({pruned} of them pruned early)" if pruned else ""
        notes.append(
            f"The first is the best of {len(finished) + pruned} on these validation images{early}; "
            "having been chosen by it makes its validation accuracy optimistic."
        )
    if finished and not open_test and finished[0].get("test_acc") is not None:
        others = "; the others' test predictions stay sealed" if len(finished) > 1 else ""
        notes.append(f"Test accuracy of the first: {_accuracy(finished[0], 'test')}{others}.")
    return notes


def only(table: PlainTable, columns: Sequence[str]) -> PlainTable:
    """Some columns of a table, where all do not fit."""
    places = [table.header.index(name) for name in columns]
    rows = [[row[place] for place in places] for row in table.rows]
    return PlainTable(list(columns), rows, table.title, table.notes)


def head(table: PlainTable, most: int, whole: Path) -> PlainTable:
    """The first rows of a table, and the file that has all of them."""
    left = len(table.rows) - most
    if left <= 0:
        return table
    return replace(table, rows=table.rows[:most], notes=[f"and {left} more: {whole}", *table.notes])


def rich_table(table: PlainTable) -> RenderableType:
    """The table for a rich console; where it is too wide, cells break, and no digit is lost."""
    return _Fitted(table)


@dataclass(frozen=True)
class _Fitted:
    """In a narrow place names of columns are stacked, and of the cells the longer ones alone break:
    a learning rate stays whole."""

    table: PlainTable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names, rows = list(self.table.header), self.table.rows
        columns = [[row[place] for row in rows] for place in range(len(names))]
        cells = [max(map(cell_len, column), default=0) for column in columns]
        if _width(names, cells) > options.max_width:
            names = [
                _stacked(name) if cell_len(name) > width else name
                for name, width in zip(names, cells, strict=True)
            ]
        short = [
            _width([name], [width]) <= _SHORT for name, width in zip(names, cells, strict=True)
        ]
        breaking = [
            _SHORT if not whole else width for whole, width in zip(short, cells, strict=True)
        ]
        roomy = _width(names, breaking) <= options.max_width
        shown = Table(
            title=Text(self.table.title) if self.table.title else None,
            box=box.SIMPLE_HEAD,
            title_justify="left",
            show_edge=False,
            pad_edge=False,
            collapse_padding=True,
        )
        for name, column, whole in zip(names, columns, short, strict=True):
            justify: JustifyMethod = "right" if any(map(_NUMBER.match, column)) else "left"
            shown.add_column(Text(name), justify=justify, overflow="fold", no_wrap=whole and roomy)
        for row in rows:
            # Text, not str: a class may be called "[red]".
            shown.add_row(*(Text(cell) for cell in row))
        yield shown
        if self.table.notes:  # as wide as the place, however narrow the table
            yield Text("\n".join(self.table.notes), "table.caption")


def _width(names: Sequence[str], cells: Sequence[int]) -> int:
    """Of a table whose columns have such names, above cells so wide."""
    heads = [max(map(cell_len, name.split("\n"))) for name in names]
    return sum(map(max, heads, cells)) + _GAP * (len(names) - 1)


_SHORT = 12
"""Cells up to here are one figure or one word."""
_GAP = 2


def _stacked(name: str) -> str:
    """The name of a knob above cells that are narrower, a word a line."""
    return re.sub(r"_| (?=[^\s%])", lambda found: f"{found[0].strip()}\n", name)


_NUMBER = re.compile(r"\d+([.,]\d+)*( |$)")
"""A number, alone or before its unit; not "0.5x"."""


def csv_table(table: PlainTable) -> str:
    """Header and rows as CSV, for programs."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.header, *table.rows])
    return text.getvalue()


def markdown_table(table: PlainTable) -> str:
    """The table in GitHub's Markdown; what looks like markup in a text stays text."""
    head, *rows = ([escape(cell) for cell in row] for row in (table.header, *table.rows))
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    blocks = ["\n".join(f"| {' | '.join(line)} |" for line in lines)]
    if table.title:
        blocks.insert(0, f"**{escape(table.title)}**")
    return "\n\n".join([*blocks, *(escape(note) for note in table.notes)]) + "\n"


def escape(text: str) -> str:
    # An underscore within a word is no markup, and knobs are full of them.
    escaped = re.sub(r"([\\`*\[\]<>|~$]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())

"""The content of a report as finished texts and numbers, independent of how it is rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from fashion_exp.reporting.tables import PlainTable, extract_shared

MAX_RUNS = 200
"""Rows of the tables of runs in a page. runs.csv has all."""

Severity = Literal["wrong", "doubtful", "fine"]
VerdictLabel = Literal["better", "worse", "equivalent", "undecided", "not comparable"]


@dataclass(frozen=True)
class Finding:
    """The result of one check of the audit."""

    severity: Severity
    title: str
    """What was checked: "test images seen in training"."""
    detail: str
    """The result."""
    runs: Sequence[str] = ()
    """The runs concerned, with their numbers; empty: all."""


@dataclass(frozen=True)
class ForestRow:
    """An estimate with its limits: shares in [0, 1], or nats for a loss."""

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    note: str = ""
    """Why there are no limits, or a caveat: "chosen on these images"."""
    muted: bool = False
    winner: bool = False


@dataclass(frozen=True)
class ForestPlot:
    title: str
    """The quantity, the images and the confidence level."""
    rows: Sequence[ForestRow]
    """In drawing order. The figure shows only the first ones of very many."""
    is_share: bool = True
    """False: the values are plain numbers (a loss)."""
    lines: Mapping[str, float] = field(default_factory=dict)
    """Vertical lines by label: {"target": 0.95, "human (assumed)": 0.95, "chance": 0.33}."""
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Shaded ranges by label: {"human 95 % of 200": (0.91, 0.97), "±1 point": (-0.01, 0.01)}."""


@dataclass(frozen=True)
class Curve:
    """One run's validation accuracy (share) by epoch, one line per training (fold or repeat)."""

    name: str
    lines: Sequence[Sequence[float]]
    winner: bool = False


@dataclass(frozen=True)
class VerdictCell:
    """The comparison of two runs, row minus column: shares, or nats for a loss."""

    verdict: VerdictLabel
    difference: float | None
    low: float | None
    high: float | None
    """Of the interval for all comparisons jointly, which agrees with the verdict."""
    p: float | None
    """Adjusted for the number of comparisons."""
    note: str = ""


@dataclass(frozen=True)
class VerdictMatrix:
    names: Sequence[str]
    cells: Mapping[tuple[int, int], VerdictCell]
    """By (row, column), indices into `names`: both triangles without the diagonal. Pairs may be
    missing, as when all runs are compared with a baseline."""
    caption: str
    """Test, family size, level, equivalence margin."""
    is_share: bool = True
    """False: the differences are plain numbers (a loss)."""


@dataclass(frozen=True)
class Confusion:
    name: str
    counts: np.ndarray
    """Integers; rows are true classes, columns predicted ones."""
    classes: Sequence[str]
    part: str
    counted: str
    """What the counts are: "275 predictions: 55 photos, 5 trainings; 19 photos wrong"."""


@dataclass(frozen=True)
class Photo:
    jpeg: bytes | None
    """A thumbnail; None if the photo is gone or unreadable."""
    file: str
    label: str
    caption: str
    """"14 of 15 say Shirt"."""


@dataclass(frozen=True)
class PhotoGroup:
    title: str
    """"Wrong in every run"."""
    count: int
    """Photos in the group; `photos` may hold only the first ones."""
    photos: Sequence[Photo]
    wide: bool = False
    """Whether they are several pictures side by side."""


@dataclass(frozen=True)
class Report:
    title: str
    created: str
    """ISO date and time."""
    answer: Sequence[str]
    """The conclusions in sentences; the first one answers the question."""
    audit: Sequence[Finding]
    runs: PlainTable
    """One row per run."""
    accuracy: Sequence[ForestPlot]
    """Test accuracy first if it was evaluated, then validation accuracy."""
    curves: Sequence[Curve]
    verdicts: VerdictMatrix | None
    pairs: PlainTable | None
    """One row per pair: every number behind the matrix."""
    effects: Sequence[ForestPlot]
    """Main effects of the swept options, one plot per option: differences between levels."""
    confounds: Sequence[str]
    """Sentences: which runs differ in several factors, or in training budget."""
    missing_cells: Sequence[str]
    """Commands of the runs that are missing to separate the factors."""
    plan: Sequence[str]
    """How many images or seeds would decide what is undecided."""
    confusions: Sequence[Confusion]
    photos: Sequence[PhotoGroup]
    reproduce: Sequence[str]
    """The command that makes this report, then one command per run."""
    methods: Sequence[str]
    """The method of each interval and test, with n, J, level and source."""
    accuracy_name: str = "accuracy"
    """What the accuracy of these runs is called."""
    uncertainty: PlainTable | None = None
    """Where the uncertainty of each run comes from, and what would reduce it."""
    classes: PlainTable | None = None
    """Scores of each class in the best run."""
    slices: Sequence[PlainTable] = ()
    """Accuracy on slices of the images."""
    best_run: Sequence[str] = ()
    """Lines for a shell: where the files of the best run are, and the commands that use them."""

    @property
    def shown_runs(self) -> PlainTable:
        """The first runs without the columns in which all runs are equal, which stand above."""
        table = extract_shared(self.runs)
        if (count := len(table.rows)) <= MAX_RUNS:
            return table
        note = (
            f"The tables of runs show the first {MAX_RUNS} of {count:,}; runs.csv has all. "
            "Effects, tests and corrections are computed from all."
        )
        return replace(table, rows=table.rows[:MAX_RUNS], notes=[note, *table.notes])

    @property
    def shown_uncertainty(self) -> PlainTable | None:
        """Of the same runs."""
        table = self.uncertainty
        return table and replace(table, rows=table.rows[:MAX_RUNS])

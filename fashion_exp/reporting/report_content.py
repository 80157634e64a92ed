"""What a report shows, as finished texts and numbers: read by the page, the tables, the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fashion_exp.reporting.tables import PlainTable

Severity = Literal["wrong", "doubtful", "fine"]
Verdict = Literal["better", "worse", "equivalent", "undecided", "not comparable"]


@dataclass(frozen=True)
class Finding:
    """One line of the audit."""

    severity: Severity
    title: str
    """What was looked for: "test images seen in training"."""
    detail: str
    """What was found."""
    runs: Sequence[str] = ()
    """The runs it is about, with the figures of each; empty: all."""


@dataclass(frozen=True)
class ForestRow:
    """An estimate with its limits; shares, or for a loss nats."""

    name: str
    estimate: float | None
    low: float | None
    high: float | None
    note: str = ""
    """Why there are no limits, or what else must be known: "greyed: chosen on these images"."""
    muted: bool = False
    winner: bool = False


@dataclass(frozen=True)
class Forest:
    title: str
    """What is shown, of what, at which level."""
    rows: Sequence[ForestRow]
    """In the order they are drawn in; of very many only the first are drawn."""
    percent: bool = True
    """False: numbers as they are (a loss)."""
    lines: Mapping[str, float] = field(default_factory=dict)
    """Vertical lines by label: {"target": 0.95, "human (assumed)": 0.95, "chance": 0.33}."""
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The same with limits: {"human 95 % of 200": (0.91, 0.97)}, {"±1 point": (-0.01, 0.01)}."""


@dataclass(frozen=True)
class Curve:
    """One run's validation accuracy (share) by epoch, one line a training (fold or repeat)."""

    name: str
    lines: Sequence[Sequence[float]]
    winner: bool = False


@dataclass(frozen=True)
class Cell:
    """What the row's run is against the column's: row minus column, shares; for a loss nats."""

    verdict: Verdict
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    """Adjusted by Holm."""
    note: str = ""


@dataclass(frozen=True)
class VerdictMatrix:
    names: Sequence[str]
    cells: Mapping[tuple[int, int], Cell]
    """(row, column) by place in `names`; both triangles, no diagonal; may lack what was not
    asked (all against a baseline)."""
    caption: str
    """Test, family size, level, rope."""
    percent: bool = True
    """False: differences as they are (a loss)."""


@dataclass(frozen=True)
class Confusion:
    name: str
    counts: Sequence[Sequence[int]]
    """Rows true, columns predicted."""
    classes: Sequence[str]
    part: str


@dataclass(frozen=True)
class Photo:
    picture: bytes | None
    """A small JPEG; None where the photo is no longer at hand, or cannot be read."""
    file: str
    label: str
    caption: str
    """"14 of 15 say Shirt"."""


@dataclass(frozen=True)
class PhotoGroup:
    title: str
    """"Wrong in every run"."""
    count: int
    """How many there are; `photos` may be the first ones."""
    photos: Sequence[Photo]


@dataclass(frozen=True)
class Report:
    title: str
    created: str
    """ISO date and time."""
    answer: Sequence[str]
    """Sentences that a reviewer could not fault; the first is the answer."""
    audit: Sequence[Finding]
    runs: PlainTable
    """The table of the runs: a row a run."""
    accuracy: Sequence[Forest]
    """Test first where it is open, then validation."""
    curves: Sequence[Curve]
    verdicts: VerdictMatrix | None
    pairs: PlainTable | None
    """A row a pair: every number behind the matrix."""
    effects: Sequence[Forest]
    """Main effects of the swept knobs, a forest a knob: differences between levels."""
    confounds: Sequence[str]
    """Sentences: which runs differ in several factors, or in training budget."""
    missing_cells: Sequence[str]
    """Commands that would run what is missing to tell the factors apart."""
    plan: Sequence[str]
    """How many images or seeds would decide what is undecided."""
    confusions: Sequence[Confusion]
    photos: Sequence[PhotoGroup]
    reproduce: Sequence[str]
    """Commands, one a run, first the one that makes this page."""
    methods: Sequence[str]
    """What each interval and test is, with n, J, level and source."""

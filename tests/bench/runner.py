"""What every claim of `scripts/bench` shares: things measured in turn, and ratios of one turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path

from fashion_exp.reporting.tables import PlainTable

REPOSITORY = Path(__file__).resolve().parents[2]

Work = Callable[[], float | None]
"""Does something once; gives what it measured, or None to have its seconds taken."""


@dataclass(frozen=True)
class Figure:
    """A claim's number, measured several times, and what it must reach."""

    what: str
    values: tuple[float, ...]
    """One a turn: ratios where two things were measured in turn."""
    unit: str
    """×, s, GB, %."""
    at_least: float | None = None
    at_most: float | None = None
    parts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """What the values were made of, by name, one a turn."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def bound(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_most is not None else ""

    @property
    def reached(self) -> bool | None:
        """By the median; None where nothing is asked."""
        if self.at_least is not None:
            return self.median >= self.at_least
        return self.median <= self.at_most if self.at_most is not None else None


def in_turn(works: Mapping[str, Work], turns: int) -> dict[str, tuple[float, ...]]:
    """What each work measured in each turn.

    Every other turn goes backwards, so that a machine that drifts favours none.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns):
        for name in list(works) if turn % 2 == 0 else list(works)[::-1]:
            found[name].append(timed(works[name]))
    return {name: tuple(values) for name, values in found.items()}


def timed(work: Work) -> float:
    """What a work measured, or the seconds that it took."""
    began = time.perf_counter()
    told = work()
    return time.perf_counter() - began if told is None else told


def ratio(
    what: str, parts: dict[str, tuple[float, ...]], between: tuple[str, str] | None = None,
    at_least: float | None = None, at_most: float | None = None,
) -> Figure:  # fmt: skip
    """One part divided by another, turn by turn: the first two where nothing is said."""
    over, under = between or tuple(parts)[:2]
    values = tuple(a / b for a, b in zip(parts[over], parts[under], strict=True))
    return Figure(what, values, "×", at_least, at_most, parts)


def command(*overrides: str) -> float:
    """Seconds that a whole `scripts/run …` takes, in a process of its own.

    Raises `RuntimeError` with the end of what it said where it fails.
    """
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fashion_exp", *overrides],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(overrides)}: {done.returncode}: {done.stderr[-2000:]}")
    return time.perf_counter() - began


def table(figures: Sequence[Figure]) -> PlainTable:
    """A row a figure, then what it was made of, once where several are made of the same."""
    rows: list[list[str]] = []
    for figure, after in zip_longest(figures, figures[1:]):
        reached = {None: "", True: "yes", False: "no"}[figure.reached]
        rows.append([figure.what, *_spread(figure.values), figure.unit, figure.bound, reached])
        if after is None or after.parts is not figure.parts:
            parts = figure.parts.items()
            rows += [[f"  {name}", *_spread(part), "", "", ""] for name, part in parts]
    headers = ["claim", "min", "median", "max", "", "asked", "reached"]
    return PlainTable(headers, rows)


def _spread(values: Sequence[float]) -> list[str]:
    return [f"{v:.3g}" for v in (min(values), statistics.median(values), max(values))]


def write_json(path: Path, figures: Sequence[Figure], arguments: Sequence[str]) -> None:
    """The figures, and where and when they were measured."""
    told = {
        "date": time.strftime("%Y-%m-%d"),
        "command": ["scripts/bench", *arguments],
        "machine": {"cores": len(os.sched_getaffinity(0)), "system": platform.platform()},
        "figures": [
            asdict(one) | {"median": one.median, "reached": one.reached} for one in figures
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False))

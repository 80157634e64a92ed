"""What all claims share: alternating measurements, figures with bounds, and timed commands."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path

from fashion_exp.reporting.tables import PlainTable

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "fashion_exp")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": ""}
"""With bytecode files, as users have them: without these, every start compiles every module."""

Measurement = Callable[[], float | None]
"""Runs something once. Returns the measured value, or None to use the elapsed seconds."""


@dataclass(frozen=True)
class Figure:
    """A measured quantity with its bound. The field names are keys of the JSON file."""

    what: str
    values: tuple[float, ...]
    """One per turn."""
    unit: str
    """×, s, GB or lines."""
    at_least: float | None = None
    at_most: float | None = None
    parts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """The measurements that `values` are computed from, by name, one value per turn."""

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
        """Whether the median is within the bound; None if there is no bound."""
        if self.at_least is not None:
            return self.median >= self.at_least
        return self.median <= self.at_most if self.at_most is not None else None


def ratio_figure(
    what: str,
    parts: dict[str, tuple[float, ...]],
    names: tuple[str, str] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """The first named part divided by the second, turn by turn. Default: the first two parts."""
    numerator, denominator = names or tuple(parts)[:2]
    pairs = zip(parts[numerator], parts[denominator], strict=True)
    return Figure(what, tuple(a / b for a, b in pairs), "×", at_least, at_most, parts)


def alternate(measurements: Mapping[str, Measurement], turns: int) -> dict[str, tuple[float, ...]]:
    """The values of each measurement, one per turn.

    Every second turn runs in reverse order, so that a gradual change of the machine's speed does
    not favor one of them.
    """
    values: dict[str, list[float]] = {name: [] for name in measurements}
    for turn in range(turns):
        for name in list(measurements)[:: 1 if turn % 2 == 0 else -1]:
            start = time.perf_counter()
            value = measurements[name]()
            seconds = time.perf_counter() - start
            values[name].append(seconds if value is None else value)
    return {name: tuple(by_turn) for name, by_turn in values.items()}


def run_command(*arguments: str) -> float:
    """Runs `fashion_exp` with these arguments in a process of its own; returns the seconds.

    Raises `RuntimeError` with the end of the error output if the command fails.
    """
    start = time.perf_counter()
    process = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=REPOSITORY, env=ENVIRONMENT
    )
    seconds = time.perf_counter() - start
    check_exit_code(process.returncode, arguments, process.stderr)
    return seconds


def check_exit_code(code: int, arguments: Sequence[str], output: str) -> None:
    """Raises `RuntimeError` with the end of the output if the code is not 0."""
    if code:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {code}: {output[-2000:]}")


def training_seconds(*overrides: str) -> float:
    """Runs one experiment; returns its training time without start-up, evaluation and figures."""
    with tempfile.TemporaryDirectory() as outputs:
        run_command(*overrides, f"outputs={outputs}", "cache.trainings=false")
        (result,) = Path(outputs).glob("runs/*/result.json")
        return float(json.loads(result.read_text())["seconds"])


def figure_table(figures: Sequence[Figure]) -> PlainTable:
    """A row per figure, followed by its parts. Consecutive figures with the same parts list them
    once."""
    rows: list[list[str]] = []
    for figure, following in zip_longest(figures, figures[1:]):
        reached = {None: "", True: "yes", False: "no"}[figure.reached]
        rows.append([figure.what, *_spread(figure.values), figure.unit, figure.bound, reached])
        if following is None or following.parts is not figure.parts:
            parts = figure.parts.items()
            rows += [[f"  {name}", *_spread(values), "", "", ""] for name, values in parts]
    return PlainTable(["claim", "min", "median", "max", "unit", "required", "reached"], rows)


def _spread(values: Sequence[float]) -> list[str]:
    return [f"{v:.3g}" for v in (min(values), statistics.median(values), max(values))]


def write_json(path: Path, figures: Sequence[Figure], arguments: Sequence[str]) -> None:
    """Writes the figures with the date, the command and the machine."""
    content = {
        "date": time.strftime("%Y-%m-%d"),
        "command": ["scripts/bench", *arguments],
        "machine": {"cores": len(os.sched_getaffinity(0)), "system": platform.platform()},
        "figures": [
            asdict(figure) | {"median": figure.median, "reached": figure.reached}
            for figure in figures
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False))

"""Repeats trained until two runs are decided: `fashion_exp.race`."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.comparison.find_runs import find_runs
from fashion_exp.comparison.gate import Gate
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir
from fashion_exp.racing.race import OnLook, Race, RaceOptions
from fashion_exp.racing.race import race as run_race

if TYPE_CHECKING:
    from fashion_exp.comparison.gate import Kind
    from fashion_exp.reporting.progress import Progress


def race(
    candidate: str | PathLike[str],
    baseline: str | PathLike[str],
    *,
    at_most: int = 30,
    metric: str = "accuracy",
    alpha: float = 0.05,
    rope: float = 0.01,
    gate: Kind | None = None,
    margin: float = 0.0,
    uri: str | None = None,
    outputs: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    on_look: OnLook = lambda race: None,
) -> Race:
    """Trains further repeats of two finished runs in turn until it is decided which is better.

    `candidate` and `baseline` are a `Run`, a folder, a name or the id of a tracked run. From the
    fourth repeat on they are compared after each one; the chance of any wrong decision is about
    `alpha`. It stops when it is decided, when the rest would hardly decide, or after `at_most`
    repeats. `gate` ("better" or "not-worse" with a `margin`) decides as `compare --gate`. The same
    call continues an interrupted race. `on_look` is called with the race after each look.

    Raises `InputError` for runs that cannot be raced: other data or splits, the same recipe,
    imported predictions.
    """
    from fashion_exp.reporting.progress import quiet_progress

    options = RaceOptions(at_most, metric, alpha, rope, Gate(gate, margin) if gate else None)
    outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
    a, b = (load_single(fspath(run), outputs_root, uri) for run in (candidate, baseline))
    return run_race(a, b, options, Path(outputs_root), progress or quiet_progress(), on_look)


def load_single(reference: str, outputs: Path, uri: str | None) -> RunData:
    """Raises `InputError` unless the reference means one finished run."""
    folders = find_runs([reference], outputs, uri)
    if len(folders) > 1:
        raise InputError(f"{reference}: matches {len(folders)} runs; name one")
    return load_run(folders[0])

"""Finds the folder of one run, finished or not, by what a user types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.annotations import load_annotations
from fashion_exp.evaluation.run_dir import RunDir

MIN_ID_LETTERS = 4
"""Beginning of a tracked run's id that is long enough to mean it."""


def single_runs(outputs: Path) -> list[RunDir]:
    """The folders of all runs that belong to no sweep, oldest first."""
    return _existing(outputs / "runs")


def sweep_jobs(sweep: Path) -> list[RunDir]:
    """The folders of a sweep's jobs that have begun."""
    return _existing(sweep)


def all_runs(outputs: Path) -> Iterator[RunDir]:
    yield from single_runs(outputs)
    for sweep in sorted((outputs / "sweeps").glob("*")):
        yield from sweep_jobs(sweep)


def _existing(folder: Path) -> list[RunDir]:
    runs = [RunDir(path) for path in folder.glob("*") if not path.name.startswith(".")]
    found = [run for run in runs if is_run(run)]
    return sorted(found, key=lambda run: run.path.name)


def is_run(run: RunDir) -> bool:
    """Whether the folder is that of a run, in whatever state."""
    return run.options_file.is_file() or run.result_file.is_file() or run.has_started


def run_name(run: RunDir) -> str:
    """The name that the user gave, else that of the result; empty if there is neither."""
    with suppress(InputError):
        if name := load_annotations(run.path).name:
            return name
        if run.result_file.exists():
            return str(read_json(run.result_file).get("name", ""))
    return ""


def tracked_id(run: RunDir) -> tuple[str, str]:
    """The id of the tracked run and the URI of its store; empty if the run is not tracked."""
    with suppress(InputError):
        if run.tracked_file.exists():
            content = read_json(run.tracked_file)
            return str(content.get("run", "")), str(content.get("uri", ""))
    return "", ""


def find_run(reference: str, outputs: Path) -> RunDir:
    """The run with this folder, folder name, given name or tracked id, or a beginning of them.

    Raises `InputError` if there is none or several.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        run = RunDir(folder.resolve())
        if is_run(run):
            return run
        raise InputError(f"{reference}: not the folder of a run; choose one in outputs/runs/")
    runs = list(all_runs(outputs))
    matches = [run for run in runs if run.path.name == reference]
    matches = matches or [run for run in runs if run_name(run) == reference]
    matches = matches or [run for run in runs if _begins(run, reference)]
    if not matches:
        hint = suggest(reference, [run.path.name for run in runs]) or "`runs list` lists the runs"
        raise InputError(f"{reference}: no such run in {outputs}; {hint}")
    if len(matches) > 1:
        some = ", ".join(run.path.name for run in matches[:3])
        raise InputError(
            f"{reference}: {len(matches)} runs match, such as {some}; type more of the name"
        )
    return matches[0]


def _begins(run: RunDir, reference: str) -> bool:
    name = run.path.name
    if name.startswith(reference) or name.endswith(reference):
        return True
    return len(reference) >= MIN_ID_LETTERS and tracked_id(run)[0].startswith(reference)

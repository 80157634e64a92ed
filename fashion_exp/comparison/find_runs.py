"""Finds the runs that the arguments of a subcommand refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.annotations import load_annotations
from fashion_exp.evaluation.run_dir import RunDir, finished_runs
from fashion_exp.tracking import fetch_run, matching_runs

_OPERATORS = ("=", "<", ">", " LIKE ", " IN ", " like ", " in ")


def find_runs(
    references: Sequence[str],
    outputs: Path,
    uri: str | None,
    newest: Sequence[str] = ("sweeps", "runs"),
) -> list[Path]:
    """The folders of the finished runs that are referred to, in the order given, without repeats.

    A reference is the folder of a run, of a sweep or of several; the name of a run or sweep in
    `outputs`, or its beginning or end; the id of a tracked run; a name that a run was given with
    `runs rename`; or a filter in MLflow's language
    ("metrics.val_acc > 0.8"). Without references, it is the newest finished entry of the first
    folder in `newest` that has one. Raises `InputError` if a reference matches nothing.
    """
    folders: dict[Path, None] = {}
    for reference in references or [_newest(outputs, newest)]:
        folders |= dict.fromkeys(_resolve(reference, outputs, uri))
    return list(folders)


def _newest(outputs: Path, kinds: Sequence[str]) -> str:
    for kind in kinds:
        folders = sorted((outputs / kind).glob("*"), key=lambda folder: folder.stat().st_mtime)
        for folder in reversed(folders):
            if _finished_below(folder):
                return str(folder)
    raise InputError(f"{outputs}: no finished run in this folder; run an experiment first")


def _resolve(reference: str, outputs: Path, uri: str | None) -> list[Path]:
    folder = Path(reference).expanduser()
    if folder.is_dir():
        if runs := _finished_below(folder.resolve()):
            return runs
        raise InputError(f"{reference}: no finished run in this folder")
    if any(operator in reference for operator in _OPERATORS):
        return _filtered(reference, outputs, uri)
    folders = [*(outputs / "runs").glob("*"), *(outputs / "sweeps").glob("*")]
    matches = [f for f in folders if f.name == reference] or [
        f for f in folders if f.name.startswith(reference) or f.name.endswith(reference)
    ]
    if len(matches) > 1:
        raise InputError(
            f"{reference}: matches {len(matches)} folders, such as {matches[0].name}; "
            "type more of the name"
        )
    if matches and (runs := _finished_below(matches[0])):
        return runs
    local = _local_runs_by_id(outputs)
    if reference in local:
        return [local[reference]]
    if named := [run for run in local.values() if load_annotations(run).name == reference]:
        return named
    suggestion = suggest(reference, [f.name for f in folders])
    raise InputError(f"{reference}: no such run, sweep, folder or filter; {suggestion}")


def _finished_below(folder: Path) -> list[Path]:
    return [run.path for run in finished_runs(folder)]


def _local_runs_by_id(outputs: Path) -> dict[str, Path]:
    """Looks where runs are and not in every folder: of thousands of runs, that takes seconds."""
    files = chain(outputs.glob("runs/*/result.json"), outputs.glob("sweeps/*/*/result.json"))
    runs = (RunDir(file.parent) for file in files)
    return {read_json(run.result_file)["run"]: run.path for run in runs if run.is_finished}


def _filtered(expression: str, outputs: Path, uri: str | None) -> list[Path]:
    local = _local_runs_by_id(outputs)
    tracked = matching_runs(uri, outputs, expression)
    runs = [local.get(run) or _downloaded(run, outputs, uri) for run in tracked]
    if finished := [run for run in runs if run is not None]:
        return finished
    raise InputError(f"{expression}: no finished run in MLflow matches this filter")


def _downloaded(run: str, outputs: Path, uri: str | None) -> Path | None:
    """The files of a run made elsewhere, from the tracking server; None if it is not finished."""
    folder = outputs / "cache" / "tracked" / run
    if not RunDir(folder).is_finished:
        fetch_run(uri, outputs, run, folder)
    return folder if RunDir(folder).is_finished else None


def count_unfinished_jobs(runs: Sequence[Path]) -> int:
    """The number of jobs without a result in the sweeps whose finished jobs are all among `runs`.

    They were tried too, so their comparisons belong to the family.
    """
    sweeps = {run.parent for run in runs if run.parent.parent.name == "sweeps"}
    jobs = {
        path.parent
        for sweep in sweeps
        if set(_finished_below(sweep)) <= set(runs)
        for name in ("options.json", "knobs.json")  # the current and the earlier file name
        for path in sweep.glob(f"*/{name}")
    }
    return len(jobs - set(runs))


def common_sweep(runs: Iterable[Path]) -> Path | None:
    """The folder of the sweep that all runs belong to; None if there is none."""
    parents = {run.parent for run in runs}
    if len(parents) != 1:
        return None
    (parent,) = parents
    return parent if parent.parent.name == "sweeps" else None

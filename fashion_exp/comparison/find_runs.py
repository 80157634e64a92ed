"""Finds the runs that a user refers to on the command line: any number, or exactly one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError, close_matches, suggest
from fashion_exp.evaluation.annotations import load_annotations
from fashion_exp.evaluation.run_dir import RunDir, finished_runs, require_finished
from fashion_exp.tracking import fetch_run, matching_runs

_OPERATORS = ("=", "<", ">", " LIKE ", " IN ", " like ", " in ")
MIN_ID_LETTERS = 4
"""Beginning of a tracked run's id that is long enough to mean it."""

MAX_LISTED = 8
"""Folders that the refusal of an ambiguous name lists."""


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
    existing = [run for run in runs if is_run(run)]
    return sorted(existing, key=lambda run: run.path.name)


def is_run(run: RunDir) -> bool:
    """Whether the folder is that of a run, in whatever state."""
    return run.options_file.is_file() or run.result_file.is_file() or run.has_started


def run_name(run: RunDir) -> str:
    """The name that the user gave, else that of the result; empty if there is neither."""
    with suppress(InputError):
        return given_name(run) or str(_content(run.result_file).get("name", ""))
    return ""


def given_name(run: RunDir) -> str:
    with suppress(InputError):  # of a damaged file; `doctor` reports it
        return load_annotations(run.path).name
    return ""


def tracked_id(run: RunDir) -> tuple[str, str]:
    """The id of the tracked run and the URI of its store; empty if the run is not tracked."""
    with suppress(InputError):
        content = _content(run.tracked_file)
        return str(content.get("run", "")), str(content.get("uri", ""))
    return "", ""


def _content(file: Path) -> dict[str, object]:
    return read_json(file) if file.exists() else {}


def find_run(reference: str, outputs: Path) -> RunDir:
    """The run, in whatever state, with this folder, name or tracked id, or a part of them.

    Raises `InputError` if there is none, if several match, or if a sweep is meant.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        run = RunDir(folder.resolve())
        if is_run(run):
            return run
        raise InputError(f"{reference}: not the folder of a run; choose one in outputs/runs/")
    runs = list(all_runs(outputs))
    matches = _matches(reference, runs, _sweeps(outputs))
    if not matches:
        names = [name for run in runs for name in (run.path.name, run_name(run)) if name]
        hint = suggest(reference, names) or "`runs list` lists the runs"
        raise InputError(f"{reference}: no such run in {outputs}; {hint}")
    _refuse_several(reference, matches)
    if matches[0].parent.name == "sweeps":
        raise InputError(f"{reference}: is the sweep {matches[0]}; name one of the jobs in it")
    return RunDir(matches[0])


def _sweeps(outputs: Path) -> list[Path]:
    return sorted((outputs / "sweeps").glob("[!.]*"))


def find_runs(
    references: Sequence[str],
    outputs: Path,
    uri: str | None,
    newest: Sequence[str] = ("sweeps", "runs"),
) -> list[Path]:
    """The folders of the finished runs that are referred to, in the order given, without repeats.

    A reference is as for `find_run`, or the folder or name of a sweep or of a folder of runs, or a
    filter in MLflow's language ("metrics.val_acc > 0.8"). Without references, it is the newest
    finished entry of the first folder in `newest` that has one. Raises `InputError` if a reference
    matches nothing.
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
        return _finished(reference, folder.resolve())
    if any(operator in reference for operator in _OPERATORS):
        return _filtered(reference, outputs, uri)
    runs, sweeps = list(all_runs(outputs)), _sweeps(outputs)
    matches = _matches(reference, runs, sweeps)
    if not matches:
        folders = [folder.name for folder in [*(outputs / "runs").glob("*"), *sweeps]]
        own = [run_name(run) for run in runs]
        close = close_matches(reference, [*folders, *filter(None, own)])
        hint = suggest(reference, close or folders)
        raise InputError(f"{reference}: no such run, sweep, folder or filter; {hint}")
    _refuse_several(reference, matches)
    return _finished(reference, matches[0])


def _matches(reference: str, runs: Sequence[RunDir], sweeps: Sequence[Path]) -> list[Path]:
    """The folders that a reference means: those with this name, else the run that alone has it as
    the name that the user gave or as its result's. Else all that have the reference as the
    beginning or end of the folder's name, later words of it, the run's name, or the beginning of
    the tracked id."""
    folders = [*(run.path for run in runs), *sweeps]
    if named := [folder for folder in folders if folder.name == reference]:
        return named
    for name_of in (given_name, run_name):
        named = [run.path for run in runs if name_of(run) == reference]
        if len(named) == 1:
            return named
    part = re.compile(rf"(?<![^\W_]){re.escape(reference)}")  # not within a word or a hash
    partly = [f for f in folders if f.name.endswith(reference) or part.search(f.name)]
    known = [run.path for run in runs if _has_name_or_id(run, reference)]
    return list(dict.fromkeys([*named, *partly, *known]))


def _has_name_or_id(run: RunDir, reference: str) -> bool:
    with suppress(InputError):
        result = _content(run.result_file)
        ids = (tracked_id(run)[0], str(result.get("run", "")))
        is_id = any(run_id.startswith(reference) for run_id in ids)
        return result.get("name") == reference or (is_id and len(reference) >= MIN_ID_LETTERS)
    return False


def _refuse_several(reference: str, matches: Sequence[Path]) -> None:
    """Raises `InputError` that lists the folders if there is more than one."""
    if len(matches) > 1:
        jobs = [folder.parent.name not in ("runs", "sweeps") for folder in matches]
        names = [str(f) if job else f.name for f, job in zip(matches, jobs, strict=True)]
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        some = ", ".join(names[:MAX_LISTED])
        raise InputError(
            f"{reference}: matches {len(matches)} folders: {some}{more}; type more of the name"
        )


def _finished(reference: str, folder: Path) -> list[Path]:
    if runs := _finished_below(folder):
        return runs
    if is_run(RunDir(folder)):
        require_finished(RunDir(folder))
    raise InputError(f"{reference}: no finished run in this folder")


def _finished_below(folder: Path) -> list[Path]:
    return [run.path for run in finished_runs(folder)]


def _filtered(expression: str, outputs: Path, uri: str | None) -> list[Path]:
    """Looks where runs are and not in every folder: of thousands of runs, that takes seconds."""
    local = {
        str(_content(run.result_file)["run"]): run.path
        for run in all_runs(outputs)
        if run.is_finished
    }
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
    """The number of `unfinished_jobs`. Their comparisons belong to the family."""
    return len(unfinished_jobs(runs))


def unfinished_jobs(runs: Sequence[Path]) -> set[Path]:
    """The jobs without a result in the sweeps whose finished jobs are all among `runs`: they were
    tried too."""
    sweeps = {run.parent for run in runs if run.parent.parent.name == "sweeps"}
    jobs = {
        path.parent
        for sweep in sweeps
        if set(_finished_below(sweep)) <= set(runs)
        for name in ("options.json", "knobs.json")  # the current and the earlier file name
        for path in sweep.glob(f"*/{name}")
    }
    return jobs - set(runs)


def common_sweep(runs: Iterable[Path]) -> Path | None:
    """The folder of the sweep that all runs belong to; None if there is none."""
    parents = {run.parent for run in runs}
    if len(parents) != 1:
        return None
    (parent,) = parents
    return parent if parent.parent.name == "sweeps" else None

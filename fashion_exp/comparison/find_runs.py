"""Which runs a word of the command line means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError, suggest
from fashion_exp.tracking import fetch_run, matching_runs

_OPERATORS = ("=", "<", ">", " LIKE ", " IN ", " like ", " in ")


def find_runs(
    words: Sequence[str], outputs: Path, uri: str | None, newest: Sequence[str] = ("sweeps", "runs")
) -> list[Path]:
    """The folders of the finished runs that the words mean, each once, in the order typed.

    A word is a folder of a run, of a sweep or of several; the name of one below `outputs`, or its
    end or beginning; the id of a tracked run; or a filter in MLflow's language
    ("metrics.val_acc > 0.8"). Without words it is the newest of the first kind of `newest` that
    there is. Raises `InputError` for a word that means nothing.
    """
    found: dict[Path, None] = {}
    for word in words or [_newest(outputs, newest)]:
        found |= dict.fromkeys(_runs_of(word, outputs, uri))
    return list(found)


def _newest(outputs: Path, kinds: Sequence[str]) -> str:
    for kind in kinds:
        folders = sorted((outputs / kind).glob("*"), key=lambda folder: folder.stat().st_mtime)
        for folder in reversed(folders):
            if _below(folder):
                return str(folder)
    raise InputError(f"{outputs}: no finished run there; run an experiment first")


def _runs_of(word: str, outputs: Path, uri: str | None) -> list[Path]:
    folder = Path(word).expanduser()
    if folder.is_dir():
        if runs := _below(folder.resolve()):
            return runs
        raise InputError(f"{word}: no finished run in this folder")
    if any(operator in word for operator in _OPERATORS):
        return _matching(word, outputs, uri)
    named = [*(outputs / "runs").glob("*"), *(outputs / "sweeps").glob("*")]
    close = [f for f in named if word == f.name]
    close = close or [f for f in named if f.name.startswith(word) or f.name.endswith(word)]
    if len(close) == 1 and (runs := _below(close[0])):
        return runs
    if len(close) > 1:
        raise InputError(
            f"{word}: means {len(close)} folders, {close[0].name} among them; type more"
        )
    local = _by_tracked_run(outputs)
    if word in local:
        return [local[word]]
    names = [f.name for f in named]
    raise InputError(f"{word}: no run, sweep, folder or filter; {suggest(word, names)}")


def _below(folder: Path) -> list[Path]:
    """The finished runs at or below a folder, jobs of a sweep by their numbers."""
    found = [path.parent for path in folder.rglob("result.json")]
    finished = [run for run in found if not (run / "unfinished").exists()]
    return sorted(finished, key=lambda run: (run.parent, len(run.name), run.name))


def _by_tracked_run(outputs: Path) -> dict[str, Path]:
    runs = [run for kind in ("runs", "sweeps") for run in _below(outputs / kind)]
    return {read_json(run / "result.json")["run"]: run for run in runs}


def _matching(wanted: str, outputs: Path, uri: str | None) -> list[Path]:
    local = _by_tracked_run(outputs)
    tracked = matching_runs(uri, outputs, wanted)
    runs = [local.get(run) or _fetched(run, outputs, uri) for run in tracked]
    if finished := [run for run in runs if run is not None]:
        return finished
    raise InputError(f"{wanted}: no finished run of these matches in MLflow")


def _fetched(run: str, outputs: Path, uri: str | None) -> Path | None:
    """The files of a run that was made elsewhere, from the tracking server."""
    folder = outputs / "cache" / "tracked" / run
    if not (folder / "result.json").exists():
        fetch_run(uri, outputs, run, folder)
    return folder if (folder / "result.json").exists() else None


def failed_beside(runs: Sequence[Path]) -> int:
    """The jobs without a result in the sweeps whose finished jobs are all among the runs.

    They were tried too, so that their comparisons belong to the family.
    """
    sweeps = {run.parent for run in runs if run.parent.parent.name == "sweeps"}
    whole = [sweep for sweep in sweeps if set(_below(sweep)) <= set(runs)]
    jobs = [path.parent for sweep in whole for path in sweep.glob("*/knobs.json")]
    return len(set(jobs) - set(runs))


def common_sweep(runs: Iterable[Path]) -> Path | None:
    """The sweep's folder that all runs stand in, if they do."""
    parents = {run.parent for run in runs}
    only = parents.pop() if len(parents) == 1 else None
    return only if only is not None and only.parent.name == "sweeps" else None

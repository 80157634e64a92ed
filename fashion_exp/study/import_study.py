"""Adds the runs of a study to those of an outputs folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from fashion_exp.atomic_io import file_lock, read_json, write_json
from fashion_exp.comparison.find_runs import all_runs
from fashion_exp.comparison.misclassified import THUMBNAILS
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import CODE_FOLDER, check_foreign_code
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir, require_finished
from fashion_exp.models.backbones import FOLDER as WEIGHTS
from fashion_exp.study.archive import ArchivedRun, Manifest, open_archive, unpack
from fashion_exp.study.export import run_digest
from fashion_exp.sweeps.state import STATE_FILE, is_sweep_running

STAGING = ".study"
"""In an outputs folder: what is unpacked before it is checked."""

Code = Literal["keep", "drop"]
CODES: tuple[Code, ...] = ("keep", "drop")
"""Of the Python files of runs with `extensions`. Those that are kept are executed by no import; a
user of the models has to allow it (`evaluation.own_code`)."""

Status = Literal["imported", "already here", "renamed"]


@dataclass(frozen=True)
class PlacedRun:
    name: str
    folder: Path
    """Where it is now, or the run here that has the same content."""
    status: Status
    """"renamed": imported, but another run has the folder's name."""


@dataclass(frozen=True)
class Placing:
    """Where the folder of a run, or of a whole sweep, is moved to."""

    source: Path
    target: Path
    runs: Sequence[PlacedRun]


def import_study(
    file: Path, outputs: Path, root: Path | None = None, code: Code | None = None
) -> list[PlacedRun]:
    """Unpacks a study below `outputs`; existing files do not change.

    A run with the content of an existing one is left out. If another run has the name of its
    folder, it gets a number. `root` is the folder of the photos here. `code` says what happens
    to Python files. Raises `InputError` for an archive that is damaged, was altered, is not safe
    to unpack, or has code although `code` is None; it is then removed completely.
    """
    with open_archive(file) as (archive, manifest), _staging(outputs) as staging:
        _check_code(file, manifest, code)
        unpack(archive, manifest, staging, with_code=code == "keep")
        _check_runs(file, staging, manifest.runs)
        placings = _plan(staging, manifest, outputs)
        if root is not None:
            for placing in placings:
                _save_root(placing, root)
        states = {}  # all are read before the first folder is moved
        for placing in placings:
            if (state := _merged_state(placing)) is not None:
                states[placing.target / STATE_FILE] = state
        for state_file, state in states.items():
            write_json(state_file, state)
        for folder in (WEIGHTS, THUMBNAILS):
            _add_files(staging / folder, outputs / folder)
        for placing in placings:
            if placing.source.exists():
                _move(placing)
    return [run for placing in placings for run in placing.runs]


def _check_code(file: Path, manifest: Manifest, code: Code | None) -> None:
    if code not in (None, *CODES):
        raise InputError(f"code={code}: choices: {', '.join(CODES)}")
    if manifest.code and code is None:
        names = ", ".join(manifest.code[:3]) + " …" * (len(manifest.code) > 3)
        raise InputError(
            f"{file}: has code that its models execute ({names}); `study import --code keep` "
            "imports it, --code drop leaves it out, so that these models cannot be used"
        )
    if code is not None and not manifest.code:
        raise InputError(f"{file}: has no code; leave out --code")


@contextmanager
def _staging(outputs: Path) -> Iterator[Path]:
    """An empty folder on the disk of `outputs`, removed afterwards, with what a killed import left.

    One import at a time: what another one has unpacked must not be removed.
    """
    folder = outputs / STAGING
    with file_lock(outputs / f"{STAGING}.lock", busy=f"{outputs}: another study is being imported"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check_runs(file: Path, staging: Path, runs: Sequence[ArchivedRun]) -> None:
    """Raises `InputError` if a run that has a result or should be finished cannot be read, the code
    of any run, or the state of a sweep."""
    finished = {staging / run.folder for run in runs if run.state == "finished"}
    finished |= {result.parent for result in staging.rglob("result.json")}
    coded = {folder.parent for folder in staging.rglob(CODE_FOLDER)}
    states = {state.parent for state in staging.glob(f"sweeps/*/{STATE_FILE}")}
    for folder in sorted(finished | coded | states):
        try:
            check_foreign_code(RunDir(folder))
            if folder in finished:
                _check_run(RunDir(folder))
            if folder in states and not isinstance(read_json(folder / STATE_FILE)["jobs"], dict):
                raise InputError(f"{STATE_FILE}: jobs is no JSON object")
        except (InputError, TypeError, ValueError, KeyError, AttributeError) as error:
            name = folder.relative_to(staging)
            raise InputError(f"{file}: {name} cannot be read: {error}") from None


def _check_run(run: RunDir) -> None:
    require_finished(run)
    result = load_result(run.path)
    if not (isinstance(result.facts, dict) and isinstance(result.train_sizes, dict)):
        raise InputError("result.json: facts and train_sizes are JSON objects")
    run.options()
    for part in PART_FILES:
        if run.predictions_file(part).is_file():
            run.check_predictions(part)


def _plan(staging: Path, manifest: Manifest, outputs: Path) -> list[Placing]:
    known = _KnownRuns(outputs)
    taken: set[Path] = set()
    sweeps: dict[str, list[ArchivedRun]] = {}
    placings = []
    for run in manifest.runs:
        if run.folder.startswith("sweeps/"):
            sweeps.setdefault(run.folder.rpartition("/")[0], []).append(run)
        else:
            placings.append(_place_run(run, staging, outputs, known, taken))
            taken.add(placings[-1].target)
    for folder, runs in sweeps.items():
        placings.append(_place_sweep(folder, runs, staging, outputs, taken))
        taken.add(placings[-1].target)
    return placings


class _KnownRuns:
    """The finished runs of an outputs folder by content."""

    def __init__(self, outputs: Path) -> None:
        runs = [*all_runs(outputs), *map(RunDir, (outputs / "refits").glob("[!.]*"))]
        self._by_facts: dict[str, list[Path]] = {}
        for run in runs:
            if run.is_finished:
                self._by_facts.setdefault(_facts(run.path), []).append(run.path)

    def same(self, run: Path) -> Path | None:
        """Predictions are read only of runs whose facts are equal."""
        if not (candidates := self._by_facts.get(_facts(run), [])):
            return None
        digest = run_digest(run)
        kind = RunDir(run).is_refit
        return next(
            (p for p in candidates if RunDir(p).is_refit == kind and run_digest(p) == digest), None
        )


def _facts(run: Path) -> str:
    with suppress(InputError):
        content = read_json(RunDir(run).result_file)
        facts = content.get("facts", {})
        names = ("data_fingerprint", "split_hash", "test_hash")
        return repr([content.get("seconds"), *(facts.get(name) for name in names)])
    return ""


def _place_run(
    run: ArchivedRun, staging: Path, outputs: Path, known: _KnownRuns, taken: Collection[Path]
) -> Placing:
    """`taken` are the folders that other runs of the archive get."""
    source = staging / run.folder
    if (same := known.same(source)) is not None:
        return Placing(source, same, [PlacedRun(run.name, same, "already here")])
    kind, _, name = run.folder.partition("/")
    numbered = _numbered(outputs / kind, name)
    target = next(path for path in numbered if not path.exists() and path not in taken)
    status: Status = "imported" if target.name == name else "renamed"
    return Placing(source, target, [PlacedRun(run.name, target, status)])


def _place_sweep(
    folder: str, runs: Sequence[ArchivedRun], staging: Path, outputs: Path,
    taken: Collection[Path],
) -> Placing:  # fmt: skip
    """A sweep stays together. It is added to the sweep of its name here if their common jobs are
    the same; else it gets a number. `taken` are the folders that other sweeps of the archive get.
    """
    kind, _, name = folder.partition("/")
    for target in _numbered(outputs / kind, name):
        jobs = {run.folder.rpartition("/")[2]: run for run in runs}
        if target in taken or (target.exists() and is_sweep_running(target)):
            continue
        common = [job for job in jobs if (target / job).exists()]
        if all(_is_same_job(staging / folder / job, target / job) for job in common):
            added: Status = "imported" if target.name == name else "renamed"
            placed = [
                PlacedRun(run.name, target / job, "already here" if job in common else added)
                for job, run in jobs.items()
            ]
            return Placing(staging / folder, target, placed)
    raise AssertionError("there are more numbers than folders")


def _is_same_job(a: Path, b: Path) -> bool:
    """Jobs have the hash of their config as name; one without a result has no other content."""
    if not (RunDir(a).is_finished and RunDir(b).is_finished):
        return RunDir(a).is_finished == RunDir(b).is_finished
    return run_digest(a) == run_digest(b)


def _numbered(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    for number in count(2):
        yield folder / f"{name}-{number}"


def _save_root(placing: Placing, root: Path) -> None:
    """Notes where the photos of imported runs are, as `run_paths` does for own runs."""
    for run in placing.runs:
        job = "" if run.folder == placing.target else run.folder.name
        source = RunDir(placing.source / job)
        if run.status != "already here" and source.config_file.is_file():
            paths = {"dataset.root": {"absolute": str(root), "from_run": str(root)}}
            write_json(source.paths_file, paths)


def _add_files(source: Path, target: Path) -> None:
    """Moves files whose name is a hash of their content: an existing file is the same."""
    for file in sorted(source.glob("*")):
        target.mkdir(parents=True, exist_ok=True)
        if not (target / file.name).exists():
            os.replace(file, target / file.name)


def _merged_state(placing: Placing) -> dict[str, Any] | None:
    """That of a sweep which is here, with the jobs that it gets; None if it stays as it is."""
    mine, other = placing.target / STATE_FILE, placing.source / STATE_FILE
    is_same = all(run.status == "already here" for run in placing.runs)
    if is_same or not (mine.is_file() and other.is_file()):
        return None
    state, added = read_json(mine), read_json(other)
    return state | {"jobs": added.get("jobs", {}) | state.get("jobs", {})}


def _move(placing: Placing) -> None:
    """Moves a folder as a whole, or its new jobs one by one into an existing sweep."""
    if all(run.status == "already here" for run in placing.runs):
        return
    placing.target.parent.mkdir(parents=True, exist_ok=True)
    if not placing.target.exists():
        placing.source.rename(placing.target)
        return
    for run in placing.runs:
        if run.status != "already here":
            (placing.source / run.folder.name).rename(run.folder)

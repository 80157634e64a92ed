from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from fashion_exp.atomic_io import write_text
from fashion_exp.cache.array_store import KEY_FIELDS_FILE, ArrayStore
from fashion_exp.cache.provenance import library_versions
from fashion_exp.commands.doctor import run as run_doctor
from fashion_exp.commands.sweep import run as run_sweep
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import LOCK_FILE, PART_FILES
from fashion_exp.models import backbones
from fashion_exp.paths import new_run_token
from fashion_exp.sweeps.state import SweepState
from fashion_exp.tools.doctor.check import check_outputs
from fashion_exp.tools.doctor.finding import Finding
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow

LONG_AGO = time.time() - 7200
DEAD_RUN = "a dead run with status RUNNING"
UNUSED = "a backbone that no run uses anymore"
TEMPORARY_FILE = "a leftover temporary file"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def tracker(outputs: Path) -> MlflowTracker:
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    assert isinstance(tracker, MlflowTracker)
    return tracker


def findings(outputs: Path, what: str) -> list[Finding]:
    return [finding for finding in check_outputs(outputs) if finding.what == what]


def doctor(outputs: Path, *options: str) -> int:
    return run_doctor([*options, "--outputs", str(outputs)])


def start_run(tracker: MlflowTracker, outputs: Path, name: str) -> str:
    """Starts a tracked run of these outputs."""
    tags = {"begun_as": new_run_token(outputs)}
    return tracker.start(name, parent=None, params={}, tags=tags)


def write_record(path: Path, **record: str) -> None:
    write_text(path, json.dumps(record))


def status(tracker: MlflowTracker, run: str) -> str:
    return str(MlflowClient(tracker.uri).get_run(run).info.status)


def test_ends_runs_of_dead_processes_only(outputs: Path, tracker: MlflowTracker) -> None:
    dead, alive, fold, done = (
        start_run(tracker, outputs, name) for name in ("dead", "alive", "fold", "done")
    )
    tracker.end(done, "FINISHED")
    for run, file in (
        (dead, "dead/tracked.json"),
        (alive, "alive/tracked.json"),
        (fold, "dead/unfinished/r0f0-tracked.json"),
    ):
        write_record(outputs / "runs" / file, uri=tracker.uri, run=run)
    with FileLock(outputs / "runs" / "alive" / LOCK_FILE):
        assert doctor(outputs) == 1
        assert len(findings(outputs, DEAD_RUN)) == 2
        assert doctor(outputs, "--fix") == 0
    statuses = [status(tracker, run) for run in (dead, alive, fold, done)]
    assert statuses == ["KILLED", "RUNNING", "KILLED", "FINISHED"]
    tracker.end(alive, "FINISHED")


def test_ignores_parent_run_of_active_sweep(outputs: Path, tracker: MlflowTracker) -> None:
    parent = start_run(tracker, outputs, "a sweep")
    folder = outputs / "sweeps" / "mine"
    write_record(folder / "sweep.json", parent=parent, uri=tracker.uri)
    with FileLock(folder / LOCK_FILE):
        assert not findings(outputs, DEAD_RUN)
    assert len(findings(outputs, DEAD_RUN)) == 1
    tracker.end(parent, "FINISHED")


def test_ends_only_runs_of_these_outputs_in_shared_store(
    outputs: Path, tracker: MlflowTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not runs of other outputs, of a copy of these, or of versions without the tag."""
    monkeypatch.setattr("fashion_exp.tools.doctor.runs.STARTUP_SECONDS", 0.0)
    local, copy = tmp_path / "local", tmp_path / "copy"
    with_folder, without_folder = (start_run(tracker, local, name) for name in ("a", "b"))
    untagged = tracker.start("old", parent=None, params={}, tags={})
    record = local / "runs" / "a" / "tracked.json"
    write_record(record, uri=tracker.uri, run=with_folder)
    shutil.copytree(local, copy)
    runs = (with_folder, without_folder, untagged)
    for folder in (outputs, copy):
        assert doctor(folder, "--fix") == doctor(folder, "--fix", "--uri", tracker.uri) == 0
    assert [status(tracker, run) for run in runs] == ["RUNNING"] * 3
    assert doctor(local, "--fix") == 0
    assert [status(tracker, run) for run in runs] == ["KILLED", "KILLED", "RUNNING"]
    tracker.end(untagged, "FINISHED")
    write_record(record, uri="http://127.0.0.1:1", run="a")
    (unreachable,) = findings(local, "an unreachable tracking store")
    assert "127.0.0.1:1" in unreachable.where and unreachable.fix is None


def test_deletes_temporary_files_of_dead_processes(outputs: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    folder = outputs / "runs" / "drafts"
    (folder / "unfinished").mkdir(parents=True)
    dead, current, young = (
        folder / f".result.json.{pid}" for pid in (process.pid, os.getpid(), process.pid + 1)
    )
    for file in (dead, current, young):
        file.write_text("{")
    for file in (dead, current):
        os.utime(file, (LONG_AGO, LONG_AGO))
    assert [finding.where for finding in findings(outputs, TEMPORARY_FILE)] == [str(dead)]
    assert doctor(outputs, "--fix") == 0
    assert not dead.exists() and current.exists() and young.exists()


def test_deletes_runs_without_start_and_keeps_interrupted_runs(outputs: Path) -> None:
    empty, interrupted = outputs / "runs" / "empty", outputs / "runs" / "interrupted"
    empty.mkdir()
    (interrupted / "unfinished").mkdir(parents=True)
    os.utime(empty, (LONG_AGO, LONG_AGO))
    (finding,) = [f for f in findings(outputs, "an interrupted run") if f.where == str(interrupted)]
    assert finding.fix is None and f"resume={interrupted}" in finding.remedy
    assert doctor(outputs, "--fix") == 0
    assert interrupted.exists() and not empty.exists()


def test_migrates_older_database(
    outputs: Path, tracker: MlflowTracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reverts one of MLflow's own migrations, so that a real one is due."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    def revision() -> str:
        with closing(sqlite3.connect(database)) as connection:
            query = "SELECT version_num FROM alembic_version"
            return str(connection.execute(query).fetchone()[0])

    database = tmp_path / "mlflow.db"
    database.write_bytes((outputs / "mlflow.db").read_bytes())
    latest = revision()
    try:
        command.downgrade(_get_alembic_config(f"sqlite:///{database}"), "-1")
    except NotImplementedError:
        pytest.skip("the last migration of this MLflow cannot be reverted")
    assert doctor(tmp_path, "--json") == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["what"] == "a database of another MLflow version"
    assert finding["state"] == "fixable"
    assert doctor(tmp_path, "--fix") == 0
    assert revision() == latest
    assert len(list(tmp_path.glob("mlflow.db.schema-*"))) == 1
    assert doctor(tmp_path) == 0


def test_empty_outputs_have_no_findings(tmp_path: Path) -> None:
    assert doctor(tmp_path) == 0


def test_deletes_unusable_cache_entries(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name, versions in (
        ("damaged", {"numpy": "0.1"}),
        ("old", {"numpy": "0.1"}),
        ("new", library_versions("numpy")),
    ):
        ArrayStore(cache / "pixels" / name, (2,), "uint8", {"versions": versions})
    (cache / "pixels" / "damaged" / KEY_FIELDS_FILE).write_text("{")
    scores = random_correctness(0, 2, 20, 0.8)
    make_run(tmp_path / "runs" / "existing", "existing", scores, scores)
    write_record(cache / "trainings" / "a.json", run="../../runs/existing")
    write_record(cache / "trainings" / "b.json", run="../../runs/gone")
    stores = findings(tmp_path, "cached pixels of other library versions, or damaged")
    damaged, old = sorted(finding.where for finding in stores)
    (gone,) = findings(tmp_path, "a cached training whose run is gone")
    assert "pixels/damaged" in damaged and "pixels/old" in old and gone.where.endswith("b.json")
    assert doctor(tmp_path, "--fix") == 0
    assert {file.name for file in cache.glob("*/*")} >= {"new", "a.json"}
    assert not (cache / "pixels" / "old").exists()
    assert not (cache / "trainings" / "b.json").exists()


@pytest.mark.parametrize("file", ["result.json", "options.json", *PART_FILES.values()])
def test_moves_damaged_run(tmp_path: Path, file: str) -> None:
    scores = random_correctness(0, 2, 20, 0.8)
    sweep = tmp_path / "sweeps" / "mine"
    for name in ("aaaa", "bbbb"):
        make_run(sweep / name, name, scores, scores)
    SweepState(["-m"], jobs={"aaaa": "x=1", "bbbb": "x=2"}).write(sweep)
    (sweep / "aaaa" / file).write_bytes(b"")
    (finding,) = findings(tmp_path, "a damaged run")
    assert "mine/aaaa" in finding.where and file in finding.where and finding.fix
    if file not in ("options.json", PART_FILES["test"]):
        with pytest.raises(InputError, match=f"{file}.*doctor"):
            run_sweep(["status", "--outputs", str(tmp_path)])
    finding.fix()
    assert not findings(tmp_path, "a damaged run")
    assert (tmp_path / "damaged" / "mine-aaaa-1" / file).exists()
    assert run_sweep(["status", "--outputs", str(tmp_path)]) == 0


def test_deletes_backbones_that_no_run_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "weights" / "0123.pth", "weights")
    assert not findings(tmp_path, UNUSED), "a run may be about to use it"
    monkeypatch.setattr(backbones, "_MIN_AGE", -60)
    (finding,) = findings(tmp_path, UNUSED)
    assert finding.fix is not None and "0123.pth" in finding.where
    finding.fix()
    assert not list((tmp_path / "weights").iterdir())


@pytest.mark.parametrize("file", ["tracked.json", "failure.json", "unfinished/r0f0-tracked.json"])
def test_finds_damaged_record_of_unfinished_run(tmp_path: Path, file: str) -> None:
    write_text(tmp_path / "runs" / "a" / file, '{"run":')
    (finding,) = findings(tmp_path, "a damaged run")
    assert finding.where.endswith(f"{file} cannot be read") and finding.fix


def test_moves_damaged_sweep_state(tmp_path: Path) -> None:
    state_file = tmp_path / "sweeps" / "mine" / "sweep.json"
    write_text(state_file, '{"line": [')
    with pytest.raises(InputError, match=r"sweep\.json: .*doctor"):
        run_sweep(["list", "--outputs", str(tmp_path)])
    (finding,) = findings(tmp_path, "a damaged sweep")
    assert finding.fix
    finding.fix()
    assert not state_file.exists() and (tmp_path / "damaged" / "mine-sweep.json-1").exists()


def test_keeps_disk_mark_of_active_sweep(tmp_path: Path) -> None:
    """The nodes of a sweep, which may take days, use the mark to test whether they share a disk."""
    mark = tmp_path / "sweeps" / "mine" / ".disk-0123abcd"
    write_text(mark, "")
    os.utime(mark, (LONG_AGO, LONG_AGO))
    with FileLock(mark.parent / LOCK_FILE):
        assert not findings(tmp_path, TEMPORARY_FILE)
    assert len(findings(tmp_path, TEMPORARY_FILE)) == 1

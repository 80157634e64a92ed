"""What a dead process leaves is found, and only that; `--fix` puts it right."""

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
from fashion_exp.cache.array_store import ABOUT, ArrayStore
from fashion_exp.cache.provenance import library_versions
from fashion_exp.commands.doctor import run as run_doctor
from fashion_exp.commands.sweep import run as run_sweep
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import PART_FILES
from fashion_exp.experiment.job import LOCK_FILE
from fashion_exp.paths import new_run_token
from fashion_exp.sweeps.state import Ledger
from fashion_exp.tools.doctor import Finding, checkup
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from tests.comparison.made_runs import answers, made_run

LONG_AGO = time.time() - 7200


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def tracker(outputs: Path) -> MlflowTracker:
    opened = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    assert isinstance(opened, MlflowTracker)
    return opened


def found(outputs: Path, what: str) -> list[Finding]:
    return [finding for finding in checkup(outputs) if finding.what == what]


def begun(tracker: MlflowTracker, outputs: Path, name: str) -> str:
    """A tracked run of these outputs."""
    tags = {"begun_as": new_run_token(outputs)}
    return tracker.start(name, parent=None, params={}, tags=tags)


def status(tracker: MlflowTracker, run: str) -> str:
    return str(MlflowClient(tracker.uri).get_run(run).info.status)


def test_a_run_of_a_dead_process_is_ended_and_a_living_one_is_not(
    outputs: Path, tracker: MlflowTracker
) -> None:
    dead, alive, fold, done = (
        begun(tracker, outputs, name) for name in ("dead", "alive", "fold", "done")
    )
    tracker.end(done, "FINISHED")
    for run_, folder in ((dead, "dead"), (alive, "alive")):
        note = outputs / "runs" / folder / "tracked.json"
        write_text(note, json.dumps({"uri": tracker.uri, "run": run_}))
    unfinished = outputs / "runs" / "dead" / "unfinished" / "r0f0-tracked.json"
    write_text(unfinished, json.dumps({"uri": tracker.uri, "run": fold}))
    with FileLock(outputs / "runs" / "alive" / LOCK_FILE):
        assert run_doctor(["--outputs", str(outputs)]) == 1
        assert len(found(outputs, "a run left RUNNING")) == 2
        assert run_doctor(["--fix", "--outputs", str(outputs)]) == 0
    told = [status(tracker, one) for one in (dead, alive, fold, done)]
    assert told == ["KILLED", "RUNNING", "KILLED", "FINISHED"]
    tracker.end(alive, "FINISHED")


def test_a_sweeps_parent_is_left_while_the_sweep_is_driven(
    outputs: Path, tracker: MlflowTracker
) -> None:
    parent = begun(tracker, outputs, "a sweep")
    told = {"parent": parent, "uri": tracker.uri}
    write_text(outputs / "sweeps" / "mine" / "sweep.json", json.dumps(told))
    with FileLock(outputs / "sweeps" / "mine" / LOCK_FILE):
        assert not found(outputs, "a run left RUNNING")
    assert len(found(outputs, "a run left RUNNING")) == 1
    tracker.end(parent, "FINISHED")


def test_of_a_store_that_others_use_too_only_what_began_here_is_ended(
    outputs: Path, tracker: MlflowTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what began in other outputs, in a copy of these, or before this was noted."""
    monkeypatch.setattr("fashion_exp.tools.doctor.runs.YOUNG", 0.0)
    here, gone, elsewhere = (begun(tracker, tmp_path / "here", name) for name in ("a", "b", "c"))
    old = tracker.start("old", parent=None, params={}, tags={})
    note = Path("runs", "here", "tracked.json")
    write_text(tmp_path / "here" / note, json.dumps({"uri": tracker.uri, "run": here}))
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    for place in (outputs, tmp_path / "copy"):
        for told in ([], ["--uri", tracker.uri]):
            assert run_doctor(["--fix", "--outputs", str(place), *told]) == 0
    assert {status(tracker, one) for one in (here, gone, elsewhere, old)} == {"RUNNING"}
    assert run_doctor(["--fix", "--outputs", str(tmp_path / "here")]) == 0
    assert [status(tracker, one) for one in (here, gone, old)] == ["KILLED", "KILLED", "RUNNING"]
    tracker.end(old, "FINISHED")
    write_text(tmp_path / "here" / note, json.dumps({"uri": "http://127.0.0.1:1", "run": "a"}))
    (away,) = found(tmp_path / "here", "a tracking store that cannot be asked")
    assert "127.0.0.1:1" in away.where and away.mend is None


def test_half_written_files_go_once_nobody_writes_them(outputs: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = outputs / "runs" / "drafts"
    (folder / "unfinished").mkdir(parents=True)
    dead, own, young = (
        folder / f".result.json.{process}" for process in (ended.pid, os.getpid(), ended.pid + 1)
    )
    for file in (dead, own, young):
        file.write_text("{")
    for file in (dead, own):
        os.utime(file, (LONG_AGO, LONG_AGO))
    assert [one.where for one in found(outputs, "a half-written file")] == [str(dead)]
    assert run_doctor(["--fix", "--outputs", str(outputs)]) == 0
    assert not dead.exists() and own.exists() and young.exists()


def test_a_run_that_never_began_goes_and_an_interrupted_one_stays(outputs: Path) -> None:
    empty, begun = outputs / "runs" / "empty", outputs / "runs" / "begun"
    empty.mkdir()
    (begun / "unfinished").mkdir(parents=True)
    os.utime(empty, (LONG_AGO, LONG_AGO))
    (one,) = [f for f in found(outputs, "an interrupted run") if f.where == str(begun)]
    assert one.mend is None and f"resume={begun}" in one.remedy
    assert run_doctor(["--fix", "--outputs", str(outputs)]) == 0
    assert begun.exists() and not empty.exists()


def test_an_older_database_is_copied_and_brought_up_to_date(
    outputs: Path, tracker: MlflowTracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One step of MLflow's own migrations is taken back, so that a real one is to be done."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    database = tmp_path / "mlflow.db"
    database.write_bytes((outputs / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(database)) as connection:
        newest = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    try:
        command.downgrade(_get_alembic_config(f"sqlite:///{database}"), "-1")
    except NotImplementedError:
        pytest.skip("this MLflow's last migration cannot be taken back")
    assert run_doctor(["--json", "--outputs", str(tmp_path)]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert told["what"] == "a database of another MLflow" and told["state"] == "to mend"
    assert run_doctor(["--fix", "--outputs", str(tmp_path)]) == 0
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()[0] == newest
    assert len(list(tmp_path.glob("mlflow.db.schema-*"))) == 1
    assert run_doctor(["--outputs", str(tmp_path)]) == 0


def test_without_anything_there_is_nothing_to_find(tmp_path: Path) -> None:
    assert run_doctor(["--outputs", str(tmp_path)]) == 0


def test_what_is_kept_and_can_no_longer_be_used_is_found(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name, made_by in (
        ("damaged", {"numpy": "0.1"}),
        ("old", {"numpy": "0.1"}),
        ("new", library_versions("numpy")),
    ):
        ArrayStore(cache / "pixels" / name, (2,), "uint8", {"versions": made_by})
    (cache / "pixels" / "damaged" / ABOUT).write_text("{")
    scores = answers(0, 2, 20, 0.8)
    made_run(tmp_path / "runs" / "there", "there", scores, scores)
    write_text(cache / "trainings" / "a.json", json.dumps({"run": "../../runs/there"}))
    write_text(cache / "trainings" / "b.json", json.dumps({"run": "../../runs/gone"}))
    what = "pixels that other versions of the libraries made, or damaged"
    damaged, old = sorted(finding.where for finding in found(tmp_path, what))
    (gone,) = found(tmp_path, "a training whose run is gone")
    assert "pixels/damaged" in damaged and "pixels/old" in old and gone.where.endswith("b.json")
    assert run_doctor(["--fix", "--outputs", str(tmp_path)]) == 0
    assert {file.name for file in cache.glob("*/*")} >= {"new", "a.json"}
    assert not (cache / "pixels" / "old").exists()
    assert not (cache / "trainings" / "b.json").exists()


@pytest.mark.parametrize("lost", ["result.json", "knobs.json", *PART_FILES.values()])
def test_a_damaged_run_is_told_and_moved_aside(tmp_path: Path, lost: str) -> None:
    scores = answers(0, 2, 20, 0.8)
    for name in ("aaaa", "bbbb"):
        made_run(tmp_path / "sweeps" / "mine" / name, name, scores, scores)
    Ledger(["-m"], jobs={"aaaa": "x=1", "bbbb": "x=2"}).write(tmp_path / "sweeps" / "mine")
    (tmp_path / "sweeps" / "mine" / "aaaa" / lost).write_bytes(b"")
    (finding,) = found(tmp_path, "a damaged run")
    assert "mine/aaaa" in finding.where and lost in finding.where and finding.mend
    if lost not in ("knobs.json", PART_FILES["test"]):
        with pytest.raises(InputError, match=f"{lost}.*damaged.*doctor"):
            run_sweep(["status", "--outputs", str(tmp_path)])
    finding.mend()
    assert not found(tmp_path, "a damaged run")
    assert (tmp_path / "damaged" / "mine-aaaa-1" / lost).exists()
    assert run_sweep(["status", "--outputs", str(tmp_path)]) == 0


@pytest.mark.parametrize("note", ["tracked.json", "failure.json", "unfinished/r0f0-tracked.json"])
def test_a_damaged_note_of_a_run_that_is_not_finished_too(tmp_path: Path, note: str) -> None:
    write_text(tmp_path / "runs" / "one" / note, '{"run":')
    (finding,) = found(tmp_path, "a damaged run")
    assert finding.where.endswith(f"{note} cannot be read") and finding.mend


def test_a_damaged_ledger_of_a_sweep_too(tmp_path: Path) -> None:
    ledger = tmp_path / "sweeps" / "mine" / "sweep.json"
    write_text(ledger, '{"line": [')
    with pytest.raises(InputError, match=r"sweep\.json: damaged .*doctor"):
        run_sweep(["list", "--outputs", str(tmp_path)])
    (finding,) = found(tmp_path, "a damaged sweep")
    assert finding.mend
    finding.mend()
    assert not ledger.exists() and (tmp_path / "damaged" / "mine-sweep.json-1").exists()


def test_the_mark_on_the_disk_of_a_sweep_is_left_while_it_is_driven(tmp_path: Path) -> None:
    """Nodes tell by it that they share the disk, and a sweep may take days."""
    mark = tmp_path / "sweeps" / "mine" / ".disk-0123abcd"
    write_text(mark, "")
    os.utime(mark, (LONG_AGO, LONG_AGO))
    with FileLock(mark.parent / LOCK_FILE):
        assert not found(tmp_path, "a half-written file")
    assert len(found(tmp_path, "a half-written file")) == 1

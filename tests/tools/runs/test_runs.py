"""Finding, describing and deleting runs: files and tracking store together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from fashion_exp.atomic_io import write_text
from fashion_exp.commands import ui
from fashion_exp.comparison.find_runs import count_unfinished_jobs, find_run, run_name
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import load_annotations
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.test_usage import record_test_evaluation
from fashion_exp.paths import new_run_token
from fashion_exp.sweeps.state import SweepState, lock_sweep
from fashion_exp.tools.doctor.untracked import findings
from fashion_exp.tools.runs import delete
from fashion_exp.tools.runs.annotate import change_tags, rename, track_report, write_note
from fashion_exp.tracking import open_tracker
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow


def add_run(folder: Path, name: str, outputs: Path, parent: str | None = None) -> RunDir:
    """A finished run that is tracked in the database of `outputs`."""
    scores = random_correctness(0, 2, 20, 0.8)
    make_run(folder, name, scores, scores)
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    run_id = tracker.start(name, parent=parent, params={}, tags={"weights": "none"})
    tracker.set_description(run_id, "what the program wrote")
    tracker.end(tracker.start("fold", parent=run_id, params={}, tags={}), "FINISHED")
    tracker.end(run_id, "FINISHED")
    tracked = {"uri": tracker.uri, "run": run_id}
    (folder / "tracked.json").write_text(json.dumps(tracked))
    return RunDir(folder)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return add_run(tmp_path / "runs" / "20260101-cnn-ab12", "cnn lr=1", tmp_path)


def tracked(outputs: Path, name: str) -> Run:
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [item.experiment_id for item in client.search_experiments()]
    runs = client.search_runs(experiments, run_view_type=ViewType.ALL)
    (result,) = [run for run in runs if run.info.run_name == name]
    return result


def test_run_is_found_by_folder_name_given_name_and_tracked_id(run: RunDir, tmp_path: Path) -> None:
    run_id = json.loads(run.tracked_file.read_text())["run"]
    for reference in (str(run.path), run.path.name, "20260101", "ab12", "cnn lr=1", run_id[:6]):
        assert find_run(reference, tmp_path) == run
    add_run(tmp_path / "runs" / "20260101-cnn-cd34", "cnn lr=2", tmp_path)
    with pytest.raises(InputError, match="matches 2 folders: 20260101-cnn-ab12"):
        find_run("20260101", tmp_path)
    with pytest.raises(InputError, match="no such run"):
        find_run(run_id[:2] + "?", tmp_path)


def test_name_note_and_tags_are_in_the_folder_and_in_the_store(run: RunDir, tmp_path: Path) -> None:
    assert rename(run, "my  best") == write_note(run, "looks good") == ""
    assert change_tags(run, {"who": "me", "kind": "x"}) == change_tags(run, {"kind": ""}) == ""
    assert run_name(run) == load_result(run.path).name == "my best"
    annotations = load_annotations(run.path)
    assert (annotations.note, annotations.tags) == ("looks good", {"who": "me"})
    data = tracked(tmp_path, "my best").data
    assert data.tags["who"] == "me" and "kind" not in data.tags
    description = data.tags["mlflow.note.content"]
    assert description.startswith("looks good") and description.endswith("what the program wrote")
    write_note(run, "")
    assert tracked(tmp_path, "my best").data.tags["mlflow.note.content"] == "what the program wrote"


@pytest.mark.parametrize("name", ["weights", "begun_as", "mlflow.runName", "seed"])
def test_tags_of_the_run_itself_cannot_be_changed(run: RunDir, name: str) -> None:
    with pytest.raises(InputError, match="the run records this itself"):
        change_tags(run, {name: "x"})
    assert not load_annotations(run.path).tags


def test_ui_opens_a_single_run(run: RunDir, tmp_path: Path) -> None:
    uri, page = ui._page(str(run.path), tmp_path)
    run_id = json.loads(run.tracked_file.read_text())["run"]
    assert f"/runs/{run_id}?" in page(uri, "http://host")
    run.tracked_file.write_text('{"uri": "", "run": ""}')
    with pytest.raises(InputError, match="this run was not tracked"):
        ui._page(str(run.path), tmp_path)


def test_changes_for_an_absent_store_are_made_later(run: RunDir, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.rename(tmp_path / "away.db")
    assert "no such database" in rename(run, "renamed")
    assert load_result(run.path).name == "renamed" and load_annotations(run.path).untracked
    other = add_run(tmp_path / "other" / "runs" / "b", "b", tmp_path / "other")
    (tmp_path / "other" / "mlflow.db").rename(tmp_path / "other" / "away.db")
    assert "no such database" in delete.delete_run(other, tmp_path / "other")
    assert not other.path.exists()
    for outputs in (tmp_path, tmp_path / "other"):
        (outputs / "away.db").rename(outputs / "mlflow.db")
        (finding,) = findings(outputs)
        assert finding.fix is not None
        finding.fix()
        assert list(findings(outputs)) == []
    assert tracked(tmp_path, "renamed").info.lifecycle_stage == "active"
    assert tracked(tmp_path / "other", "b").info.lifecycle_stage == "deleted"


def test_report_is_added_to_what_is_tracked_of_a_run_that_was_begun_here(
    run: RunDir, tmp_path: Path
) -> None:
    page = tmp_path / "page" / "report.html"
    write_text(page, "a page")
    run_id = tracked(tmp_path, "cnn lr=1").info.run_id
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert track_report(run, page.parent) == "" and not client.list_artifacts(run_id)
    saved = json.loads(run.tracked_file.read_text()) | {"begun_as": new_run_token(tmp_path)}
    run.tracked_file.write_text(json.dumps(saved))
    assert track_report(run, page.parent) == ""
    assert [file.path for file in client.list_artifacts(run_id, "report")] == ["report/report.html"]
    (tmp_path / "mlflow.db").unlink()
    assert "no such database" in track_report(run, page.parent)


def test_deletion_removes_the_folder_and_marks_the_tracked_runs(
    run: RunDir, tmp_path: Path
) -> None:
    assert delete.delete_run(run, tmp_path) == ""
    assert not run.path.exists() and not (tmp_path / delete.TRASH).exists()
    assert tracked(tmp_path, "cnn lr=1").info.lifecycle_stage == "deleted"
    assert tracked(tmp_path, "fold").info.lifecycle_stage == "deleted"


def test_deleted_runs_stay_counted_as_evaluated_on_their_test_set(
    run: RunDir, tmp_path: Path
) -> None:
    assert record_test_evaluation(tmp_path, "hash", str(run.path)) == 1
    assert delete.counted_evaluations([run]) == 1
    delete.delete_run(run, tmp_path)
    assert record_test_evaluation(tmp_path, "hash", "another run") == 2


def test_run_in_progress_is_not_deleted(run: RunDir, tmp_path: Path) -> None:
    with run.lock(), pytest.raises(InputError, match="a process is running it"):
        delete.delete_run(run, tmp_path)
    assert run.is_finished


def make_sweep(outputs: Path) -> Path:
    sweep = outputs / "sweeps" / "grid"
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    parent = tracker.start("parent", parent=None, params={}, tags={})
    tracker.end(parent, "FINISHED")
    for name in ("aa", "bb"):
        add_run(sweep / name, name, outputs, parent)
    jobs = {"aa": "lr=1", "bb": "lr=2"}
    SweepState([], uri=tracker.uri, parent=parent, jobs=jobs).write(sweep)
    return sweep


def test_deleted_job_of_a_sweep_stays_counted_as_tried(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    assert delete.delete_run(RunDir(sweep / "bb"), tmp_path) == ""
    assert RunDir(sweep / "bb").state == "queued", "the same sweep command runs it again"
    assert count_unfinished_jobs([sweep / "aa"]) == 1


def test_deleted_sweep_is_gone_with_its_jobs_in_both_places(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path)
    with lock_sweep(sweep), pytest.raises(InputError, match="a process is running it"):
        delete.delete_run(RunDir(sweep / "aa"), tmp_path)
    assert delete.delete_sweep(sweep, tmp_path) == ""
    assert not sweep.exists()
    for name in ("parent", "aa", "bb"):
        assert tracked(tmp_path, name).info.lifecycle_stage == "deleted"


def test_training_cache_forgets_deleted_runs(run: RunDir, tmp_path: Path) -> None:
    trainings = tmp_path / "cache" / "trainings"
    trainings.mkdir(parents=True)
    for name, folder in (("own", run.path.name), ("other", "else")):
        (trainings / f"{name}.json").write_text(json.dumps({"run": f"../../runs/{folder}"}))
    delete.delete_run(run, tmp_path)
    assert [file.stem for file in trainings.iterdir()] == ["other"]

"""What the tracking store has lost or missed is recorded from the files of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from fashion_exp.configuration.stored_config import load_config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.record_again import record_missed
from fashion_exp.experiment.tracked_runs import missed_by_store
from fashion_exp.tools.doctor.check import check_outputs
from fashion_exp.tracking.tracker import UnavailableTracker
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def tracked_runs(outputs: Path) -> dict[str, Run]:
    """By name."""
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fashion_exp")
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_run_of_a_deleted_database_is_recorded_again(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    run = RunDir(tiny("repeats=2", tracking="mlflow").output)
    before = tracked_runs(outputs)
    (outputs / "mlflow.db").unlink()
    assert record_missed(load_config(run.config_file), run, outputs)
    after = tracked_runs(outputs)
    assert after.keys() == before.keys() and len(after) == 3
    for name, earlier in before.items():
        again = after[name]
        assert again.info.status == "FINISHED"
        assert again.data.params == earlier.data.params
        missing = {"f_img_s"}  # the speed is in no file
        assert again.data.metrics.items() == {
            item for item in earlier.data.metrics.items() if item[0] not in missing
        }
        ids = {"begun_as", "mlflow.parentRunId"}
        tags = {key: text for key, text in earlier.data.tags.items() if key not in ids}
        assert again.data.tags.items() >= tags.items()
    assert load_result(run.path).run in {item.info.run_id for item in after.values()}
    assert missed_by_store(run) == ""


def test_store_that_cannot_be_used_does_not_decide_over_a_result(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is lost before the run is created, and is there again for `doctor --fix`."""
    outputs = tmp_path / "outputs"

    def refuse(*_: object) -> None:
        raise InputError("tracking.uri: cannot be used")

    with monkeypatch.context() as patch:
        patch.setattr(
            "fashion_exp.tracking.open_tracker",
            lambda *_, deferred: UnavailableTracker("sqlite:///x.db", "the database was deleted"),
        )
        patch.setattr("fashion_exp.experiment.record_again.open_tracker", refuse)
        run = RunDir(tiny(tracking="mlflow").output)
    assert run.is_finished and missed_by_store(run) == "the database was deleted"

    (outputs / "runs").mkdir(exist_ok=True)
    run.path.rename(moved := outputs / "runs" / "a-run")
    findings = [item for item in check_outputs(outputs) if "not completely" in item.what]
    (finding,) = findings
    assert finding.fix is not None and finding.fix() is not False
    assert missed_by_store(RunDir(moved)) == ""
    assert [run.info.status for run in tracked_runs(outputs).values()] == ["FINISHED"]

"""Sweeps survive an unreachable tracking server and a full disk."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.errors import InputError
from fashion_exp.sweeps.state import load_state
from tests.servers.mlflow_server import mlflow_server
from tests.servers.processes import free_port
from tests.sweeps.drill import TINY, SweepCommand
from tests.sweeps.in_process import run_in_process, wait_for

pytestmark = pytest.mark.slow

EPOCHS = 20


@pytest.mark.slow
def test_every_epoch_is_recorded_after_a_server_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is stopped during the first training, and takes seconds to start again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")  # shorter waits
    port = free_port()
    server = (f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "artifacts", port, tmp_path / "log")
    overrides = [f"training.epochs={EPOCHS}", "sweep.cells=['optim.lr=1e-3']",
                 f"tracking.uri=http://127.0.0.1:{port}"]  # fmt: skip
    sweep = SweepCommand([*TINY, *overrides], tmp_path / "outputs")
    with ExitStack() as second_server, ExitStack() as first_server:
        address = first_server.enter_context(mlflow_server(*server))

        def restart_server() -> None:
            wait_for(lambda: any(sweep.outputs.glob("sweeps/*/*/unfinished/*-tracked.json")))
            first_server.close()
            second_server.enter_context(mlflow_server(*server))

        thread = threading.Thread(target=restart_server, daemon=True)
        thread.start()
        code, output = run_in_process(sweep)
        thread.join()
        assert code == 0, output
        client = MlflowClient(tracking_uri=address)
        experiment = client.get_experiment_by_name("fashion_exp")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        folds = [run for run in runs if run.info.run_name.startswith("repeat")]
        assert len(folds) == 2 and {run.info.status for run in runs} == {"FINISHED"}
        for fold in folds:
            history = client.get_metric_history(fold.info.run_id, "f_val_acc")
            assert [metric.step for metric in history] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("moment", ["during", "between"])
def test_deleted_database_is_recorded_again_from_the_files(moment: str, tmp_path: Path) -> None:
    sweep = SweepCommand([*TINY, "optim.lr=1e-3,1e-4"], tmp_path / "outputs")
    database = sweep.outputs / "mlflow.db"

    def delete() -> None:
        wait_for(lambda: any(sweep.outputs.glob("sweeps/*/*/unfinished/*-tracked.json")))
        database.unlink()

    thread = threading.Thread(target=delete if moment == "during" else lambda: None, daemon=True)
    thread.start()
    code, output = run_in_process(sweep)
    thread.join()
    assert code == 0, output
    if moment == "between":
        database.unlink()
        code, output = run_in_process(sweep)
        assert code == 0 and "2 finished jobs recorded again" in output, output
    assert not sweep.rewritten or moment == "between"  # with the new ids of the tracked runs
    rest = "basic_cnn epochs=2 repeats=2 per_class=20 image_size=16"
    names = [f"lr=0.0001 {rest}", f"lr=0.001 {rest}", "optim.lr=1e-3,1e-4 basic_cnn"]
    assert sweep.statuses() == {
        **{name: ["FINISHED"] for name in names},
        "repeat 1": ["FINISHED"] * 2,
        "repeat 2": ["FINISHED"] * 2,
    }
    client = MlflowClient(f"sqlite:///{database}")
    runs = {run.info.run_name: run for run in client.search_runs(["1"])}
    parents = {runs[name].data.tags["mlflow.parentRunId"] for name in names[:2]}
    assert parents == {runs[names[2]].info.run_id}
    assert "s_val_acc" in runs[names[2]].data.metrics


def test_folder_deleted_during_a_sweep_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="deleted while the sweep was running"):
        load_state(tmp_path / "gone")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_reported_and_the_same_command_resumes(
    small_disk: Path, tmp_path: Path
) -> None:
    overrides = [*TINY, "optim.lr=1e-3,1e-4", "model.width=256", "repeats=1", "tracking=none"]
    sweep, reference = (SweepCommand(overrides, path) for path in (small_disk, tmp_path / "whole"))
    code, output = sweep.run()
    assert code not in (0, 2) and "no space left" in output and "Traceback" not in output, output
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    code, output = run_in_process(sweep)
    assert code == 0, output
    assert run_in_process(reference)[0] == 0 and sweep.outcome() == reference.outcome()

"""What a sweep survives: a server that goes and comes back, a disk that fills up."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.servers.mlflow_server import mlflow_server
from tests.servers.processes import free_port
from tests.sweeps.drill import TINY, Drill

EPOCHS = 30
LONGER = [*TINY, f"training.epochs={EPOCHS}"]


def test_a_server_that_is_away_for_a_while_has_every_epoch_in_the_end(tmp_path: Path) -> None:
    store, port = f"sqlite:///{tmp_path / 'server.db'}", free_port()
    server = (store, tmp_path / "artifacts", port, tmp_path / "log")
    drill = Drill(
        [*LONGER, "optim.lr=1e-3,1e-4", f"tracking.uri=http://127.0.0.1:{port}"],
        tmp_path / "outputs",
    )
    with mlflow_server(*server):
        sweep = drill.start()
        while not list(drill.outputs.glob("sweeps/*/*/unfinished/*-tracked.json")):
            assert sweep.poll() is None, sweep.communicate()[0]
            time.sleep(0.05)
    time.sleep(3)
    with mlflow_server(*server) as address:
        said, _ = sweep.communicate(timeout=300)
        assert sweep.returncode == 0, said
        client = MlflowClient(tracking_uri=address)
        experiment = client.get_experiment_by_name("fashion_exp")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        folds = [run for run in runs if run.info.run_name.startswith("repeat")]
        assert len(folds) == 4 and {run.info.status for run in runs} == {"FINISHED"}
        for fold in folds:
            history = client.get_metric_history(fold.info.run_id, "f_val_acc")
            assert [metric.step for metric in history] == list(range(1, EPOCHS + 1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if os.getuid() != 0:
        pytest.skip("a small disk is mounted by root")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)])
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_and_the_same_line_goes_on(small_disk: Path, tmp_path: Path) -> None:
    words = [*TINY, "optim.lr=1e-3,1e-4", "model.width=256", "repeats=1", "tracking=none"]
    full, peace = Drill(words, small_disk), Drill(words, tmp_path / "peace")
    code, said = full.run()
    assert code != 0 and "no room left" in said and "Traceback" not in said, said
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    code, said = full.run()
    assert code == 0, said
    assert peace.run()[0] == 0 and full.outcome() == peace.outcome()

"""Several processes train what one would, and end as one: done, failed, stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions
from tests.conftest import TinyRun

SAME = ("augmentation=light", "training.precision=fp32", "repeats=2", "training.batch_size=5",
        "training.accumulate=2", "training.clip_norm=1", "training.class_weights=balanced",
        "training.label_smoothing=0.1", "training.early_stopping=1")  # fmt: skip


def test_processes_train_what_one_does(tiny: Callable[..., TinyRun]) -> None:
    """Last batches of three images, updates of two batches: every image counts once, and as much.

    To 1e-4 of a loss: what is left is the order of additions.
    """
    one, two = tiny(*SAME), tiny(*SAME, "training.processes=2")
    for column in ("loss", "accuracy", "lr"):
        assert two.history[column].to_numpy() == pytest.approx(
            one.history[column].to_numpy(), rel=1e-4
        )
    for part in PART_FILES:
        probabilities = [run.frame(part).filter(regex="^p_").to_numpy() for run in (one, two)]
        assert np.allclose(*probabilities, atol=1e-4) and len(probabilities[0])
        assert list(one.frame(part)["image_id"]) == list(two.frame(part)["image_id"])
    ours = {"test_predictions.parquet", "trainings.csv", "history.csv", "result.json"}
    assert ours <= {file.name for file in two.output.iterdir()}
    assert two.facts["job_hash"] != one.facts["job_hash"]


def test_processes_that_could_only_wait_are_refused(
    tiny: Callable[..., TinyRun], capfd: pytest.CaptureFixture
) -> None:
    with pytest.raises(AssertionError):
        tiny("model.weights=none", "model.freeze=backbone", "training.processes=2")
    told = capfd.readouterr().err
    assert "training.processes=2: a head on stored features" in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("training.processes=0", "training.processes=0"),
        ("training.processes=99", "more than training.batch_size=32 images to share"),
    ],
)
def test_a_number_of_processes_that_cannot_be_is_refused(typed: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_command_line([typed])


LONG = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=400", "repeats=2",
    "training.batch_size=4", "optim=sgd", "training.threads=1", "training.processes=2",
)  # fmt: skip


def start(*words: str, runner: tuple[str, ...] = ("-m", "fashion_exp")) -> subprocess.Popen[str]:
    command = [sys.executable, *runner, *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids by rank."""
    found = {}
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        told = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in told:
            found[int(child)] = True
    return sorted(found)


def training(outputs: Path, process: subprocess.Popen[str]) -> Path:
    """The run's folder, once its first training has saved a state."""
    for _ in range(1200):
        if found := list(outputs.glob("runs/*/unfinished/*.pt")):
            return found[0].parents[1]
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no state was saved")


def statuses(outputs: Path) -> set[str]:
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return {run.info.status for run in client.search_runs(experiments)}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_run_in_one_line(photos: Path, tmp_path: Path, rank: int) -> None:
    process = start(*LONG, f"dataset.root={photos}", f"outputs={tmp_path}")
    run = training(tmp_path, process)
    os.kill(ranks_of(process)[rank], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1 and err.count("\n") == 1, err
    assert f"process {rank} of the training was killed by SIGKILL" in err
    assert json.loads((run / "failure.json").read_text())["kind"] == "LostProcess"
    assert statuses(tmp_path) == {"FAILED"} and not list(run.glob("**/.*.pt.*"))


def assert_gone(ranks: list[int]) -> None:
    for _ in range(600):
        if not any(Path(f"/proc/{rank}").exists() for rank in ranks):
            break
        time.sleep(0.05)
    assert len(ranks) == 2 and not any(Path(f"/proc/{rank}").exists() for rank in ranks)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_the_death_of_who_started_them_ends_all_processes(photos: Path, tmp_path: Path) -> None:
    process = start(*LONG, f"dataset.root={photos}", f"outputs={tmp_path}")
    training(tmp_path, process)
    ranks = ranks_of(process)
    process.kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL and "Traceback" not in err, err
    assert_gone(ranks)
    assert statuses(tmp_path) == {"KILLED"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_stopped_run_goes_on_as_if_it_had_not_been(photos: Path, tmp_path: Path) -> None:
    line = (*LONG, "training.epochs=25", "repeats=1", f"dataset.root={photos}")
    calm, stopped = tmp_path / "calm", tmp_path / "stopped"
    undisturbed = start(*line, f"outputs={calm}")
    process = start(*line, f"outputs={stopped}")
    run = training(stopped, process)
    ranks = ranks_of(process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143 and "Traceback" not in err, err
    assert_gone(ranks)
    assert statuses(stopped) == {"KILLED"}
    _, err = start(*line, f"outputs={stopped}", f"resume={run}").communicate(timeout=120)
    assert not err, err
    _, err = undisturbed.communicate(timeout=120)
    assert not err, err
    (expected,) = (calm / "runs").iterdir()
    for file in PART_FILES.values():
        assert read_predictions(expected / file).equals(read_predictions(run / file))

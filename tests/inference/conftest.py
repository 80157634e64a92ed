"""A tiny run with two models, trained once for all tests of inference."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import run_job
from fashion_exp.inference.trained_run import TrainedRun, load_run
from tests.cheap_runs import leave_out_figures


@pytest.fixture(scope="session")
def trained_folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder, `outputs/runs/tiny`. Tests must not change it."""
    outputs = tmp_path_factory.mktemp("trained") / "outputs"
    line = parse_command_line([
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "training.epochs=3",
        "training.batch_size=12", "training.threads=1", "model.width=4", "repeats=2",
        "tracking=none", f"outputs={outputs}",
    ])  # fmt: skip
    folder = RunDir(outputs / "runs" / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        leave_out_figures(patch)
        assert run_job(line.jobs[0], folder, line.job_overrides[0]) == 0
    return folder.path


@pytest.fixture(scope="session")
def trained(trained_folder: Path) -> TrainedRun:
    return load_run(trained_folder, trained_folder.parents[1])

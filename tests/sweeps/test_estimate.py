"""Estimates of the cost of jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.sweeps.estimate import estimate_cost
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.training.device import choose_compute
from tests.comparison.synthetic_runs import make_run, random_correctness


def make_jobs(folder: Path, *overrides: str) -> list[SweepJob]:
    line = parse_command_line(["-m", *overrides])
    compute = choose_compute("cpu", "fp32", 1)
    return [
        SweepJob(cfg, job_overrides, folder / f"{index}", job_overrides[-1], compute)
        for index, (cfg, job_overrides) in enumerate(
            zip(line.jobs, line.job_overrides, strict=True)
        )
    ]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Has a finished run of the basic CNN: one training of 4 epochs on the CPU in 8 s."""
    run = tmp_path / "runs" / "earlier"
    scores = random_correctness(0, 1, 50, 0.8)
    make_run(run, "basic_cnn", scores, scores, facts={"device": "cpu"})
    overrides = ["training.epochs=4", "repeats=1", "training.device=cpu"]
    cfg = parse_command_line(overrides).jobs[0]
    (run / "options.json").write_text(json.dumps(dict(flatten_options(to_plain(cfg)))))
    set_seconds(tmp_path, 8.0)
    return tmp_path


def set_seconds(outputs: Path, *seconds: float) -> None:
    """Of the trainings of the earlier run."""
    lines = "".join(f"{text}\n" for text in ("seconds", *seconds))
    (outputs / "runs" / "earlier" / "trainings.csv").write_text(lines, encoding="utf-8")


def edit_result(outputs: Path, **changes: object) -> None:
    file = outputs / "runs" / "earlier" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_cost_is_proportional_to_trainings_and_epochs(outputs: Path, tmp_path: Path) -> None:
    jobs = make_jobs(tmp_path, "optim.lr=1e-3,1e-4", "training.epochs=10", "repeats=3")
    cost = estimate_cost(jobs, outputs)
    assert cost.seconds == pytest.approx(2 * 3 * 10 * 8 / 4) and not cost.unknown_models
    single = estimate_cost(make_jobs(tmp_path, "optim.lr=1e-3,1e-4", "repeats=1"), outputs)
    assert cost.bytes == pytest.approx(3 * single.bytes) and cost.bytes > 0


def test_runs_on_another_device_are_ignored(outputs: Path, tmp_path: Path) -> None:
    edit_result(outputs, facts={"device": "cuda:0"})
    jobs = make_jobs(tmp_path, "optim.lr=1e-3,1e-4")
    assert estimate_cost(jobs, outputs).unknown_models == ("basic_cnn",)


def test_runs_of_another_model_are_ignored(outputs: Path, tmp_path: Path) -> None:
    cost = estimate_cost(make_jobs(tmp_path, "model=basic_cnn,resnet50"), outputs)
    assert cost.unknown_models == ("resnet50",) and cost.seconds > 0


def test_time_of_the_first_pass_through_a_frozen_backbone_is_not_multiplied(
    outputs: Path, tmp_path: Path
) -> None:
    set_seconds(outputs, 900.0, 8.0, 8.5)
    jobs = make_jobs(tmp_path, "optim.lr=1e-3,1e-4", "training.epochs=4", "repeats=3")
    assert estimate_cost(jobs, outputs).seconds == pytest.approx(2 * 3 * 8.5)

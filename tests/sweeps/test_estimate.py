"""The forecast scales with trainings and epochs, and is of runs of the same kind alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.sweeps.estimate import forecast
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.training.device import choose_compute
from tests.comparison.made_runs import answers, made_run


def jobs(folder: Path, *words: str) -> list[SweepJob]:
    line = parse_command_line(["-m", *words])
    compute = choose_compute("cpu", "fp32", 1)
    return [
        SweepJob(cfg, words, folder / f"{place}", words[-1], compute)
        for place, (cfg, words) in enumerate(zip(line.jobs, line.lines, strict=True))
    ]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A finished run of the basic CNN: one training of four epochs."""
    run = tmp_path / "runs" / "earlier"
    scores = answers(0, 1, 50, 0.8)
    made_run(run, "basic_cnn", scores, scores)
    # as a sweep's job has it, whose device the sweep has decided on
    cfg = parse_command_line(["training.epochs=4", "repeats=1", "training.device=cpu"]).jobs[0]
    (run / "knobs.json").write_text(json.dumps(dict(flatten_options(to_plain(cfg)))))
    told = json.loads((run / "result.json").read_text())
    told["facts"]["device"] = "cpu"
    (run / "result.json").write_text(json.dumps(told | {"seconds": 8.0}))
    return tmp_path


def test_time_goes_with_trainings_and_epochs(outputs: Path, tmp_path: Path) -> None:
    planned = jobs(tmp_path, "optim.lr=1e-3,1e-4", "training.epochs=10", "repeats=3")
    found = forecast(planned, outputs)
    assert found.seconds == pytest.approx(2 * 3 * 10 * 8 / 4) and not found.unknown
    single = forecast(jobs(tmp_path, "optim.lr=1e-3,1e-4", "repeats=1"), outputs)
    assert found.size == pytest.approx(3 * single.size) and found.size > 0


def test_of_another_device_nothing_is_known(outputs: Path, tmp_path: Path) -> None:
    told = json.loads((outputs / "runs/earlier/result.json").read_text())
    told["facts"]["device"] = "cuda:0"
    (outputs / "runs/earlier/result.json").write_text(json.dumps(told))
    assert forecast(jobs(tmp_path, "optim.lr=1e-3,1e-4"), outputs).unknown == ("basic_cnn",)


def test_of_another_kind_nothing_is_known(outputs: Path, tmp_path: Path) -> None:
    found = forecast(jobs(tmp_path, "model=basic_cnn,resnet50"), outputs)
    assert found.unknown == ("resnet50",) and found.seconds > 0

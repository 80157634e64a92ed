"""A training that is no longer finite is reported with its epoch and a remedy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import Config
from fashion_exp.errors import ExitCode
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.divergence import Diverged, check_loss, check_outputs, check_weights
from fashion_exp.experiment.job import run_job


def config(*overrides: str) -> Config:
    return parse_command_line(overrides).jobs[0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["loss", "outputs", "weights"])
def test_what_is_not_finite_is_reported_with_epoch_and_remedy(kind: str, value: float) -> None:
    cfg = config("optim.lr=0.5")
    tensor = torch.tensor([1.0, value])
    checks: Mapping[str, Callable[[], None]] = {
        "loss": lambda: check_loss(cfg, 3, value),
        "outputs": lambda: check_outputs(cfg, 3, "test", np.array([[0.5, 0.5], [value, 0]])),
        "weights": lambda: check_weights(cfg, 3, {"counts": torch.tensor(1), "head.0": tensor}),
    }
    with pytest.raises(Diverged, match=r"epoch 3; lower optim\.lr \(it is 0\.5\), or set training"):
        checks[kind]()


def test_finite_values_pass() -> None:
    check_loss(config(), 1, 1e30)
    check_outputs(config(), 1, "test", np.array([[0.0, 1.0]]))
    check_weights(config(), 1, {"weight": torch.tensor([1e38]), "count": torch.tensor(3)})


def test_remedy_names_clipping_and_decay_where_they_can_help() -> None:
    with pytest.raises(Diverged, match=r"or training\.clip_norm \(it is 5\)"):
        check_loss(config("training.clip_norm=5"), 1, math.nan)
    with pytest.raises(Diverged, match=r"\(it is 0\.001\)$"):
        check_loss(config("training.clip_norm=0.5"), 1, math.nan)
    with pytest.raises(Diverged, match=r"or optim\.weight_decay \(it is 1e\+09\)"):
        check_loss(config("optim.weight_decay=1e9"), 1, math.nan)


@pytest.mark.slow
@pytest.mark.parametrize("lr", ["1e20", "1e39"])
def test_overflow_that_shows_in_evaluation_only_is_divergence(
    lr: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one update in an epoch, its loss is that of the initial weights."""
    overrides = [
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "repeats=1",
        "training.batch_size=100", "training.epochs=2", "tracking=none", f"optim.lr={lr}",
        f"outputs={tmp_path}",
    ]  # fmt: skip
    run = RunDir(tmp_path / "runs" / "0")
    assert run_job(parse_command_line(overrides).jobs[0], run, overrides) == ExitCode.FAILED
    assert run.has_diverged and "in epoch 1; lower optim.lr" in run.failure
    assert "failed: Diverged: the outputs for" in capsys.readouterr().err

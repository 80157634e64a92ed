"""With `training.ema_decay`, the average of the weights is what a run evaluates and saves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file

from fashion_exp.stats.metrics import cross_entropy
from fashion_exp.training.weight_average import WeightAverage
from tests.conftest import TinyRun
from tests.experiment.resuming import interrupt_and_resume

pytestmark = pytest.mark.slow

EMA = ("training.ema_decay=0.9", "training.epochs=4", "training.precision=fp32")


def test_checkpoint_is_the_average_and_training_stays_the_same(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[torch.Tensor] = []
    update = WeightAverage.update

    def record(average: WeightAverage) -> None:
        weights.append(average._tensors["head.1.bias"].detach().clone().double())
        update(average)

    monkeypatch.setattr(WeightAverage, "update", record)
    plain = tiny("training.epochs=4", "training.precision=fp32")
    assert not weights
    run = tiny(*EMA)
    train_losses = [r.history.query("part == 'train'")["loss"].to_list() for r in (plain, run)]
    assert train_losses[0] == train_losses[1]
    (file,) = run.output.glob("checkpoints/*-last.safetensors")
    saved = load_file(file)["head.1.bias"].double()
    tail = 0.0
    decays = [min(0.9, (1 + n) / (10 + n)) for n in range(len(weights))]
    expected = torch.zeros(3, dtype=torch.float64)
    for n in reversed(range(len(weights))):  # the share of the initial weights is what is left
        share = (1 - decays[n]) * (1 - tail)
        expected, tail = expected + share * weights[n], tail + share
    # The initial bias is unknown here; its share is the product of all decays.
    assert 1 - tail < 1e-6 and torch.allclose(saved, expected, atol=1e-6)
    assert not torch.allclose(saved, weights[-1], atol=1e-4)


def test_validation_that_chooses_the_epoch_is_that_of_the_average(
    tiny: Callable[..., TinyRun],
) -> None:
    run = tiny(*EMA, "training.keep=best", "optim.lr=0.03")
    history = run.history.query("part == 'validation'")
    stored = history[history["kept"]]["loss"].item()
    predictions = run.predictions("validation")
    probabilities = predictions.filter(regex="^p_").to_numpy()
    labels = predictions["label"].map({"dress": 0, "pullover": 1, "shirt": 2}).to_numpy()
    assert stored == history["loss"].min()
    assert stored == pytest.approx(cross_entropy(labels, probabilities), rel=1e-6)


def test_resumed_average_equals_uninterrupted_average(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_and_resume(tiny, monkeypatch, *EMA)

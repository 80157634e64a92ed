"""The training loop equals a plain one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from fashion_exp.training.device import Compute
from fashion_exp.training.fit import EpochResult, StepCallback, fit, predict
from fashion_exp.training.losses import Criterion
from fashion_exp.training.process_group import ProcessGroup
from fashion_exp.training.weight_average import WeightAverage

CPU = Compute(torch.device("cpu"), "fp32", 1)
INPUTS = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1] * 5)


class FixedBatches:
    """The ten rows in their order, in batches of `size`."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return len(LABELS)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from zip(INPUTS.split(self.size), LABELS.split(self.size), strict=True)


def new_model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def sgd(model: nn.Module, lr: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch_size: int = 5,
    *,
    accumulate: int = 1,
    clip_norm: float | None = None,
    lr_factor: Callable[[float], float] = lambda time: 1.0,
    epochs: int = 2,
    average: WeightAverage | None = None,
    on_step: StepCallback = lambda *progress: None,
) -> list[EpochResult]:
    return list(
        fit(
            model, FixedBatches(batch_size), optimizer, Criterion(), lr_factor, CPU,
            ProcessGroup(), epochs=range(epochs), accumulate=accumulate, clip_norm=clip_norm,
            average=average, seed_of_epoch=lambda epoch: epoch, on_step=on_step,
        )
    )  # fmt: skip


def trained_weight(
    batch_size: int, accumulate: int = 1, clip_norm: float | None = None
) -> torch.Tensor:
    model = new_model()
    train(model, sgd(model), batch_size, accumulate=accumulate, clip_norm=clip_norm)
    return model.weight


def test_training_equals_a_plain_loop() -> None:
    model = new_model()
    optimizer = sgd(model)
    for _ in range(2):
        for inputs, labels in zip(INPUTS.split(5), LABELS.split(5), strict=True):
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert torch.equal(trained_weight(5), model.weight)


def test_accumulating_two_halves_equals_one_batch() -> None:
    accumulated, whole = trained_weight(5, accumulate=2), trained_weight(10)
    assert torch.allclose(accumulated, whole, atol=1e-6)
    assert not torch.allclose(trained_weight(5), whole, atol=1e-6)


def test_of_mixed_inputs_the_class_with_the_largest_share_is_the_right_one() -> None:
    """Shares of one class give what the classes give, and each image's second class counts not."""

    class MixedBatches(FixedBatches):
        def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for inputs, labels in super().epoch(number):
                one_hot = nn.functional.one_hot(labels, 2).float()
                yield inputs, 0.8 * one_hot + 0.2 * one_hot.roll(1, 0)

    accuracies = []
    for batches in (FixedBatches(5), MixedBatches(5)):
        model = new_model()
        (result,) = fit(
            model, batches, sgd(model, lr=0), Criterion(), lambda time: 1.0, CPU, ProcessGroup(),
            epochs=range(1), accumulate=1, clip_norm=None, average=None,
            seed_of_epoch=lambda epoch: epoch,
            on_step=lambda *progress: None,
        )  # fmt: skip
        accuracies.append(result.accuracy)
    assert accuracies[0] == accuracies[1] and 0 < accuracies[0] < 1


def test_incomplete_last_accumulation_is_an_update() -> None:
    model = new_model()
    results = train(model, sgd(model), batch_size=4, accumulate=2)
    assert [result.updates for result in results] == [2, 2]


def test_clipping_bounds_the_step() -> None:
    step = trained_weight(10, clip_norm=1e-3) - new_model().weight
    assert step.norm() <= 2 * 0.1 * 1e-3 + 1e-7


def test_rate_follows_the_schedule_within_an_epoch() -> None:
    model = new_model()
    optimizer = sgd(model, lr=1.0)
    rates = []
    optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    train(model, optimizer, lr_factor=lambda time: time)
    assert rates == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_prediction_with_a_logit_that_is_not_finite_is_nan(value: float) -> None:
    """A softmax makes a probability of 0 of a logit of -inf, which would hide the overflow."""
    inputs = torch.eye(2)
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.eye(2)
    assert predict(layer, iter([inputs]), CPU).isfinite().all()
    is_finite = predict(nn.Sequential(layer, _Replace(value)), iter([inputs]), CPU).isfinite()
    assert is_finite.tolist() == [[False, False], [True, True]]


class _Replace(nn.Module):
    """Replaces the first logit of the first input."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        logits[0, 0] = self.value
        return logits


def test_epoch_loss_and_accuracy_are_means_over_views() -> None:
    model = new_model()
    (result,) = train(model, sgd(model, lr=1e-9), batch_size=3, epochs=1)
    with torch.no_grad():
        logits = new_model()(INPUTS)
    assert result.loss == pytest.approx(float(nn.functional.cross_entropy(logits, LABELS)))
    assert result.accuracy == float((logits.argmax(1) == LABELS).float().mean())


def test_callback_runs_before_the_first_step() -> None:
    """Images per second would otherwise leave out the time of the first batch."""
    model = new_model()
    calls: list[tuple[int, int, int]] = []
    train(
        model, sgd(model), epochs=1,
        on_step=lambda epoch, step, views, *sums: calls.append((epoch, step, views)),
    )  # fmt: skip
    assert calls == [(0, 0, 0), (0, 1, 5), (0, 2, 10)]


def test_predictions_are_probabilities_in_order() -> None:
    probabilities = predict(new_model(), iter(INPUTS.split(3)), CPU)
    with torch.no_grad():
        assert torch.allclose(probabilities, new_model()(INPUTS).softmax(1))

"""Heads that are trained together equal those that are trained alone, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from fashion_exp.models.dropout import Dropout
from fashion_exp.training import fit_heads as fit_heads_module
from fashion_exp.training.device import Compute
from fashion_exp.training.fit import EpochResult, fit
from fashion_exp.training.fit_heads import HeadTraining, fit_heads
from fashion_exp.training.losses import Criterion
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.process_group import ProcessGroup

CPU = Compute(torch.device("cpu"), "fp32", 1)
WIDTH, CLASSES, COUNT, EPOCHS = 72, 3, 37, 3


class RandomBatches:
    """Random rows in batches of 8 and a last one of 5, shuffled by the epoch."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(COUNT, WIDTH, generator=generator)
        self.labels = torch.randint(CLASSES, (COUNT,), generator=generator)

    def __len__(self) -> int:
        return COUNT

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(number))
        for rows in order.split(8):
            yield self.inputs[rows], self.labels[rows]


BATCHES = RandomBatches(0), RandomBatches(1)


def constant(time: float) -> float:
    return 1.0


def falling(time: float) -> float:
    return 1 / (1 + time)


def linear(dropout: float) -> nn.Sequential:
    return nn.Sequential(Dropout(dropout), nn.Linear(WIDTH, CLASSES))


def hidden(dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(WIDTH, 24), nn.ReLU(), Dropout(dropout), nn.Linear(24, CLASSES)
    )  # fmt: skip


def training(
    head: Callable[[float], nn.Sequential] = linear,
    *,
    dropout: float = 0.3,
    batches: RandomBatches = BATCHES[0],
    optimizer: str = "Adam",
    lr: float = 1e-2,
    weight_decay: float = 0.0,
    momentum: float | None = None,
    criterion: Criterion | None = None,
    lr_factor: Callable[[float], float] = constant,
    clip_norm: float | None = None,
    seed: int = 0,
) -> HeadTraining:
    torch.manual_seed(seed)
    built = head(dropout)
    options: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
    return HeadTraining(
        built,
        batches,
        build_optimizer(optimizer, built, [], backbone_lr_factor=1.0, options={}, **options),
        criterion or Criterion(),
        lr_factor,
        clip_norm,
        lambda epoch: 100 * seed + epoch,
    )


def train_alone(t: HeadTraining, compute: Compute, accumulate: int) -> list[EpochResult]:
    return list(
        fit(
            t.head, t.batches, t.optimizer, t.criterion, t.lr_factor, compute, ProcessGroup(),
            epochs=range(EPOCHS), accumulate=accumulate, clip_norm=t.clip_norm, average=None,
            seed_of_epoch=t.seed_of_epoch, on_step=lambda *progress: None,
        )
    )  # fmt: skip


def assert_equal(
    variants: Sequence[dict[str, Any]], compute: Compute = CPU, accumulate: int = 1
) -> None:
    """Trains every variant alone and all together, and compares all bits of all results."""
    torch.set_num_threads(compute.threads)
    alone = [training(**variant) for variant in variants]
    expected = [train_alone(single, compute, accumulate) for single in alone]
    together = [training(**variant) for variant in variants]
    by_epoch = [
        fit_heads(together, compute, epoch=epoch, accumulate=accumulate) for epoch in range(EPOCHS)
    ]
    for single, joint, results, own in zip(
        alone, together, expected, zip(*by_epoch, strict=True), strict=True
    ):
        for wanted, given in zip(results, own, strict=True):
            fields = ("epoch", "loss", "accuracy", "lr", "updates", "views")
            assert [getattr(given, f) for f in fields] == [getattr(wanted, f) for f in fields]
        wanted_state, state = single.head.state_dict(), joint.head.state_dict()
        assert all(torch.equal(state[name], wanted_state[name]) for name in wanted_state)
        assert_same(joint.optimizer.state_dict(), single.optimizer.state_dict())
    weights = [last_weight(joint) for joint in together]
    assert not any(torch.equal(weights[0], other) for other in weights[1:])


def last_weight(trained: HeadTraining) -> torch.Tensor:
    layer = trained.head[-1]
    assert isinstance(layer, nn.Linear)
    return layer.weight


def assert_same(given: Any, wanted: Any) -> None:
    """Equality of nested dictionaries and lists of tensors and numbers, bit for bit."""
    if isinstance(wanted, torch.Tensor):
        assert torch.equal(given, wanted)
    elif isinstance(wanted, dict):
        assert list(given) == list(wanted)
        for key in wanted:
            assert_same(given[key], wanted[key])
    elif isinstance(wanted, list):
        assert len(given) == len(wanted)
        for ours, other in zip(given, wanted, strict=True):
            assert_same(ours, other)
    else:
        assert given == wanted


@pytest.mark.parametrize("head", [linear, hidden])
@pytest.mark.parametrize(
    ("optimizer", "momentum"),
    [("Adam", None), ("AdamW", None), ("SGD", None), ("SGD", 0.9), ("RMSprop", None),
     ("RMSprop", 0.9), ("Adagrad", None), ("Adafactor", None)],
)  # fmt: skip
@pytest.mark.slow
def test_heads_trained_together_equal_single_ones(
    head: Callable[[float], nn.Sequential], optimizer: str, momentum: float | None
) -> None:
    base = {"head": head, "optimizer": optimizer, "momentum": momentum}
    assert_equal(
        [
            base,
            base | {"lr": 1e-3},
            base | {"dropout": 0.0},
            base | {"dropout": 0.6, "lr": 1e-3},
            base | {"weight_decay": 0.1},
            base | {"seed": 1},
            base | {"batches": BATCHES[1]},
            base | {"lr_factor": falling},
            base | {"clip_norm": 0.05},
            base | {"criterion": Criterion(label_smoothing=0.2)},
            base | {"criterion": Criterion(weight=torch.tensor([0.2, 1.0, 3.0]))},
        ]
    )


@pytest.mark.parametrize("is_exact", [True, False])
def test_linear_heads_are_multiplied_jointly_only_where_no_digit_changes(
    is_exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    joint: list[int] = []
    multiply = fit_heads_module._joint_linear

    def count(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Any:
        joint.append(len(weight))
        return multiply(inputs, weight, bias)

    monkeypatch.setattr(fit_heads_module, "_is_joint_product_exact", lambda *shape: is_exact)
    monkeypatch.setattr(fit_heads_module, "_joint_linear", count)
    assert_equal([{}, {"lr": 1e-3}, {"weight_decay": 0.1}])
    assert joint == ([3] * 5 * EPOCHS if is_exact else [])


def test_different_heads_and_optimizers_train_together() -> None:
    assert_equal(
        [{"head": linear}, {"head": hidden}, {"optimizer": "SGD"}, {"optimizer": "RMSprop"}]
    )


def test_accumulated_gradients_equal_those_of_a_single_head() -> None:
    assert_equal([{}, {"lr": 1e-3}, {"dropout": 0.6, "clip_norm": 0.1}], accumulate=3)


@pytest.mark.parametrize(("dtype", "threads"), [("bf16", 1), ("fp32", 2)])
def test_precision_and_threads_are_those_of_a_single_head(dtype: str, threads: int) -> None:
    compute = Compute(torch.device("cpu"), dtype, threads)
    assert_equal([{}, {"lr": 1e-3}, {"head": hidden}], compute)


def test_a_head_may_leave_after_an_epoch() -> None:
    """As early stopping does; the others go on as if they were alone."""
    first, second = training(lr=1e-3), training()
    fit_heads([first, second], CPU, epoch=0, accumulate=1)
    for epoch in range(1, EPOCHS):
        fit_heads([second], CPU, epoch=epoch, accumulate=1)
    single = training()
    train_alone(single, CPU, 1)
    assert torch.equal(last_weight(second), last_weight(single))


def test_images_that_heads_share_are_read_once() -> None:
    reads: list[int] = []

    class Counted(RandomBatches):
        def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            reads.append(number)
            return super().epoch(number)

    shared = Counted(0)
    heads = [training(batches=shared, lr=lr) for lr in (1e-2, 1e-3, 1e-4)]
    fit_heads(heads, CPU, epoch=5, accumulate=1)
    assert reads == [5]

"""The loop equals a plain one, and its schedules and optimizers are what their names say."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.training.device import Compute, choose_compute, is_depthwise
from fashion_exp.training.fit import Diverged, fit, predict
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.process_group import ProcessGroup
from fashion_exp.training.schedules import build_schedule

CPU = Compute(torch.device("cpu"), "fp32", 1)
INPUTS = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1] * 5)


class Halves:
    """The ten rows in batches of a size, in the order they have."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return len(LABELS)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from zip(INPUTS.split(self.size), LABELS.split(self.size), strict=True)


def model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def trained(size: int, accumulate: int = 1, lr: float = 0.1, **options: object) -> nn.Linear:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr)
    list(run(net, optimizer, size, accumulate, **options))
    return net


def run(
    net, optimizer, size=5, accumulate=1, clip_norm=None, factor=lambda time: 1.0, epochs=2,
    tick=lambda *told: None,
):  # fmt: skip
    return fit(
        net, Halves(size), optimizer, nn.CrossEntropyLoss(), factor, CPU, ProcessGroup(),
        epochs=range(epochs), accumulate=accumulate, clip_norm=clip_norm,
        seed_of_epoch=lambda epoch: epoch, tick=tick,
    )  # fmt: skip


def test_two_halves_accumulated_are_one_batch() -> None:
    whole, halves = trained(10), trained(5, accumulate=2)
    mean_of_sums = trained(10, lr=0.1)
    assert torch.allclose(whole.weight, halves.weight, atol=1e-6)
    assert torch.equal(whole.weight, mean_of_sums.weight)


def test_a_last_incomplete_accumulation_is_an_update_too() -> None:
    net = model()
    results = list(run(net, torch.optim.SGD(net.parameters(), 0.1), size=4, accumulate=2))
    assert [r.updates for r in results] == [2, 2]


def test_clipping_bounds_the_step() -> None:
    moved = trained(10, clip_norm=1e-3).weight - model().weight
    assert moved.norm() <= 2 * 0.1 * 1e-3 + 1e-7


def test_the_rate_follows_the_schedule_within_an_epoch() -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 1.0)
    rates = []
    optimizer.register_step_pre_hook(lambda o, a, k: rates.append(o.param_groups[0]["lr"]))
    list(run(net, optimizer, factor=lambda time: time))
    assert rates == [0.0, 0.5, 1.0, 1.5]


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    net = model()
    with pytest.raises(Diverged, match="the training loss became nan in epoch 1"):
        net.weight.data.fill_(math.nan)
        list(run(net, torch.optim.SGD(net.parameters(), 0.1)))


def test_an_epochs_loss_and_accuracy_are_means_over_its_views() -> None:
    net = model()
    (result,) = run(net, torch.optim.SGD(net.parameters(), 1e-9), size=3, epochs=1)
    with torch.no_grad():
        logits = model()(INPUTS)
    assert result.loss == pytest.approx(float(nn.functional.cross_entropy(logits, LABELS)))
    assert result.accuracy == float((logits.argmax(1) == LABELS).float().mean())


def test_an_epoch_is_told_before_its_first_step() -> None:
    """Or its images a second leave out the time of a batch, and of a small epoch all of it."""
    net = model()
    told: list[tuple[int, int, int]] = []
    list(run(net, torch.optim.SGD(net.parameters(), 0.1), epochs=1,
             tick=lambda *now: told.append(now[:3])))  # fmt: skip
    assert told == [(0, 0, 0), (0, 1, 5), (0, 2, 10)]


def test_predictions_are_probabilities_in_order() -> None:
    probabilities = predict(model(), iter(INPUTS.split(3)), CPU)
    with torch.no_grad():
        assert torch.allclose(probabilities, model()(INPUTS).softmax(1))


SHAPES = {
    "constant": {},
    "cosine": {"final_factor": 0.0},
    "step": {"step_epochs": 2, "gamma": 0.1},
    "exponential": {"gamma": 0.5},
}


def schedule(name: str, warmup: int = 0):
    options = {"final_factor": None, "step_epochs": None, "gamma": None} | SHAPES[name]
    return build_schedule(name, 4 + warmup, warmup_epochs=warmup, **options)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("cosine", [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, (1 - math.cos(math.pi / 4)) / 2]),
        ("step", [1, 1, 0.1, 0.1]),
        ("exponential", [1, 0.5, 0.25, 0.125]),
    ],
)
def test_schedules_at_whole_epochs(name: str, expected: list[float]) -> None:
    assert [schedule(name)(t) for t in range(4)] == pytest.approx(expected)
    assert [schedule(name, 3)(t + 3) for t in range(4)] == pytest.approx(expected), "after warm-up"


def test_warm_up_rises_from_above_zero_to_the_full_rate() -> None:
    factors = [schedule("constant", 2)(t / 10) for t in range(25)]
    assert 0 < factors[0] < 0.3 and factors == sorted(factors) and factors[20:] == [1.0] * 5


def test_an_unknown_schedule_gets_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean cosine"):
        build_schedule("cosin", 4, warmup_epochs=0, final_factor=0, step_epochs=None, gamma=None)


def optimizer(name: str = "Adam", **options: object) -> torch.optim.Optimizer:
    head, backbone = nn.Linear(2, 2), nn.Linear(3, 2)
    return build_optimizer(
        name, head, backbone, lr=0.1, backbone_lr_factor=0.5, weight_decay=0, momentum=None,
        options=options,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "NAdam", "Adafactor"]
)
def test_the_backbone_has_a_rate_of_its_own(name: str) -> None:
    built = optimizer(name)
    assert type(built).__name__ == name
    assert [group["lr"] for group in built.param_groups] == [0.05, 0.1]


@pytest.mark.parametrize("options", [{}, {"alpha": 0.9, "eps": 1e-4}])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_rmsprop_in_one_pass_is_pytorchs(options: dict[str, float], weight_decay: float) -> None:
    """Also where weights lie in another order than their shape says."""
    nets = []
    for _ in range(2):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
        nets.append(nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2)))
    told = dict(lr=1e-2, backbone_lr_factor=1, weight_decay=weight_decay, momentum=None)
    ours = build_optimizer("RMSprop", nets[0], nn.Identity(), options=options, **told)
    theirs = torch.optim.RMSprop(nets[1].parameters(), 1e-2, weight_decay=weight_decay, **options)
    assert type(ours) is not type(theirs)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(20):
        for net, optimizer in zip(nets, (ours, theirs), strict=True):
            nn.functional.cross_entropy(net(images), torch.tensor([0, 1] * 3)).backward()
            optimizer.step()
            optimizer.zero_grad()
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    restored = torch.optim.RMSprop(nets[1].parameters(), 1e-2)
    restored.load_state_dict(ours.state_dict())


@pytest.mark.parametrize(
    ("name", "options", "fused"),
    [
        ("Adam", {}, True), ("SGD", {}, True), ("Adam", {"foreach": True}, None),
        ("RMSprop", {"centered": True}, None), ("NAdam", {}, None),
    ],
)  # fmt: skip
def test_a_step_is_fused_where_it_can_be(
    name: str, options: dict[str, bool], fused: bool | None
) -> None:
    built = optimizer(name, **options)
    assert type(built) is getattr(torch.optim, name)
    assert built.param_groups[0].get("fused") is fused


def test_a_frozen_backbone_has_no_group() -> None:
    backbone = nn.Linear(3, 2).requires_grad_(False)
    built = build_optimizer(
        "SGD", nn.Linear(2, 2), backbone, lr=1, backbone_lr_factor=1, weight_decay=0,
        momentum=0.5, options={},
    )  # fmt: skip
    assert len(built.param_groups) == 1 and built.param_groups[0]["momentum"] == 0.5


def test_unknown_optimizers_and_arguments_are_told() -> None:
    with pytest.raises(InputError, match=r"optim\.name=Adm: .*did you mean Adam"):
        optimizer("Adm")
    with pytest.raises(InputError, match=r"optim\.options\.beta: Adam has no such argument; did"):
        optimizer(beta=1)
    with pytest.raises(InputError, match="refuses its arguments"):
        optimizer(betas=[2, 3])


def test_auto_precision_is_bf16_only_where_the_hardware_has_it() -> None:
    abilities = torch.cpu.get_capabilities()
    has = abilities.get("amx_bf16") or abilities.get("avx512_bf16")
    assert choose_compute("cpu", "auto", 1).dtype == ("auto_bf16" if has else "fp32")
    assert choose_compute("cpu", "bf16", 1).dtype == "bf16"


@pytest.mark.parametrize(
    ("shape", "depthwise", "automatic", "asked"),
    [
        ((20, 4), False, False, True),
        ((64, 4), False, True, True),
        ((2, 3, 16, 16), False, False, False),  # its gradients may be wrong
        ((2, 3, 32, 32), False, False, True),
        ((2, 3, 64, 64), False, True, True),
        ((2, 3, 64, 64), True, False, True),
    ],
)
def test_auto_precision_takes_bf16_where_it_gains(
    shape: tuple[int, ...], depthwise: bool, automatic: bool, asked: bool
) -> None:
    for dtype, taken in (("auto_bf16", automatic), ("bf16", asked), ("fp32", False)):
        with Compute(torch.device("cpu"), dtype, 1, depthwise).precision(torch.zeros(shape)):
            assert torch.is_autocast_enabled("cpu") is taken


def test_depthwise_networks_are_known() -> None:
    separable = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1))
    assert is_depthwise(separable) and not is_depthwise(nn.Sequential(nn.Conv2d(4, 8, 3)))
    assert not is_depthwise(nn.Sequential(separable, *(nn.Linear(2, 2) for _ in range(3))))


def test_a_word_that_is_no_device_is_refused() -> None:
    with pytest.raises(ValueError, match="gpu: no device; here are cpu"):
        choose_compute("gpu", "auto", 1)

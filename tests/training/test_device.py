"""Precision follows the hardware, the batch and the network; unknown devices are rejected."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fashion_exp.training.device import (
    Compute,
    choose_compute,
    is_depthwise,
    training_threads,
    using_training_threads,
)


def test_auto_precision_needs_bf16_hardware() -> None:
    features = torch.cpu.get_capabilities()
    has_bf16 = features.get("amx_bf16") or features.get("avx512_bf16")
    assert choose_compute("cpu", "auto", 1).dtype == ("auto_bf16" if has_bf16 else "fp32")
    assert choose_compute("cpu", "bf16", 1).dtype == "bf16"


@pytest.mark.parametrize(
    ("shape", "depthwise", "with_auto", "with_bf16"),
    [
        ((20, 4), False, False, True),
        ((64, 4), False, True, True),
        ((2, 3, 16, 16), False, False, False),  # gradients may be wrong
        ((2, 3, 32, 32), False, False, True),
        ((2, 3, 64, 64), False, True, True),
        ((2, 3, 64, 64), True, False, True),
    ],
)
def test_auto_precision_uses_bf16_where_it_is_faster(
    shape: tuple[int, ...], depthwise: bool, with_auto: bool, with_bf16: bool
) -> None:
    for dtype, expected in (("auto_bf16", with_auto), ("bf16", with_bf16), ("fp32", False)):
        with Compute(torch.device("cpu"), dtype, 1, depthwise).precision(torch.zeros(shape)):
            assert torch.is_autocast_enabled("cpu") is expected


def test_depthwise_networks_are_recognized() -> None:
    separable = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1))
    assert is_depthwise(separable) and not is_depthwise(nn.Sequential(nn.Conv2d(4, 8, 3)))
    assert not is_depthwise(nn.Sequential(separable, *(nn.Linear(2, 2) for _ in range(3))))


@pytest.mark.parametrize(
    ("name", "message"), [("gpu", "gpu: no device"), ("cuda:99", "cuda:99: not on this machine")]
)
def test_rejects_unavailable_devices(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}; here are cpu"):
        choose_compute(name, "auto", 1)


def test_each_process_needs_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"3 processes.*training\.processes=2 or"):
        choose_compute("cuda", "fp32", 1, local_rank=2)


@pytest.mark.parametrize(
    ("model", "threads"),
    [
        (nn.Sequential(nn.Dropout(), nn.Linear(64, 3)), 1),
        (nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)), 4),
        (nn.Sequential(nn.Linear(4096, 100)), 4),
        (nn.Linear(64, 3), 4),
    ],
)
def test_one_thread_trains_a_small_linear_head(model: nn.Module, threads: int) -> None:
    assert training_threads(model, Compute(torch.device("cpu"), "fp32", 4)) == threads


def test_threads_come_back_also_after_an_error() -> None:
    before = torch.get_num_threads()
    head, compute = nn.Sequential(nn.Linear(64, 3)), Compute(torch.device("cpu"), "fp32", 2)
    try:
        with pytest.raises(KeyError), using_training_threads(head, compute):
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

"""Automatic precision vs. fp32: training ResNet50, computing features of VGG16, training a head.

The baselines "in the default layout" use PyTorch and timm without channels-last or our loop.
"""

from __future__ import annotations

import time

import timm
import torch
from torch import nn

from fashion_exp.training.device import choose_compute, threads_per_process
from fashion_exp.training.fit import extract_features
from fashion_exp.training.optimizers import build_optimizer
from tests.bench.networks import CLASSES, Workload, bare_step_rate, build_workload
from tests.bench.runner import Figure, alternate, ratio_figure


def measure(quick: bool) -> list[Figure]:
    return [*_measure_training(quick), _measure_features(quick), _measure_head(quick)]


def _measure_training(quick: bool) -> list[Figure]:
    size, steps = (128, 1) if quick else (224, 4)
    auto, fp32 = (build_workload("resnet50", size, 20, name) for name in ("auto", "fp32"))
    network = timm.create_model("resnet50", num_classes=CLASSES)
    parts = alternate(
        {
            "auto, images/s": lambda: bare_step_rate(auto, steps),
            "fp32, images/s": lambda: bare_step_rate(fp32, steps),
            "fp32 in the default layout, images/s": lambda: _plain_step_rate(network, size, steps),
        },
        3 if quick else 5,
    )
    auto_name, fp32_name, plain_name = parts
    what = f"training ResNet50 at {size} px, auto vs. fp32"
    at_least = None if quick or not _has_amx() else 2.5
    return [
        ratio_figure(what, parts, (auto_name, fp32_name), at_least=at_least),
        ratio_figure(f"{what} in the default layout", parts, (auto_name, plain_name)),
    ]


def _plain_step_rate(network: nn.Module, size: int, steps: int) -> float:
    """Images per second of the training loop in PyTorch's tutorials."""
    images, labels = torch.rand(20, 3, size, size), torch.arange(20) % CLASSES
    optimizer = torch.optim.Adam(network.train().parameters())
    start = time.perf_counter()
    for _ in range(steps):
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return 20 * steps / (time.perf_counter() - start)


def _measure_features(quick: bool) -> Figure:
    """The backbone of `paper_vgg16_v2`."""
    steps, batch_size = (1, 16) if quick else (4, 32)
    overrides = ("model.head=new", "model.pool=flatten")
    auto = build_workload("vgg16", 224, batch_size, "auto", overrides)
    plain = build_workload("vgg16", 224, batch_size, "fp32", overrides)
    plain.model.to(memory_format=torch.contiguous_format)
    parts = alternate(
        {
            "auto, images/s": lambda: _feature_rate(auto, steps),
            "fp32 in the default layout, images/s": lambda: _plain_feature_rate(plain, steps),
        },
        3,
    )
    at_least = None if quick or not _has_amx() else 4.0
    what = "features of VGG16, auto vs. fp32 in the default layout"
    return ratio_figure(what, parts, at_least=at_least)


def _feature_rate(workload: Workload, steps: int) -> float:
    images, _ = workload.batch()
    start = time.perf_counter()
    for _ in range(steps):
        extract_features(workload.model, images, workload.compute)
    return workload.batch_size * steps / (time.perf_counter() - start)


def _plain_feature_rate(workload: Workload, steps: int) -> float:
    images = workload.batch()[0].contiguous().float() / 255
    network = workload.model.network.eval()
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(steps):
            network.forward_features(images)
    return workload.batch_size * steps / (time.perf_counter() - start)


def _measure_head(quick: bool) -> Figure:
    """The paper's VGG16 head at batch size 20: our step vs. bf16 with PyTorch's RMSprop."""
    count = 20 if quick else 100
    compute = choose_compute("auto", "auto", threads_per_process(1))
    inputs, labels = torch.randn(20, 25_088), torch.arange(20) % CLASSES
    head = nn.Sequential(
        nn.Linear(25_088, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, CLASSES)
    )
    fused = build_optimizer(
        name="RMSprop",
        head=head,
        backbone=[],
        lr=1e-6,
        backbone_lr_factor=1,
        weight_decay=0,
        momentum=None,
        options={},
    )
    plain = torch.optim.RMSprop(head.parameters(), 1e-6)

    def step_rate(optimizer: torch.optim.Optimizer, bf16: bool) -> float:
        start = time.perf_counter()
        for _ in range(count):
            autocast = torch.autocast("cpu", dtype=torch.bfloat16)
            with autocast if bf16 else compute.precision(inputs):
                logits = head(inputs)
            nn.functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
        return count / (time.perf_counter() - start)

    step_rate(fused, bf16=False)  # warm-up
    parts = alternate(
        {
            "ours, steps/s": lambda: step_rate(fused, bf16=False),
            "bf16 and plain RMSprop, steps/s": lambda: step_rate(plain, bf16=True),
        },
        5,
    )
    return ratio_figure("a training step of the paper's VGG16 head", parts)


def _has_amx() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))

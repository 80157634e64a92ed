"""Automatic precision against fp32: training ResNet50, the features of VGG16, heads on features.

VGG16 in fp32 is in the framework's default layout and nothing of ours: `paper_vgg16_v2`'s backbone
as a plain network.
"""

from __future__ import annotations

import time

import timm
import torch
from torch import nn

from fashion_exp.training.fit import extract
from tests.bench.networks import CLASSES, Learning, bare_steps, batch_of, learning
from tests.bench.runner import Figure, in_turn, ratio


def measure(quick: bool) -> list[Figure]:
    return [*_training(quick), _features(quick), _head(quick)]


def _training(quick: bool) -> list[Figure]:
    size, steps = (128, 1) if quick else (224, 4)
    auto, fp32 = (learning("resnet50", size, 20, precision) for precision in ("auto", "fp32"))
    plain = timm.create_model("resnet50", num_classes=CLASSES)
    parts = in_turn(
        {
            "auto, images/s": lambda: bare_steps(auto, steps),
            "fp32, images/s": lambda: bare_steps(fp32, steps),
            "fp32 in the default layout, images/s": lambda: _plain_steps(plain, size, steps),
        },
        3 if quick else 5,
    )
    first, second, default = parts
    what, least = f"training ResNet50 at {size} px", None if quick or not _has_amx() else 2.5
    return [
        ratio(f"{what}, auto against fp32", parts, (first, second), at_least=least),
        ratio(f"{what}, auto against fp32 in the default layout", parts, (first, default)),
    ]


def _plain_steps(network: nn.Module, size: int, steps: int) -> float:
    """Images a second of the loop that PyTorch's tutorials have, with nothing of ours."""
    images, labels = torch.rand(20, 3, size, size), torch.arange(20) % CLASSES
    optimizer = torch.optim.Adam(network.train().parameters())
    began = time.perf_counter()
    for _ in range(steps):
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return 20 * steps / (time.perf_counter() - began)


def _features(quick: bool) -> Figure:
    steps, batch = (1, 16) if quick else (4, 32)
    vgg = ("model.head=new", "model.pool=flatten")
    auto = learning("vgg16", 224, batch, "auto", *vgg)
    plain = learning("vgg16", 224, batch, "fp32", *vgg)
    plain.model.to(memory_format=torch.contiguous_format)
    parts = in_turn(
        {
            "auto, images/s": lambda: _extracted(auto, steps),
            "fp32, images/s": lambda: _plain(plain, steps),
        },
        3,
    )
    least = None if quick or not _has_amx() else 4.0
    return ratio("VGG16's features, auto against plain fp32", parts, at_least=least)


def _extracted(learned: Learning, steps: int) -> float:
    images, _ = batch_of(learned)
    began = time.perf_counter()
    for _ in range(steps):
        extract(learned.model, images, learned.compute)
    return learned.batch * steps / (time.perf_counter() - began)


def _plain(learned: Learning, steps: int) -> float:
    images = batch_of(learned)[0].contiguous().float() / 255
    network = learned.model.network.eval()
    began = time.perf_counter()
    with torch.inference_mode():
        for _ in range(steps):
            network.forward_features(images)
    return learned.batch * steps / (time.perf_counter() - began)


def _head(quick: bool) -> Figure:
    """The paper's head, 25,088 → 256 → 3 at batch 20: our step against PyTorch's plain RMSprop."""
    from fashion_exp.training.optimizers import build_optimizer

    compute = learning("test_resnet", 64, 20).compute
    inputs, labels = torch.randn(20, 25_088), torch.arange(20) % 3
    head = nn.Sequential(nn.Linear(25_088, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 3))
    ours = build_optimizer(
        "RMSprop", head, nn.Identity(), lr=1e-6, backbone_lr_factor=1, weight_decay=0,
        momentum=None, options={},
    )  # fmt: skip
    theirs = torch.optim.RMSprop(head.parameters(), 1e-6)

    def steps(optimizer: torch.optim.Optimizer, bf16: bool) -> float:
        count = 20 if quick else 100
        began = time.perf_counter()
        for _ in range(count):
            context = (
                torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else compute.precision(inputs)
            )
            with context:
                logits = head(inputs)
            nn.functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
        return count / (time.perf_counter() - began)

    steps(ours, False)
    parts = in_turn(
        {
            "ours, steps/s": lambda: steps(ours, False),
            "bf16 and plain RMSprop, steps/s": lambda: steps(theirs, True),
        },
        5,
    )
    return ratio("a step of the paper's VGG16 head", parts)


def _has_amx() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))

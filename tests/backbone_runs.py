"""Tiny runs with several backbones, whose weights are the fixture `backbone_files`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from fashion_exp.inference.trained_run import TrainedRun, load_run
from tests.conftest import TinyRun

RunTiny = Callable[..., TinyRun]
SIZES = {"test_resnet": 24, "test_efficientnet": 32}


def save_backbones(folder: Path) -> dict[str, Path]:
    """Weights of two networks with different input formats, by name."""
    import timm

    files = {}
    for number, (name, size) in enumerate(SIZES.items()):
        torch.manual_seed(number)
        state = timm.create_model(name, num_classes=0).state_dict()
        interpolation = ("bilinear", "bicubic")[number]
        about = {"size": str(size), "mean": f"{0.4 + number / 10}", "std": "0.25"}
        files[name] = folder / f"{name}.safetensors"
        save_file(state, files[name], about | {"interpolation": interpolation})
    return files


def options(files: dict[str, Path], *backbones: str) -> tuple[str, ...]:
    """Those of a run with these backbones."""
    networks = {name.partition(":")[0] for name in backbones}
    weights = ",".join(f"{name}: {file}" for name, file in files.items() if name in networks)
    return (
        "model=timm", f"model.backbones=[{','.join(backbones)}]", "optim.lr=1e-2",
        f"model.backbone_weights={{{weights}}}", "dataset.image_size=null",
    )  # fmt: skip


def load(run: TinyRun) -> TrainedRun:
    return load_run(run.output, run.output.parent)

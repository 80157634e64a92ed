"""The losses of a run equal those of a plain loop that uses no part of the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.data.batches import shuffled_batches
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.seeding import derive_seed
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def reference(root: Path, split: pd.DataFrame, rows: list[dict[Any, Any]]) -> pd.DataFrame:
    """Convolution 32, ReLU, flatten (as Keras does), dense; Adam 1e-3; batches of 12; 3 epochs."""
    pixels = {r["image_id"]: np.array(Image.open(root / str(r["path"]))) for r in rows}
    table = pd.DataFrame(rows).merge(split[["image_id", "r0f0"]], on="image_id")
    parts = {
        part: (
            torch.stack(
                [torch.from_numpy(pixels[i]).permute(2, 0, 1) for i in part_rows["image_id"]]
            ),
            torch.tensor(part_rows["label"].to_numpy()),
        )
        for part, part_rows in table.groupby("r0f0")
    }
    inputs = {part: (images.float() / 255 - 0.5) / 0.5 for part, (images, _) in parts.items()}
    torch.manual_seed(derive_seed("initialisation", 0, 0, 0))
    convolution = nn.Conv2d(3, 32, 3)
    dense = nn.Linear(32 * 14 * 14, 3)
    optimizer = torch.optim.Adam([*convolution.parameters(), *dense.parameters()], 1e-3)

    def net(images: torch.Tensor) -> torch.Tensor:
        return dense(convolution(images).relu().permute(0, 2, 3, 1).flatten(1))

    history = []
    for epoch in range(3):
        total, hits = 0.0, 0
        labels = parts["train"][1]
        for batch in shuffled_batches(len(labels), 12, derive_seed("order", 0, 0, 0), epoch):
            logits = net(inputs["train"][batch])
            loss = nn.functional.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
            hits += int((logits.argmax(1) == labels[batch]).sum())
        with torch.no_grad():
            validation = nn.functional.cross_entropy(
                net(inputs["validation"]), parts["validation"][1]
            )
        history.append((total / len(labels), hits / len(labels), validation.item()))
    return pd.DataFrame(history, columns=["loss", "accuracy", "validation_loss"])


def test_losses_equal_a_plain_loop(tiny: Callable[..., TinyRun], photos: Path) -> None:
    run = tiny("augmentation=none", "training.epochs=3", "training.precision=fp32")
    frames = pd.concat([run.predictions("validation"), run.predictions("test")])
    split = pd.read_csv(run.output / "split.csv")
    cfg = parse_command_line(["dataset=folder", f"dataset.root={photos}"]).jobs[0].dataset
    rows = load_folder(cfg).rows[["image_id", "path", "label"]].to_dict("records")
    expected = reference(photos, split, rows)
    history = run.history
    train = history[history["part"] == "train"]
    validation = history[history["part"] == "validation"]
    assert len(frames) > 0 and len(train) == 3
    assert train["loss"].to_numpy() == pytest.approx(expected["loss"].to_numpy(), rel=1e-4)
    assert train["accuracy"].to_numpy() == pytest.approx(expected["accuracy"].to_numpy())
    assert validation["loss"].to_numpy() == pytest.approx(
        expected["validation_loss"].to_numpy(), rel=1e-4
    )

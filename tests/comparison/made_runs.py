"""Runs made from right and wrong answers, as training would have left them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.evaluation.predictions import PART_FILES, predictions_frame, write_predictions

CLASSES = ("Dress", "Shirt")
KNOBS: dict[str, Any] = {
    "model.name": "basic_cnn",
    "model.weights": "none",
    "model.dropout": 0.0,
    "optim.lr": 1e-3,
    "split.train_ratio": 0.8,
    "training.epochs": 2,
    "seed": 0,
}


def answers(seed: int, models: int, images: int, accuracy: float) -> np.ndarray:
    """(models, images) right or wrong, images differing in how hard they are."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(99).normal(size=images)
    noise = rng.normal(size=(models, images))
    score = hard + noise
    return (score > np.quantile(score, 1 - accuracy)).astype(float)


def frame(
    part: str, correct: np.ndarray, images: Sequence[str], keys: Sequence[tuple[int, int]],
    groups: Sequence[str] | None = None, classes: Sequence[str] = CLASSES,
) -> pd.DataFrame:  # fmt: skip
    """Predictions (models, images) of `correct`; nan where a model was not asked."""
    frames = []
    for row, (repeat, fold) in zip(correct, keys, strict=True):
        asked = ~np.isnan(row)
        ids = np.array(images)[asked]
        labels = np.arange(len(images))[asked] % len(classes)
        rows = pd.DataFrame(
            {
                "image_id": ids,
                "path": [f"{image}.jpg" for image in ids],
                "group_id": np.array(groups if groups is not None else images)[asked],
                "label": labels,
            }
        )
        said = np.where(row[asked] == 1, labels, (labels + 1) % len(classes))
        p = np.full((len(said), len(classes)), 0.2 / (len(classes) - 1))
        p[np.arange(len(said)), said] = 0.8
        where: dict[str, str | int] = {"part": part, "fold": fold, "repeat": repeat, "seed": repeat}
        frames.append(predictions_frame(rows, classes, p, **where))
    return pd.concat(frames, ignore_index=True)


def made_run(
    folder: Path, name: str, validation: np.ndarray, test: np.ndarray, *, opened: bool = True,
    redrawn: bool = True, keys: Sequence[tuple[int, int]] | None = None,
    groups: Sequence[str] | None = None, classes: Sequence[str] = CLASSES, prefix: str = "",
    updates: int = 40, knobs: dict[str, Any] | None = None, facts: dict[str, str] | None = None,
) -> RunData:  # fmt: skip
    """A finished run of len(test) models; `validation` is (models, images), nan: not asked."""
    keys = keys or [(repeat, 0) for repeat in range(len(test))]
    names = [f"r{repeat}f{fold}" for repeat, fold in keys]
    own = [f"{prefix}v{i:04d}" for i in range(validation.shape[1])]
    held = [f"{prefix}t{i:04d}" for i in range(test.shape[1])]
    (folder / "config").mkdir(parents=True)
    write_predictions(
        frame("validation", validation, own, keys, None, classes), folder / PART_FILES["validation"]
    )
    write_predictions(frame("test", test, held, keys, groups, classes), folder / PART_FILES["test"])
    told = KNOBS | (knobs or {})
    result = {
        "name": name, "output": folder.name, "run": f"id-{name}", "confidence": 0.95,
        "seconds": 1.0, "redrawn": redrawn, "train_sizes": dict.fromkeys(names, 400),
        "facts": {
            "weights": "none: random", "val_selected": "no", "left_out": "0",
            "split_hash": "0123456789abcdef", "test_hash": f"hash{prefix}",
        } | (facts or {}),
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "knobs.json").write_text(json.dumps(told))
    typed = [f"{key}={value}" for key, value in (knobs or {}).items()]
    (folder / "config" / "overrides.yaml").write_text(json.dumps(typed))
    (folder / "config" / "config.yaml").write_text("{}")
    if opened:
        (folder / "test_opened.json").write_text('{"look": 1}')
    _tables(folder, keys, updates, [*own, *held], len(own))
    return load_run(folder)


def _tables(
    folder: Path, keys: Sequence[tuple[int, int]], updates: int, images: Sequence[str], own: int
) -> None:
    history = [
        {"fold": fold, "repeat": repeat, "epoch": epoch, "part": part, "loss": loss,
         "accuracy": 0.5 + epoch / 10, "lr": 1e-3, "kept": epoch == 2}
        for repeat, fold in keys
        for epoch, loss in ((1, 0.7), (2, 0.8))
        for part in ("train", "validation")
    ]  # fmt: skip
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    trainings = [
        {"fold": fold, "repeat": repeat, "images": 400, "updates": updates, "seconds": 1.0,
         "plain_images": 100, "plain_accuracy": 0.99}
        for repeat, fold in keys
    ]  # fmt: skip
    pd.DataFrame(trainings).to_csv(folder / "trainings.csv", index=False)
    split = pd.DataFrame({"image_id": images, "group_id": images, "label": 0})
    for repeat, fold in keys:
        split[f"r{repeat}f{fold}"] = ["validation"] * own + ["test"] * (len(images) - own)
    split.to_csv(folder / "split.csv", index=False)

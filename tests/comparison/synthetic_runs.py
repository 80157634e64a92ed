"""Writes the folders of finished runs from given right and wrong predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.evaluation.predictions import predictions_frame, write_predictions
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.evaluation.test_usage import MARK

CLASSES = ("Dress", "Shirt")
OPTIONS: dict[str, Any] = {
    "model.name": "basic_cnn",
    "model.weights": "none",
    "model.dropout": 0.0,
    "optim.lr": 1e-3,
    "split.train_ratio": 0.8,
    "training.epochs": 2,
    "seed": 0,
}


def random_correctness(seed: int, models: int, images: int, accuracy: float) -> np.ndarray:
    """(models, images) 1 for right and 0 for wrong; the same images are difficult for all seeds."""
    ease = np.random.default_rng(99).normal(size=images)
    score = ease + np.random.default_rng(seed).normal(size=(models, images))
    return (score > np.quantile(score, 1 - accuracy)).astype(float)


def synthetic_predictions(
    part: str,
    correct: np.ndarray,
    images: Sequence[str],
    keys: Sequence[tuple[int, int]],
    groups: Sequence[str] | None = None,
    classes: Sequence[str] = CLASSES,
) -> pd.DataFrame:
    """Predictions from `correct` (models, images): 1 right, 0 wrong, nan not predicted."""
    frames = []
    for row, (repeat, fold) in zip(correct, keys, strict=True):
        predicted = ~np.isnan(row)
        ids = np.array(images)[predicted]
        labels = np.arange(len(images))[predicted] % len(classes)
        rows = pd.DataFrame(
            {
                "image_id": ids,
                "path": [f"{image}.jpg" for image in ids],
                "group_id": np.array(images if groups is None else groups)[predicted],
                "label": labels,
            }
        )
        chosen = np.where(row[predicted] == 1, labels, (labels + 1) % len(classes))
        p = np.full((len(chosen), len(classes)), 0.2 / (len(classes) - 1))
        p[np.arange(len(chosen)), chosen] = 0.8
        frames.append(
            predictions_frame(rows, classes, p, part=part, fold=fold, repeat=repeat, seed=repeat)
        )
    return pd.concat(frames, ignore_index=True)


def make_run(
    folder: Path,
    name: str,
    validation: np.ndarray,
    test: np.ndarray,
    *,
    is_test_evaluated: bool = True,
    redrawn: bool = True,
    keys: Sequence[tuple[int, int]] | None = None,
    groups: Sequence[str] | None = None,
    classes: Sequence[str] = CLASSES,
    prefix: str = "",
    updates: int = 40,
    options: dict[str, Any] | None = None,
    facts: dict[str, str] | None = None,
) -> RunData:
    """A finished run from its correctness on both parts, each (models, images).

    `groups` are those of the test images; `prefix` makes the image ids differ from other runs'.
    """
    keys = keys or [(repeat, 0) for repeat in range(len(test))]
    folds = [f"r{repeat}f{fold}" for repeat, fold in keys]
    images = {
        "validation": [f"{prefix}v{i:04d}" for i in range(validation.shape[1])],
        "test": [f"{prefix}t{i:04d}" for i in range(test.shape[1])],
    }
    (folder / "config").mkdir(parents=True)
    for part, correct, group_ids in (("validation", validation, None), ("test", test, groups)):
        frame = synthetic_predictions(part, correct, images[part], keys, group_ids, classes)
        write_predictions(frame, folder / PART_FILES[part])
    result = {
        "name": name,
        "output": folder.name,
        "run": f"id-{name}",
        "confidence": 0.95,
        "seconds": 1.0,
        "redrawn": redrawn,
        "train_sizes": dict.fromkeys(folds, 400),
        "facts": {
            "weights": "none: random",
            "val_selected": "no",
            "left_out": "0",
            "split_hash": "0123456789abcdef",
            "test_hash": f"hash{prefix}",
        }
        | (facts or {}),
    }
    files = {
        "result.json": result,
        "options.json": OPTIONS | (options or {}),
        "config/overrides.yaml": [f"{key}={value}" for key, value in (options or {}).items()],
        "config/config.yaml": {},
    }
    if is_test_evaluated:
        files[MARK] = {"evaluations": 1}
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content))
    _write_tables(folder, keys, updates, images)
    return load_run(folder)


def _write_tables(
    folder: Path, keys: Sequence[tuple[int, int]], updates: int, images: dict[str, list[str]]
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
    ids = [*images["validation"], *images["test"]]
    parts = np.repeat(["validation", "test"], [len(images["validation"]), len(images["test"])])
    columns = {f"r{repeat}f{fold}": parts for repeat, fold in keys}
    split = pd.DataFrame({"image_id": ids, "group_id": ids, "label": 0} | columns)
    split.to_csv(folder / "split.csv", index=False)

"""What color, size, border or file alone tell of the classes: heads on these few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.photo_columns import border_pixels, inspect_run
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import require_single_labels

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.inspection.image import ImageInspection
    from fashion_exp.judging.judgement import Judgement
    from fashion_exp.stats.interval import Interval

C = 0.1
"""Inverse strength of the penalty. Few standardized numbers and their squares need little of it."""
NETWORK, CHANCE = "network", "most frequent class"
ALARMING_SHARE = 0.5
"""Of the network's gain over chance that a head on a side signal reaches alone."""


@dataclass(frozen=True)
class Shortcut:
    name: str
    accuracy: Interval
    network_minus: float
    low: float | None
    high: float | None
    """Accuracy of the network minus that of this head, with limits for all heads jointly."""
    share: float
    """Of the network's gain over chance."""
    is_above_chance: bool
    """By the test of the design, with Holm's correction over all heads."""

    @property
    def verdict(self) -> str:
        if not self.is_above_chance:
            return "no signal shown"
        return "alarming" if self.share >= ALARMING_SHARE else "some signal"


@dataclass(frozen=True)
class ShortcutControl:
    network: Interval
    chance: float
    part: str
    shortcuts: list[Shortcut]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1, "part": self.part, "chance": self.chance,
            "network": [self.network.estimate, self.network.low, self.network.high],
            "shortcuts": [
                {"name": item.name,
                 "accuracy": [item.accuracy.estimate, item.accuracy.low, item.accuracy.high],
                 "network_minus": [item.network_minus, item.low, item.high],
                 "share_of_gain": item.share, "above_chance": item.is_above_chance,
                 "verdict": item.verdict}
                for item in self.shortcuts
            ],
        }  # fmt: skip


def shortcut_tables(run: RunData, part: str, cache: Path) -> dict[str, pd.DataFrame]:
    """Predictions of the network, of a head on each side signal, and of the most frequent class,
    all under the splits of the run.

    Raises `InputError` for a run whose photos are not there, or whose splits are not known.
    """
    inspected = inspect_run(run, cache)
    images = run.split["image_id"].astype(str).to_list()
    lacking = [i for i in images if i not in inspected or inspected[i].stats is None]
    if lacking:
        raise InputError(
            f"{run.name}: {len(lacking):,} of its {len(images):,} photos are not there, or no "
            "files; the control needs all of them"
        )
    inspections = [inspected[image] for image in images]
    tables = {NETWORK: _network(run, part)}
    for name, features in side_signals(inspections).items():
        tables[name] = _predictions(run, part, features)
    tables[CHANCE] = _predictions(run, part, None)
    for table in tables.values():
        table.attrs["train_sizes"] = dict(run.train_sizes)
    return tables


def side_signals(images: list[ImageInspection]) -> dict[str, np.ndarray]:
    """(n, k) numbers by signal.

    color: mean of each channel, and the largest standard deviation; size: log of width and height,
    and of their ratio; background: mean brightness of the border, its spread, and the means of its
    four sides; file: log of the bytes, of bytes per pixel, of width and height, the JPEG format and
    quality (100 for other formats).
    """
    stats = [image.stats for image in images if image.stats is not None]
    assert len(stats) == len(images), "all images were decoded"
    width, height = (np.log([getattr(s, side) for s in stats]) for side in ("width", "height"))
    size = np.log([max(image.size_bytes, 1) for image in images])
    is_jpeg = [float(image.header is not None and image.header.kind == "JPEG") for image in images]
    quality = [100.0 if i.header is None or i.header.quality is None else i.header.quality
               for i in images]  # fmt: skip
    borders = []
    for s in stats:
        gray, ring = s.gray.astype(np.float64), border_pixels(s.gray)
        sides = (gray[:3], gray[-3:], gray[:, :3], gray[:, -3:])
        borders.append([ring.mean(), ring.std(), *(side.mean() for side in sides)])
    return {
        "color": np.array([[*s.mean_rgb, s.max_std] for s in stats]),
        "size": np.column_stack([width, height, width - height]),
        "background": np.array(borders),
        "file": np.column_stack([size, size - width - height, width, height, is_jpeg, quality]),
    }


def _network(run: RunData, part: str) -> pd.DataFrame:
    frame = run.predictions(part)
    require_single_labels(frame, "shortcuts")
    names = [f"p_{name}" for name in run.classes]
    columns = frame[["image_id", "label", "group_id", *names, "fold", "repeat"]]
    return columns.rename(columns={"image_id": "id", "group_id": "group"})


def _predictions(run: RunData, part: str, features: np.ndarray | None) -> pd.DataFrame:
    """Of a head that each training part of the run determines; None: its most frequent class."""
    split, judged = run.split, run.predictions(part)
    classes = list(run.classes)
    frames = []
    for _, own in judged.groupby(["repeat", "fold"]):
        repeat, fold = int(own["repeat"].iloc[0]), int(own["fold"].iloc[0])
        column = split[f"r{repeat}f{fold}"]
        train = np.flatnonzero(column == "train")
        if not train.size:
            raise InputError(f"{run.name}: which images it was trained on is not known")
        row_of = pd.Series(np.arange(len(split)), index=split["image_id"].astype(str))
        rows = row_of.loc[own["image_id"]].to_numpy()
        labels = split["label"].to_numpy(np.int64)
        if features is None:
            p = np.zeros((len(rows), len(classes)))
            p[:, np.bincount(labels[train], minlength=len(classes)).argmax()] = 1.0
        else:
            p = fit_and_predict(features[train], labels[train], features[rows], len(classes))
        table = pd.DataFrame(p, columns=[f"p_{name}" for name in classes])
        names = {"id": "image_id", "label": "label", "group": "group_id"}
        known = {name: own[column].to_numpy() for name, column in names.items()}
        frames.append(table.assign(**known, fold=fold, repeat=repeat))
    return pd.concat(frames, ignore_index=True)


def fit_and_predict(
    train: np.ndarray, labels: np.ndarray, other: np.ndarray, classes: int, c: float = C,
    squares: bool = True,
) -> np.ndarray:  # fmt: skip
    """Probabilities (n, classes) of a logistic head on standardized features, by default with
    their squares."""
    import torch

    from fashion_exp.training.logistic import solve_logistic
    from fashion_exp.training.logistic_problems import LogisticRows
    from fashion_exp.training.standardize import Standardization

    own, new = torch.from_numpy(train), torch.from_numpy(other)
    standardize = Standardization.of(own)
    own, new = standardize(own), standardize(new)
    if squares:
        own, new = (torch.hstack([x, x.clamp(-5, 5).square()]) for x in (own, new))
    solution = solve_logistic(LogisticRows.of(own, torch.from_numpy(labels), classes), c)
    logits = new @ solution.weight.T + solution.bias
    return np.asarray(logits.softmax(dim=1).numpy())


def control_of(against_network: Judgement, against_chance: Judgement, part: str) -> ShortcutControl:
    """From the same tables, once with the network and once with chance as the baseline."""
    names = list(against_network.names)
    intervals: Mapping[str, Interval] = dict(zip(names, against_network.estimates, strict=True))
    network, chance = intervals[NETWORK], intervals[CHANCE].estimate or 0.0
    gain = (network.estimate or 0.0) - chance
    better = {
        row["a"]: row["verdict"] == "better" for row in against_chance.verdicts.to_dict("records")
    }
    controls = []
    for row in against_network.verdicts.to_dict("records"):
        name = row["a"]
        if name == CHANCE:
            continue
        own = (intervals[name].estimate or 0.0) - chance
        low, high = (None if pd.isna(row[k]) else -row[k] for k in ("high", "low"))
        controls.append(Shortcut(
            name, intervals[name], -row["difference"], low, high,
            own / gain if gain > 0 else 1.0, bool(better[name]),
        ))  # fmt: skip
    order = sorted(controls, key=lambda item: -(item.accuracy.estimate or 0.0))
    return ShortcutControl(network, chance, part, order)

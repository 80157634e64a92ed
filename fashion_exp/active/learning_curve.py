"""Whether more photos would help: accuracies on nested subsets of the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fashion_exp.active.features import fit_head, frozen_features
from fashion_exp.active.finished import digest_of, finished_arrays
from fashion_exp.active.units import Units
from fashion_exp.configuration.schema import Config, Head
from fashion_exp.data.inner_folds import inner_folds
from fashion_exp.data.split import Fold
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest
from fashion_exp.models.solved_heads import DEFAULT_C_FOLDS, DEFAULT_C_GRID
from fashion_exp.reporting.formats import DASH, difference_range, percent, with_limits
from fashion_exp.reporting.progress import Progress
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.seeding import derive_seed
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.stats.power_law import (
    Extrapolation,
    ExtrapolationCheck,
    check_extrapolation,
    extrapolate,
)
from fashion_exp.training.logistic import choose_c
from fashion_exp.training.logistic_problems import LogisticRows
from fashion_exp.training.standardize import Standardization

SHARES = tuple(2 ** (-step / 2) for step in range(6, -1, -1))
"""Of the training part: from an eighth to all of it."""
CHECKED = 5
"""So many of `SHARES`, up to a half, are extrapolated to the last one as a check."""
MIN_REPEATS = 10
MIN_UNITS = 4
"""Different photos of a class in the smallest subset."""


@dataclass(frozen=True)
class LearningCurve:
    sizes: np.ndarray
    """(k,): different training photos, of `class_name` if it is set; the mean over the repeats."""
    accuracies: np.ndarray
    """(repeats, k) on validation photos: of all classes, or of the class alone (its recall)."""
    fitted: Extrapolation
    check: ExtrapolationCheck
    more: int
    class_name: str
    """The class whose photos vary; empty if all do."""
    level: float
    notes: Sequence[str]

    @property
    def gain(self) -> tuple[float, float, float]:
        """Of `more` photos: estimate and limits."""
        now = float(self.sizes[-1])
        return self.fitted.gain(now, now + self.more, self.level)

    def sentences(self) -> list[str]:
        estimate, low, high = self.gain
        photos = f"photos of {self.class_name}" if self.class_name else "photos"
        what = f"recall of {self.class_name}" if self.class_name else "accuracy"
        check = self.check
        verdict = (
            f"{self.more:,} more {photos}: {difference_range(low, high)} points of {what} "
            f"(best guess {100 * estimate:+.1f}), from {self.sizes[-1]:,.0f} now."
        )
        predicted = (
            f"from {check.fitted_up_to:,.0f} {photos} and fewer the curve predicts "
            f"{percent(check.predicted)} for {self.sizes[-1]:,.0f}; measured "
            f"{percent(check.measured)} (predicted less measured: "
            f"{difference_range(check.low, check.high)} points)"
        )
        checked = (
            f"Check missed: {predicted}. Do not trust the verdict beyond its direction."
            if check.missed
            else f"Check passed: {predicted}."
        )
        return [verdict, checked, *self.notes]

    def as_table(self) -> PlainTable:
        """The measured accuracies, the fitted ones, and that with more photos."""
        now = float(self.sizes[-1])
        sizes = np.append(self.sizes, now + self.more)
        measured = [percent(value) for value in self.accuracies.mean(0)]
        rows = [
            (f"{size:,.0f}", seen, with_limits(accuracy, low, high))
            for size, seen, accuracy, low, high in zip(
                sizes, [*measured, DASH], *self.fitted.band(sizes, self.level), strict=True
            )
        ]
        what = f"recall of {self.class_name}" if self.class_name else "accuracy"
        return PlainTable(("training photos", f"{what}, measured", "fitted curve"), rows)

    def as_json(self) -> dict[str, Any]:
        estimate, low, high = self.gain
        law = self.fitted.law
        return {
            "schema": 1,
            "class": self.class_name or None,
            "sizes": self.sizes.tolist(),
            "accuracies": self.accuracies.tolist(),
            "law": {name: float(value[0]) for name, value in law._asdict().items()},
            "more": self.more,
            "gain": {"estimate": estimate, "low": low, "high": high, "level": self.level},
            "check": {**self.check._asdict(), "missed": self.check.missed},
            "sentences": self.sentences(),
        }


@dataclass(frozen=True)
class _Subsets:
    """What the heads of all subsets share."""

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    classes: int
    varied: int | None
    """The class whose photos vary; None for all."""
    seed: int

    def units(self, fold: Fold) -> list[tuple[Units, np.ndarray]]:
        """The units of each subset, nested: within each class the first ones of a random order."""
        units = Units.of(fold.train, self.labels, self.groups)
        rng = np.random.default_rng(derive_seed("subsets", self.seed, fold.name))
        order = rng.permutation(len(units.labels))
        subsets = []
        for share in SHARES:
            chosen = [
                members[: _count(share if self.varied in (None, label) else 1, len(members))]
                for label in range(self.classes)
                if len(members := order[units.labels[order] == label])
            ]
            subsets.append((units, np.concatenate(chosen)))
        return subsets

    def size(self, subset: tuple[Units, np.ndarray]) -> int:
        units, chosen = subset
        if self.varied is None:
            return len(chosen)
        return int((units.labels[chosen] == self.varied).sum())


def _count(share: float, units: int) -> int:
    return max(round(share * units), 1)


def measure_learning_curve(
    cfg: Config, images: ImageTable, progress: Progress, more: int, class_name: str, workers: int,
    folder: Path,
) -> LearningCurve:  # fmt: skip
    """Solves logistic heads on nested subsets of the training part of each fold.

    The C of each size is chosen by cross-validation in the first repeat, unless `model.c` is set.
    The test is not used. Finished heads are kept in `folder`, where the next call finds them.
    Raises `InputError` for a run that trains its backbone, and for too few photos.
    """
    notes = []
    if cfg.model.head is not Head.logistic:
        notes.append(
            f"The curve is of logistic heads on the run's features; its own head is "
            f"model.head={cfg.model.head.value}."
        )
        cfg = replace(cfg, model=replace(cfg.model, head=Head.logistic, hidden=None, c=None))
    if cfg.split.redraw:
        cfg = replace(cfg, repeats=max(cfg.repeats, MIN_REPEATS))
    data = frozen_features(cfg, images, progress, "learning_curve")
    folds, classes = data.split.folds, data.table.classes
    if len(folds) < 2:
        raise InputError("learning_curve: needs two repeats or folds; set split.redraw=true")
    if class_name and class_name not in classes:
        raise InputError(f"--class {class_name}: no such class; {suggest(class_name, classes)}")
    subsets = _Subsets(
        data.features, data.table.labels, data.groups, len(classes),
        classes.index(class_name) if class_name else None, cfg.seed,
    )  # fmt: skip
    _check_sizes(subsets, folds, classes)
    accuracies = _measured(subsets, folds, cfg, folder, workers, progress)
    sizes = np.mean([[subsets.size(s) for s in subsets.units(fold)] for fold in folds], axis=0)
    errors = 1 - accuracies
    notes.append(
        f"{len(folds)} repeats, each with its own training and validation photos; the limits are "
        "a bootstrap over the repeats: for other splits of these photos, not for other photos. The "
        "test was not used."
    )
    return LearningCurve(
        sizes, accuracies, extrapolate(sizes, errors),
        check_extrapolation(sizes, errors, CHECKED, cfg.confidence), more, class_name,
        cfg.confidence, notes,
    )  # fmt: skip


def _measured(
    subsets: _Subsets, folds: Sequence[Fold], cfg: Config, folder: Path, workers: int,
    progress: Progress,
) -> np.ndarray:  # fmt: skip
    """(repeats, k): accuracies on validation photos. Those that are in `folder` are not computed
    again."""
    model = cfg.model
    options = (subsets.varied, cfg.seed, cfg.seeds.order, model.c, model.c_folds, model.c_grid)
    first = [subsets.features, subsets.labels, subsets.groups, folds[0].train]
    digest = digest_of(options, first, ["active/learning_curve.py", "data/inner_folds.py"])
    sizes = range(len(SHARES))
    values = [model.c or 0.0] * len(SHARES)
    if model.c is None:
        of_first = subsets.units(folds[0])
        tasks = {folder / digest / f"c-{size}.npz": size for size in sizes}
        tick = progress.stage("choosing C for each size", len(tasks))
        values = [
            float(arrays["c"])
            for arrays in finished_arrays(
                lambda size: {"c": np.array(_chosen_c(subsets, of_first[size], cfg))}, tasks,
                workers, tick,
            )
        ]  # fmt: skip

    def measure(task: tuple[Fold, int]) -> dict[str, np.ndarray]:
        fold, size = task
        return {"accuracy": np.array(_accuracy(subsets, fold, size, values[size]))}

    heads = {folder / digest / f"{f.name}-{size}.npz": (f, size) for f in folds for size in sizes}
    tick = progress.stage("heads on nested subsets", len(heads))
    accuracies = [arrays["accuracy"] for arrays in finished_arrays(measure, heads, workers, tick)]
    return np.array(accuracies, np.float64).reshape(len(folds), len(SHARES))


def _check_sizes(subsets: _Subsets, folds: Sequence[Fold], classes: Sequence[str]) -> None:
    units, chosen = subsets.units(folds[0])[0]
    counts = np.bincount(units.labels[chosen], minlength=len(classes))
    rarest = int(counts.argmin())
    if counts[rarest] < MIN_UNITS:
        needed = round(MIN_UNITS / SHARES[0])
        raise InputError(
            f"learning_curve: {classes[rarest]} has {counts[rarest]} different photos in an eighth "
            f"of the training part; a curve needs about {needed} of each class in training"
        )


def _chosen_c(subsets: _Subsets, subset: tuple[Units, np.ndarray], cfg: Config) -> float:
    units, chosen = subset
    rows, weights = units.images(chosen)
    labels = subsets.labels[rows]
    folds = inner_folds(
        labels, list(map(str, subsets.groups[rows])), cfg.model.c_folds or DEFAULT_C_FOLDS,
        derive_seed("c_folds", cfg.seeds.order),
    )  # fmt: skip
    x = torch.from_numpy(subsets.features[rows])
    logistic = LogisticRows.of(
        Standardization.of(x)(x), torch.from_numpy(labels), subsets.classes,
        torch.from_numpy(weights),
    )  # fmt: skip
    grid = sorted(cfg.model.c_grid or DEFAULT_C_GRID)
    return choose_c(logistic, grid, torch.from_numpy(folds), lambda _: raise_if_interrupted()).c


def _accuracy(subsets: _Subsets, fold: Fold, size: int, c: float) -> float:
    """On the validation photos of a fold, of the varied class alone if there is one, after the
    subset of number `size`."""
    validation = fold.validation
    if subsets.varied is not None:
        validation = validation[subsets.labels[validation] == subsets.varied]
    units, chosen = subsets.units(fold)[size]
    rows, weights = units.images(chosen)
    head = fit_head(subsets.features[rows], subsets.labels[rows], weights, subsets.classes, c)
    predicted = head.probabilities(subsets.features[validation]).argmax(1)
    return float((predicted == subsets.labels[validation]).mean())

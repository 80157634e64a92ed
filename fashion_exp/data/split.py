"""Which images are trained on, validated on and tested on. Groups are never divided."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import SplitConfig
from fashion_exp.errors import InputError, suggest
from fashion_exp.seeding import derive_seed, derive_seeds


@dataclass(frozen=True)
class Fold:
    """One training: row numbers of the image table, sorted."""

    repeat: int
    fold: int
    train: np.ndarray
    validation: np.ndarray

    @property
    def name(self) -> str:
        return f"r{self.repeat}f{self.fold}"


@dataclass(frozen=True)
class Split:
    """A test set and the trainings on the rest.

    `dropped` are rows outside of an official test folder whose group stands inside it: they are
    in no part. `redrawn` says whether the repeats have cuts of their own.
    """

    test: np.ndarray
    folds: tuple[Fold, ...]
    dropped: np.ndarray
    redrawn: bool

    def manifest(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Where every image stands: image_id, group_id, label, and a column per fold
        ("train", "validation", "test" or "dropped"), sorted by image id."""
        table = rows[["image_id", "group_id", "label"]].copy()
        for fold in self.folds:
            part = np.full(len(rows), "dropped", dtype=object)
            part[fold.train], part[fold.validation], part[self.test] = "train", "validation", "test"
            table[fold.name] = part
        return table.sort_values("image_id", ignore_index=True)


def manifest_hash(manifest: pd.DataFrame) -> str:
    """One word for a split: equal where all ids stand in equal parts of equal folds."""
    return hashlib.sha256(manifest.to_csv(index=False).encode()).hexdigest()[:16]


def make_split(rows: pd.DataFrame, classes: Sequence[str], cfg: SplitConfig, repeats: int) -> Split:
    """The test set, then `repeats` cuts of the rest; `rows` are those of an image table.

    The test set is a function of (class, group ids, `cfg.seed`, `cfg.test_share`) alone: it is
    the same for every `train_ratio`, fold count and repeat, and it mostly survives when images
    are added.

    Raises `InputError` where a class is too small for the split asked.
    """
    if cfg.name not in DEVELOPMENT_SPLITS:
        raise InputError(
            f"split.name={cfg.name}: no such split; {suggest(cfg.name, DEVELOPMENT_SPLITS)}"
        )
    cut = DEVELOPMENT_SPLITS[cfg.name]
    test, dropped = _test_set(rows, cfg)
    development = np.setdiff1d(np.arange(len(rows)), np.concatenate([test, dropped]))
    folds = tuple(
        Fold(repeat, number, development[train], development[validation])
        for repeat in range(repeats)
        for number, (train, validation) in enumerate(
            cut(rows.iloc[development], cfg, repeat if cfg.redraw else 0)
        )
    )
    split = Split(test, folds, dropped, cfg.redraw)
    _check_sizes(rows, classes, split, cfg.name)
    _assert_sound(rows, split)
    return split


def _test_set(rows: pd.DataFrame, cfg: SplitConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the test set, and rows that may be in no part because of it."""
    official = (rows["part"] == "test").to_numpy()
    if not official.any():
        return _first_share(rows, cfg.test_share, ("test", cfg.seed)), np.array([], dtype=np.int64)
    its_groups = set(rows["group_id"][official])
    beside = rows["group_id"].isin(its_groups).to_numpy() & ~official
    return np.flatnonzero(official), np.flatnonzero(beside)


def _first_share(rows: pd.DataFrame, share: float, purpose: tuple[object, ...]) -> np.ndarray:
    """Row positions of about `share` of each class, whole groups, in the order of a hash.

    The hash order is a function of purpose and group id. A larger share contains a smaller one,
    because both are beginnings of the same order.
    """
    groups = _groups(rows)
    groups["order"] = derive_seeds(purpose, groups.index)
    chosen: list[str] = []
    for _, members in groups.sort_values("order").groupby("label", sort=True):
        reached = np.concatenate([[0], np.cumsum(members["size"].to_numpy())])
        target = share * reached[-1]
        chosen.extend(members.index[: int(np.argmin(np.abs(reached - target)))])
    return np.flatnonzero(rows["group_id"].isin(set(chosen)).to_numpy())


def _groups(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a group: its size in images and its commonest class (the first of several)."""
    counted = rows.groupby(["group_id", "label"]).size().reset_index(name="size")
    largest = counted.sort_values(["size", "label"], ascending=[False, True])
    label = largest.drop_duplicates("group_id").set_index("group_id")["label"]
    return pd.DataFrame({"label": label, "size": counted.groupby("group_id")["size"].sum()})


Cut = Iterator[tuple[np.ndarray, np.ndarray]]


def _holdout(rows: pd.DataFrame, cfg: SplitConfig, repeat: int) -> Cut:
    assert cfg.train_ratio is not None
    validation = _first_share(rows, 1 - cfg.train_ratio, ("validation", cfg.seed, repeat))
    yield np.setdiff1d(np.arange(len(rows)), validation), validation


def _kfold(rows: pd.DataFrame, cfg: SplitConfig, repeat: int) -> Cut:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    assert cfg.folds is not None
    smallest = rows["label"].value_counts().min()
    if smallest < cfg.folds:
        raise InputError(
            f"split.folds={cfg.folds}: the smallest class has {smallest} development images; "
            "fewer folds, more images, or dataset.classes without it"
        )
    seed = derive_seed("folds", cfg.seed, repeat) % 2**32
    if rows["group_id"].nunique() < len(rows):
        grouped = StratifiedGroupKFold(cfg.folds, shuffle=True, random_state=seed)
        yield from grouped.split(rows["image_id"], rows["label"], rows["group_id"])
    else:
        plain = StratifiedKFold(cfg.folds, shuffle=True, random_state=seed)
        yield from plain.split(rows["image_id"], rows["label"])


def _official(rows: pd.DataFrame, cfg: SplitConfig, repeat: int) -> Cut:
    train, validation = ((rows["part"] == part).to_numpy() for part in ("train", "validation"))
    if not (train.any() and validation.any()):
        raise InputError(
            f"split=official: the data have {train.sum()} official training and "
            f"{validation.sum()} official validation images; split=holdout draws a cut"
        )
    shared = rows["group_id"].isin(set(rows["group_id"][validation])).to_numpy()
    yield np.flatnonzero(train & ~shared), np.flatnonzero(validation)


def _check_sizes(rows: pd.DataFrame, classes: Sequence[str], split: Split, name: str) -> None:
    labels = rows["label"].to_numpy()
    for fold in split.folds:
        parts = {"test": split.test, "training": fold.train, "validation": fold.validation}
        for part, members in parts.items():
            counts = np.bincount(labels[members], minlength=len(classes))
            if counts.min() > 0:
                continue
            own = rows[labels == int(np.argmin(counts))]
            raise InputError(
                f"split={name}: {classes[int(np.argmin(counts))]} has {len(own)} images in "
                f"{own['group_id'].nunique()} groups, none of them left for the {part} part; "
                "more images, another split.train_ratio or split.test_share, or "
                "dataset.classes without it"
            )


def _assert_sound(rows: pd.DataFrame, split: Split) -> None:
    groups = rows["group_id"].to_numpy()
    test = set(groups[split.test])
    for fold in split.folds:
        train, validation = set(groups[fold.train]), set(groups[fold.validation])
        assert not (train & validation or train & test or validation & test), fold.name


DEVELOPMENT_SPLITS: dict[str, Callable[[pd.DataFrame, SplitConfig, int], Cut]] = {
    "holdout": _holdout,
    "kfold": _kfold,
    "official": _official,
}

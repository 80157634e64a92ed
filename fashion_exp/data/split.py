"""Splits into training, validation and test images; a group is never divided."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import SplitConfig
from fashion_exp.data.table import share_names
from fashion_exp.errors import InputError, suggest
from fashion_exp.seeding import derive_seed, derive_seeds

MIN_STRATUM = 10
"""Images of a set of classes from which on splits have it in equal shares."""


@dataclass(frozen=True)
class Fold:
    """Sorted row numbers of the training and validation images of one training."""

    repeat: int
    fold: int
    train: np.ndarray
    validation: np.ndarray

    @property
    def name(self) -> str:
        return f"r{self.repeat}f{self.fold}"


@dataclass(frozen=True)
class Split:
    """A test set and the folds of the remaining (development) images.

    `dropped` are rows outside the official test part whose group is in it; no part contains them.
    `redrawn` tells whether each repeat draws its own validation images.
    """

    test: np.ndarray
    folds: tuple[Fold, ...]
    dropped: np.ndarray
    redrawn: bool

    def manifest(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The part of every image: image_id, group_id, label, the shares if there are any, and a
        column per fold ("train", "validation", "test" or "dropped"), sorted by image id."""
        table = rows[["image_id", "group_id", "label", *share_names(rows)]].copy()
        for fold in self.folds:
            part = np.full(len(rows), "dropped", dtype=object)
            part[fold.train], part[fold.validation], part[self.test] = "train", "validation", "test"
            table[fold.name] = part
        return table.sort_values("image_id", ignore_index=True)


def fold_columns(manifest: pd.DataFrame) -> pd.DataFrame:
    """The columns of a manifest with the part of each image."""
    return manifest.filter(regex=r"^r\d+f\d+$")


def manifest_hash(manifest: pd.DataFrame) -> str:
    """A hash that is equal for equal splits, whatever the order of the rows."""
    return hashlib.sha256(manifest.to_csv(index=False).encode()).hexdigest()[:16]


def build_split(
    rows: pd.DataFrame, classes: Sequence[str], cfg: SplitConfig, repeats: int
) -> Split:
    """Draw the test set from `rows` of an image table, then `repeats` splits of the rest.

    The test set is a function of the classes, the group ids, `cfg.seed` and `cfg.test_share`: it is
    the same for every `train_ratio`, number of folds and repeat, and adding images changes few of
    its members.

    Raises `InputError` if a class is too small for the split.
    """
    if cfg.name not in DEVELOPMENT_SPLITS:
        raise InputError(
            f"split.name={cfg.name}: unknown split; {suggest(cfg.name, DEVELOPMENT_SPLITS)}"
        )
    split_development = DEVELOPMENT_SPLITS[cfg.name]
    strata = rows.assign(label=_strata(rows))
    test, dropped = _test_set(strata, cfg)
    development = np.setdiff1d(np.arange(len(rows)), np.concatenate([test, dropped]))
    folds = tuple(
        Fold(repeat, number, development[train], development[validation])
        for repeat in range(repeats)
        for number, (train, validation) in enumerate(
            split_development(strata.iloc[development], cfg, repeat if cfg.redraw else 0)
        )
    )
    split = Split(test, folds, dropped, cfg.redraw)
    _check_sizes(rows, classes, split, cfg.name)
    _assert_groups_undivided(rows, split)
    return split


def _strata(rows: pd.DataFrame) -> np.ndarray:
    """(n,) what a split has in equal shares: the class, or the set of classes of a label.

    Images whose set is rare belong to the class with the largest share.
    """
    labels, names = rows["label"].to_numpy(), share_names(rows)
    if not names:
        return labels
    _, sets, counts = np.unique(
        rows[names].to_numpy() > 0, axis=0, return_inverse=True, return_counts=True
    )
    sets = sets.reshape(-1)  # NumPy 2.0 gives it another shape
    sizes = rows[names].gt(0).sum(axis=1).to_numpy()
    own = (sizes > 1) & (counts[sets] >= MIN_STRATUM)
    return np.where(own, len(names) + sets, labels)


def describe_parts(counts: Mapping[str, int], cfg: SplitConfig) -> list[str]:
    """How a split uses the official parts; nothing for data without them.

    `counts` has the number of images of each part.
    """
    train, validation, test, none = (counts.get(p, 0) for p in ("train", "validation", "test", ""))
    if not (validation or test):
        return []
    sentences = []
    if test:
        sentences.append(f"The official test part ({test:,} images) is the test set.")
    if cfg.name == "official":
        if not test:
            sentences.append(
                f"The data have no official test part: the test set is a share of "
                f"{cfg.test_share:g} of each class, drawn from train and validation; the rest of "
                "validation is used for validation alone."
            )
        if none:
            sentences.append(f"Not used, because they are in no official part: {none:,} images.")
    elif validation:
        others = "the other parts" if train else "the other images"
        sentences.append(
            f"The {validation:,} images of the official part validation are pooled with {others} "
            f"and also used for training{'' if test else ' and in the test set'}; split=official "
            "keeps them for validation."
        )
    return [" ".join(sentences)] if sentences else []


def _test_set(rows: pd.DataFrame, cfg: SplitConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the test set, and rows that are dropped because the test set has their group."""
    official = (rows["part"] == "test").to_numpy()
    if not official.any():
        return _draw_share(rows, cfg.test_share, ("test", cfg.seed)), np.array([], dtype=np.int64)
    in_test_groups = rows["group_id"].isin(set(rows["group_id"][official])).to_numpy()
    return np.flatnonzero(official), np.flatnonzero(in_test_groups & ~official)


def _draw_share(rows: pd.DataFrame, share: float, seed_parts: tuple[object, ...]) -> np.ndarray:
    """Row positions of whole groups that hold about `share` of the images of each class.

    Groups are ordered by a hash of `seed_parts` and group id. A larger share contains a smaller
    one, because both are prefixes of the same order.
    """
    groups = _groups(rows)
    groups["order"] = derive_seeds(seed_parts, groups.index)
    drawn: list[str] = []
    for _, members in groups.sort_values("order").groupby("label", sort=True):
        cumulative = np.concatenate([[0], np.cumsum(members["size"].to_numpy())])
        target = share * cumulative[-1]
        drawn.extend(members.index[: int(np.argmin(np.abs(cumulative - target)))])
    return np.flatnonzero(rows["group_id"].isin(set(drawn)).to_numpy())


def _groups(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per group: its number of images and its most frequent class (ties: the first)."""
    counts = rows.groupby(["group_id", "label"]).size().reset_index(name="size")
    largest_first = counts.sort_values(["size", "label"], ascending=[False, True])
    label = largest_first.drop_duplicates("group_id").set_index("group_id")["label"]
    return pd.DataFrame({"label": label, "size": counts.groupby("group_id")["size"].sum()})


FoldPositions = Iterator[tuple[np.ndarray, np.ndarray]]
"""Positions of the training and validation images of each fold among the development images."""


def _holdout(rows: pd.DataFrame, cfg: SplitConfig, repeat: int) -> FoldPositions:
    assert cfg.train_ratio is not None
    validation = _draw_share(rows, 1 - cfg.train_ratio, ("validation", cfg.seed, repeat))
    yield np.setdiff1d(np.arange(len(rows)), validation), validation


def _kfold(rows: pd.DataFrame, cfg: SplitConfig, repeat: int) -> FoldPositions:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    assert cfg.folds is not None
    smallest = min(filter(None, _class_counts(rows).tolist()))
    if smallest < cfg.folds:
        raise InputError(
            f"split.folds={cfg.folds}: the smallest class has {smallest} development images; "
            "use fewer folds, add images, or drop the class from dataset.classes"
        )
    seed = derive_seed("folds", cfg.seed, repeat) % 2**32
    strata, groups = rows["label"], None
    if strata.value_counts().max() < cfg.folds:  # of rare sets of classes only
        strata = strata * 0
    splitter: type[StratifiedKFold | StratifiedGroupKFold] = StratifiedKFold
    if rows["group_id"].nunique() < len(rows):
        splitter, groups = StratifiedGroupKFold, rows["group_id"]
    folds = splitter(cfg.folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a set of classes may be rarer than each of them
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        positions = list(folds.split(rows["image_id"], strata, groups))
    yield from positions


def _official(rows: pd.DataFrame, cfg: SplitConfig, repeat: int) -> FoldPositions:
    train, validation = ((rows["part"] == part).to_numpy() for part in ("train", "validation"))
    if not (train.any() and validation.any()):
        raise InputError(
            f"split=official: the data have {train.sum()} official training and "
            f"{validation.sum()} official validation images; use split=holdout"
        )
    shared = rows["group_id"].isin(set(rows["group_id"][validation])).to_numpy()
    yield np.flatnonzero(train & ~shared), np.flatnonzero(validation)


def _check_sizes(rows: pd.DataFrame, classes: Sequence[str], split: Split, name: str) -> None:
    for fold in split.folds:
        parts = {"test": split.test, "training": fold.train, "validation": fold.validation}
        for part, members in parts.items():
            counts = _class_counts(rows.iloc[members], len(classes))
            if counts.min() > 0:
                continue
            missing = int(np.argmin(counts))
            names = share_names(rows)
            images = rows[rows[names[missing]] > 0 if names else rows["label"] == missing]
            raise InputError(
                f"split={name}: the {part} part gets no image of {classes[missing]}, which has "
                f"{len(images)} images in {images['group_id'].nunique()} groups; add images, "
                "change split.train_ratio or split.test_share, or drop the class from "
                "dataset.classes"
            )


def _class_counts(rows: pd.DataFrame, classes: int = 0) -> np.ndarray:
    """(classes,): the images that have each class in their label."""
    if names := share_names(rows):
        return (rows[names].to_numpy() > 0).sum(axis=0)
    return np.bincount(rows["label"].to_numpy(), minlength=classes)


def _assert_groups_undivided(rows: pd.DataFrame, split: Split) -> None:
    groups = rows["group_id"].to_numpy()
    test = set(groups[split.test])
    for fold in split.folds:
        train, validation = set(groups[fold.train]), set(groups[fold.validation])
        assert not (train & validation or train & test or validation & test), fold.name


# To add a split: write a function (development rows, config, repeat) that yields the training and
# validation positions of each fold, add its key here, and add conf/split/NAME.yaml.
DEVELOPMENT_SPLITS: dict[str, Callable[[pd.DataFrame, SplitConfig, int], FoldPositions]] = {
    "holdout": _holdout,
    "kfold": _kfold,
    "official": _official,
}

"""Splits: groups stay together, and the test set does not depend on swept options."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from fashion_exp.configuration.schema import SplitConfig
from fashion_exp.data.split import Split, build_split, describe_parts, manifest_hash
from fashion_exp.errors import InputError


def make_rows(labels: list[int], groups: list[str] | None = None, part: str = "") -> pd.DataFrame:
    ids = [f"image{i}" for i in range(len(labels))]
    return pd.DataFrame({"image_id": ids, "group_id": groups or ids, "label": labels, "part": part})


def holdout(train_ratio: float = 0.8, seed: int = 0, redraw: bool = True) -> SplitConfig:
    return SplitConfig("holdout", seed, 0.2, redraw, train_ratio)


def kfold(folds: int, redraw: bool = True) -> SplitConfig:
    return SplitConfig("kfold", 0, 0.2, redraw, None, folds)


CLASSES = ("dress", "pullover", "shirt")
BALANCED = make_rows([0, 1, 2] * 1000)


def split_balanced(cfg: SplitConfig, repeats: int = 1) -> Split:
    return build_split(BALANCED, CLASSES, cfg, repeats)


def image_ids(rows: pd.DataFrame, positions: np.ndarray) -> set[str]:
    return set(rows["image_id"].to_numpy()[positions])


@pytest.mark.parametrize(("ratio", "train", "validation"), [(0.8, 1920, 480), (0.5, 1200, 1200)])
def test_holdout_has_requested_sizes(ratio: float, train: int, validation: int) -> None:
    split = split_balanced(holdout(ratio), 2)
    assert len(split.test) == 600
    assert {(len(f.train), len(f.validation)) for f in split.folds} == {(train, validation)}


def test_test_set_does_not_depend_on_ratio_folds_or_repeats() -> None:
    test = split_balanced(holdout(0.8), 5).test
    for cfg, repeats in ((holdout(0.5), 1), (kfold(5), 1), (kfold(2), 3)):
        assert np.array_equal(split_balanced(cfg, repeats).test, test)


def test_subset_of_classes_keeps_its_test_images() -> None:
    subset = BALANCED[BALANCED["label"] < 2].reset_index(drop=True)
    subset_test = build_split(subset, CLASSES[:2], holdout(), 1).test
    test = image_ids(BALANCED, split_balanced(holdout()).test)
    assert image_ids(subset, subset_test) == test & set(subset["image_id"])


def test_adding_images_changes_few_test_images() -> None:
    grown = make_rows([0, 1, 2] * 1100)
    before = image_ids(BALANCED, split_balanced(holdout()).test)
    after = image_ids(grown, build_split(grown, CLASSES, holdout(), 1).test)
    assert len(before & after) > 0.95 * len(before)


def test_validation_sets_are_nested_over_train_ratio() -> None:
    small, large = split_balanced(holdout(0.8), 3), split_balanced(holdout(0.5), 3)
    for small_fold, large_fold in zip(small.folds, large.folds, strict=True):
        assert set(small_fold.validation) < set(large_fold.validation)


def test_redraw_decides_whether_repeats_differ() -> None:
    redrawn = split_balanced(holdout(), 2).folds
    fixed = split_balanced(holdout(redraw=False), 2).folds
    assert set(redrawn[0].validation) != set(redrawn[1].validation)
    assert np.array_equal(fixed[0].validation, fixed[1].validation)


def test_kfold_validates_each_development_image_once() -> None:
    split = split_balanced(kfold(5))
    validated = np.concatenate([fold.validation for fold in split.folds])
    assert np.array_equal(np.sort(np.concatenate([validated, split.test])), np.arange(3000))


def test_5x2cv_swaps_halves_in_five_repeats() -> None:
    split = split_balanced(kfold(2), 5)
    assert [(f.repeat, f.fold) for f in split.folds] == [(r, f) for r in range(5) for f in (0, 1)]
    assert set(split.folds[0].train) == set(split.folds[1].validation)


@settings(max_examples=15, deadline=None)
@given(
    group_sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=30, max_size=80),
    cfg=st.sampled_from([holdout(0.8), holdout(0.5), kfold(2), kfold(3)]),
    is_mixed=st.booleans(),
)
def test_groups_are_never_divided(
    group_sizes: list[tuple[int, int]], cfg: SplitConfig, is_mixed: bool
) -> None:
    """For groups of any size, also if some contain images of two classes."""
    group_sizes = [*group_sizes, *((label, 1) for label in (0, 1, 2) for _ in range(10))]
    labels, groups = [], []
    for number, (label, size) in enumerate(group_sizes):
        first = (label + 1) % 3 if is_mixed and size > 2 else label
        labels += [first] + [label] * (size - 1)
        groups += [f"g{number}"] * size
    rows = make_rows(labels, groups)
    try:
        split = build_split(rows, CLASSES, cfg, 2)
    except InputError:  # a class of ten groups may be too small for a part
        reject()
    group_of = rows["group_id"].to_numpy()
    for fold in split.folds:
        parts = [set(group_of[part]) for part in (fold.train, fold.validation, split.test)]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
        assert len(fold.train) + len(fold.validation) + len(split.test) == len(rows)


def test_groups_of_official_test_part_are_dropped_elsewhere() -> None:
    rows = make_rows([0, 1] * 30, [f"g{i // 2}" for i in range(60)])
    rows.loc[40:, "part"] = "test"
    rows.loc[0, "group_id"] = "g25"
    split = build_split(rows, CLASSES[:2], holdout(), 1)
    assert list(split.test) == list(range(40, 60)) and list(split.dropped) == [0]
    assert 0 not in {*split.folds[0].train, *split.folds[0].validation}


def test_official_split_uses_official_parts() -> None:
    rows = make_rows([0, 1] * 50)
    rows["part"] = ["train"] * 70 + ["validation"] * 30
    cfg = SplitConfig("official", 0, 0.2, False)
    split = build_split(rows, CLASSES[:2], cfg, 2)
    test = set(build_split(rows, CLASSES[:2], holdout(), 1).test)
    assert set(split.test) == test
    assert set(split.folds[0].validation) == set(range(70, 100)) - test
    with pytest.raises(InputError, match="0 official training"):
        build_split(make_rows([0, 1] * 50), CLASSES[:2], cfg, 1)


OFFICIAL = SplitConfig("official", 0, 0.2, False)


def described(cfg: SplitConfig, none: int = 0, **counts: int) -> str:
    return " ".join(describe_parts(counts | {"": none}, cfg))


def test_use_of_official_parts_is_described() -> None:
    assert described(holdout(), none=60) == described(holdout(), train=60) == ""
    assert described(kfold(2), train=40, validation=20) == (
        "The 20 images of the official part validation are pooled with the other parts and also "
        "used for training and in the test set; split=official keeps them for validation."
    )
    assert described(holdout(), train=40, validation=20, test=20) == (
        "The official test part (20 images) is the test set. The 20 images of the official part "
        "validation are pooled with the other parts and also used for training; split=official "
        "keeps them for validation."
    )
    assert described(OFFICIAL, train=40, validation=20, test=20, none=10) == (
        "The official test part (20 images) is the test set. Not used, because they are in no "
        "official part: 10 images."
    )
    text = described(OFFICIAL, train=40, validation=20)
    assert "no official test part: the test set is a share of 0.2 of each class" in text
    assert text.endswith("the rest of validation is used for validation alone.")


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (holdout(), "the validation part gets no image of shirt, which has 3 images in 3 groups"),
        (kfold(5), "split.folds=5: the smallest class has 2 development images"),
    ],
)
def test_rejects_too_few_images(cfg: SplitConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_split(make_rows([0] * 50 + [1] * 50 + [2] * 3), CLASSES, cfg, 1)


def test_manifest_hash_identifies_split_whatever_the_row_order() -> None:
    shuffled = BALANCED.sample(frac=1, random_state=0).reset_index(drop=True)
    hashes = [
        manifest_hash(build_split(rows, CLASSES, cfg, 1).manifest(rows))
        for rows, cfg in ((BALANCED, holdout()), (shuffled, holdout()), (BALANCED, holdout(seed=1)))
    ]
    assert hashes[0] == hashes[1] != hashes[2]

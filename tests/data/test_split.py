"""No group on two sides, whatever the groups; and the test set survives what is swept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from fashion_exp.configuration.schema import SplitConfig
from fashion_exp.data.split import make_split, manifest_hash
from fashion_exp.errors import InputError


def rows(labels: list[int], groups: list[str] | None = None, part: str = "") -> pd.DataFrame:
    ids = [f"image{i}" for i in range(len(labels))]
    return pd.DataFrame({"image_id": ids, "group_id": groups or ids, "label": labels, "part": part})


def holdout(train_ratio: float = 0.8, seed: int = 0, redraw: bool = True) -> SplitConfig:
    return SplitConfig("holdout", seed, 0.2, redraw, train_ratio)


def kfold(folds: int, redraw: bool = True) -> SplitConfig:
    return SplitConfig("kfold", 0, 0.2, redraw, None, folds)


NAMES = ("dress", "pullover", "shirt")
BALANCED = rows([0, 1, 2] * 1000)


def ids(table: pd.DataFrame, chosen: np.ndarray) -> set[str]:
    return set(table["image_id"].to_numpy()[chosen])


def test_three_thousand_images_give_the_papers_numbers() -> None:
    for ratio, train, validation in ((0.8, 1920, 480), (0.5, 1200, 1200)):
        split = make_split(BALANCED, NAMES, holdout(ratio), 2)
        assert len(split.test) == 600
        assert {(len(f.train), len(f.validation)) for f in split.folds} == {(train, validation)}


def test_the_test_set_is_the_same_for_every_ratio_fold_count_and_repeat() -> None:
    splits = [
        make_split(BALANCED, NAMES, cfg, repeats)
        for cfg, repeats in ((holdout(0.8), 5), (holdout(0.5), 1), (kfold(5), 1), (kfold(2), 3))
    ]
    assert all(np.array_equal(split.test, splits[0].test) for split in splits)


def test_a_class_subset_keeps_its_test_images() -> None:
    two = BALANCED[BALANCED["label"] < 2].reset_index(drop=True)
    whole = ids(BALANCED, make_split(BALANCED, NAMES, holdout(), 1).test)
    assert ids(two, make_split(two, NAMES[:2], holdout(), 1).test) == whole & set(two["image_id"])


def test_the_test_set_survives_growth_but_for_a_few_at_its_border() -> None:
    grown = rows([0, 1, 2] * 1100)
    before = ids(BALANCED, make_split(BALANCED, NAMES, holdout(), 1).test)
    after = ids(grown, make_split(grown, NAMES, holdout(), 1).test)
    assert len(before & after) > 0.95 * len(before)


def test_validation_sets_are_nested_over_the_ratio() -> None:
    for small, large in zip(
        make_split(BALANCED, NAMES, holdout(0.8), 3).folds,
        make_split(BALANCED, NAMES, holdout(0.5), 3).folds,
        strict=True,
    ):
        assert set(small.validation) < set(large.validation)


def test_repeats_are_redrawn_unless_the_cut_is_kept() -> None:
    redrawn = make_split(BALANCED, NAMES, holdout(), 2).folds
    kept = make_split(BALANCED, NAMES, holdout(redraw=False), 2).folds
    assert set(redrawn[0].validation) != set(redrawn[1].validation)
    assert np.array_equal(kept[0].validation, kept[1].validation)


def test_kfold_validates_every_development_image_once() -> None:
    split = make_split(BALANCED, NAMES, kfold(5), 1)
    validated = np.concatenate([fold.validation for fold in split.folds])
    assert np.array_equal(np.sort(np.concatenate([validated, split.test])), np.arange(3000))


def test_5x2cv_halves_five_times() -> None:
    split = make_split(BALANCED, NAMES, kfold(2), 5)
    assert [(f.repeat, f.fold) for f in split.folds] == [(r, f) for r in range(5) for f in (0, 1)]
    assert set(split.folds[0].train) == set(split.folds[1].validation)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=30, max_size=80),
    cfg=st.sampled_from([holdout(0.8), holdout(0.5), kfold(2), kfold(3)]),
    mixed=st.booleans(),
)
def test_no_group_is_on_two_sides(
    sizes: list[tuple[int, int]], cfg: SplitConfig, mixed: bool
) -> None:
    """Whatever the sizes of the groups, and where some hold images of two classes."""
    sizes = [*sizes, *((label, 1) for label in (0, 1, 2) for _ in range(10))]
    labels, groups = [], []
    for number, (label, size) in enumerate(sizes):
        own = [label] * size
        own[0] = (label + 1) % 3 if mixed and size > 2 else label
        labels += own
        groups += [f"g{number}"] * size
    table = rows(labels, groups)
    try:
        split = make_split(table, NAMES, cfg, 2)
    except InputError:  # a class of ten groups may have none for a part, which is refused
        reject()
    group_of = table["group_id"].to_numpy()
    for fold in split.folds:
        sides = [set(group_of[part]) for part in (fold.train, fold.validation, split.test)]
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
        assert len(fold.train) + len(fold.validation) + len(split.test) == len(table)


def test_an_official_test_folder_is_the_test_and_its_groups_are_in_no_other_part() -> None:
    table = rows([0, 1] * 30, [f"g{i // 2}" for i in range(60)])
    table.loc[40:, "part"] = "test"
    table.loc[0, "group_id"] = "g25"
    split = make_split(table, NAMES[:2], holdout(), 1)
    assert list(split.test) == list(range(40, 60)) and list(split.dropped) == [0]
    assert 0 not in {*split.folds[0].train, *split.folds[0].validation}


def test_official_takes_the_official_parts() -> None:
    table = rows([0, 1] * 50)
    table["part"] = ["train"] * 70 + ["validation"] * 30
    official = SplitConfig("official", 0, 0.2, False)
    split = make_split(table, NAMES[:2], official, 2)
    held_out = set(make_split(table, NAMES[:2], holdout(), 1).test)
    assert set(split.test) == held_out
    assert set(split.folds[0].validation) == set(range(70, 100)) - held_out
    with pytest.raises(InputError, match="0 official training"):
        make_split(rows([0, 1] * 50), NAMES[:2], official, 1)


@pytest.mark.parametrize(
    ("cfg", "told"),
    [
        (holdout(), "shirt has 3 images in 3 groups, none of them left for the validation part"),
        (kfold(5), "split.folds=5: the smallest class has 2 development images"),
    ],
)
def test_too_few_images_is_an_error_with_the_numbers(cfg: SplitConfig, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_split(rows([0] * 50 + [1] * 50 + [2] * 3), NAMES, cfg, 1)


def test_the_manifests_hash_tells_splits_apart_and_not_their_order() -> None:
    split = make_split(BALANCED, NAMES, holdout(), 1)
    other = make_split(BALANCED, NAMES, holdout(seed=1), 1)
    shuffled = BALANCED.sample(frac=1, random_state=0).reset_index(drop=True)
    same = make_split(shuffled, NAMES, holdout(), 1)
    hashes = [
        manifest_hash(s.manifest(t))
        for s, t in ((split, BALANCED), (same, shuffled), (other, BALANCED))
    ]
    assert hashes[0] == hashes[1] != hashes[2]

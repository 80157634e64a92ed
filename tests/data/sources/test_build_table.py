"""Image tables: copies, label conflicts, official parts and groups."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.data.sources.build_table import ITEM_COLUMNS, build_table, merge_groups
from fashion_exp.data.table import COLUMNS, ImageTable

SETTINGS = settings(deadline=None, max_examples=25)
Item = tuple[str, str, str, str]
TWO_CLASSES = ("dress", "shirt")


def build(*items: Item, classes: tuple[str, ...] = TWO_CLASSES) -> ImageTable:
    """From (path, label, part, image_id); each path is its own file, each image its own group."""
    rows = [(path, path, label, part, image, image) for path, label, part, image in items]
    return build_from_rows(rows, classes)


def build_from_rows(
    rows: Sequence[tuple[str, ...]], classes: tuple[str, ...] = TWO_CLASSES
) -> ImageTable:
    items = pd.DataFrame(rows, columns=list(ITEM_COLUMNS), dtype=object)
    return build_table("test", items, classes, lambda row: np.array([[row]]), 8)


def test_rows_are_sorted_and_read_their_own_image() -> None:
    table = build(("z", "shirt", "", "b"), ("y", "dress", "", "c"), ("x", "shirt", "", "a"))
    assert list(table.rows.columns) == list(COLUMNS)
    assert table.rows["path"].tolist() == ["y", "x", "z"]
    assert table.labels.tolist() == [0, 1, 1]
    assert [table.read(row).item() for row in range(3)] == [1, 2, 0]


def test_copies_within_class_become_one_row() -> None:
    table = build(("b", "dress", "", "1"), ("a", "dress", "", "1"), ("c", "shirt", "", "2"))
    assert table.rows[["path", "copies"]].values.tolist() == [["a", 2], ["c", 1]]
    assert table.notes == ("Exact copies of other images, counted but not used: 1.",)
    assert table.file_count == 3


def test_two_paths_to_one_file_count_once() -> None:
    rows = [(path, "real", "dress", "", "1", "1") for path in ("link", "target")]
    table = build_from_rows(rows)
    assert table.rows[["path", "copies"]].values.tolist() == [["link", 1]]


def test_paths_of_copies_are_known() -> None:
    table = build(("b", "dress", "", "1"), ("a", "dress", "", "1"), ("c", "shirt", "", "2"))
    assert table.copy_paths == {"1": ("a", "b")}


def test_image_with_two_classes_is_left_out() -> None:
    table = build(
        ("a", "dress", "", "1"),
        ("b", "shirt", "", "1"),
        ("c", "dress", "", "1"),
        ("d", "dress", "", "2"),
    )
    assert table.rows["path"].tolist() == ["d"]
    assert table.left_out.values.tolist() == [
        ["a", "label conflict: dress here, shirt in b"],
        ["b", "label conflict: shirt here, dress in a"],
        ["c", "label conflict: dress here, shirt in b"],
    ]
    assert table.file_count == 4


def test_conflict_of_three_classes_names_both_others() -> None:
    classes = ("dress", "hat", "shirt")
    table = build(*((name[0], name, "", "1") for name in classes), classes=classes)
    assert len(table) == 0
    assert table.left_out["reason"][1] == "label conflict: hat here, dress in d and shirt in s"


def test_image_in_two_official_parts_stays_in_one() -> None:
    table = build(
        ("train/1", "dress", "train", "1"),
        ("test/1", "dress", "test", "1"),
        ("train/2", "dress", "train", "2"),
        ("train/2b", "dress", "train", "2"),
        ("validation/2", "dress", "validation", "2"),
        ("validation/3", "dress", "validation", "3"),
        ("test/3", "dress", "test", "3"),
        ("train/4", "dress", "train", "4"),
        classes=("dress",),
    )
    assert table.rows["path"].tolist() == ["test/1", "validation/2", "test/3", "train/4"]
    assert table.rows["copies"].tolist() == [2, 3, 2, 1]
    assert table.notes[1:] == (
        "Images of train that are also in test, used only there: 1.",
        "Images of train that are also in validation, used only there: 1.",
        "Images of validation that are also in test, used only there: 1.",
    )


def test_class_missing_from_official_part_is_noted() -> None:
    table = build(("a", "dress", "train", "1"), ("b", "shirt", "test", "2"))
    assert table.notes == (
        "The official part test has no image of dress.",
        "The official part train has no image of shirt.",
    )


def test_groups_that_share_an_image_are_merged() -> None:
    pairs = [("1", "c"), ("1", "b"), ("2", "b"), ("2", "a"), ("3", "a"), ("4", "d")]
    table = build_from_rows([(str(i), str(i), "dress", "", *pair) for i, pair in enumerate(pairs)])
    assert dict(table.rows[["image_id", "group_id"]].values) == {
        "1": "a", "2": "a", "3": "a", "4": "d",
    }  # fmt: skip


def test_image_with_label_conflict_still_merges_its_groups() -> None:
    table = build_from_rows(
        [
            ("1", "1", "dress", "", "x", "a"),
            ("2", "2", "shirt", "", "x", "b"),
            ("3", "3", "shirt", "", "y", "b"),
        ]
    )
    assert table.rows["group_id"].tolist() == ["a"]


def test_no_items_give_empty_table() -> None:
    table = build_from_rows([])
    assert len(table) == 0 and table.file_count == 0 and table.labels.dtype == np.int64


ITEMS = st.lists(
    st.tuples(
        st.integers(0, 9).map(str),  # file; two files show each image
        st.sampled_from(["dress", "shirt"]),
        st.sampled_from(["train", "validation", "test", ""]),
        st.integers(0, 6).map(str),
    ),
    max_size=25,
)


@SETTINGS
@given(ITEMS, st.randoms(use_true_random=False))
@pytest.mark.slow
def test_table_does_not_depend_on_item_order(items: list[Item], rng: random.Random) -> None:
    rows = [
        (f"{file}-{label}-{part}-{group}", file, label, part, str(int(file) // 2), group)
        for file, label, part, group in dict.fromkeys(items)
    ]
    first, second = build_from_rows(rows), build_from_rows(rng.sample(rows, len(rows)))
    pd.testing.assert_frame_equal(first.rows, second.rows)
    pd.testing.assert_frame_equal(first.left_out, second.left_out)
    assert first.notes == second.notes and first.fingerprint == second.fingerprint
    assert first.rows["image_id"].is_unique
    labels: dict[str, set[str]] = {}
    for _, _, label, _, image, _ in rows:
        labels.setdefault(image, set()).add(label)
    assert set(first.rows["image_id"]) == {i for i, names in labels.items() if len(names) == 1}


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_groups_are_merged_exactly_if_a_chain_of_images_joins_them(
    pairs: list[tuple[int, int]],
) -> None:
    items = pd.DataFrame(
        [(f"i{image}", f"g{group}") for image, group in pairs], columns=["image_id", "group_id"]
    )
    is_reachable = np.eye(18, dtype=bool)
    for image, group in pairs:
        is_reachable[image, 9 + group] = is_reachable[9 + group, image] = True
    for _ in range(5):
        is_reachable = (is_reachable.astype(int) @ is_reachable.astype(int)) > 0
    groups = merge_groups(items)
    for i, (first, _) in enumerate(pairs):
        for j, (second, _) in enumerate(pairs):
            assert (groups[i] == groups[j]) == is_reachable[first, second]

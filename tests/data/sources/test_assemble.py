"""Copies, conflicts, official parts and groups."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.data.sources.assemble import FOUND_COLUMNS, assemble, merged_groups
from fashion_exp.data.table import COLUMNS, ImageTable

LAW = settings(deadline=None, max_examples=25)  # other work on the machine is no failure of a law
Place = tuple[str, str, str, str]


def table(*places: Place, classes: tuple[str, ...] = ("dress", "shirt")) -> ImageTable:
    """From (path, label, part, image_id); each path is a file of its own, each image a group."""
    listed = [(path, path, label, part, image, image) for path, label, part, image in places]
    return of(listed, classes)


def of(
    listed: Sequence[tuple[str, ...]], classes: tuple[str, ...] = ("dress", "shirt")
) -> ImageTable:
    found = pd.DataFrame(listed, columns=list(FOUND_COLUMNS), dtype=object)
    return assemble("test", found, classes, lambda row: np.array([[row]]), 8)


def test_rows_are_sorted_by_class_and_image_and_read_their_own_picture() -> None:
    images = table(("z", "shirt", "", "b"), ("y", "dress", "", "c"), ("x", "shirt", "", "a"))
    assert list(images.rows.columns) == list(COLUMNS)
    assert images.rows["path"].tolist() == ["y", "x", "z"]
    assert images.labels.tolist() == [0, 1, 1]
    assert [images.read(row).item() for row in range(3)] == [1, 2, 0]


def test_copies_within_a_class_become_one_counted_row() -> None:
    images = table(("b", "dress", "", "1"), ("a", "dress", "", "1"), ("c", "shirt", "", "2"))
    assert images.rows[["path", "copies"]].values.tolist() == [["a", 2], ["c", 1]]
    assert images.notes == ("Exact copies of other images, counted and not used twice: 1.",)
    assert images.found == 3


def test_one_file_reached_twice_is_one_copy() -> None:
    listed = [(path, "real", "dress", "", "1", "1") for path in ("link", "place")]
    assert of(listed).rows[["path", "copies"]].values.tolist() == [["link", 1]]


def test_a_picture_under_two_classes_is_left_out_wherever_it_is() -> None:
    images = table(
        ("a", "dress", "", "1"),
        ("b", "shirt", "", "1"),
        ("c", "dress", "", "1"),
        ("d", "dress", "", "2"),
    )
    assert images.rows["path"].tolist() == ["d"]
    assert images.left_out.values.tolist() == [
        ["a", "label conflict: dress here, shirt in b"],
        ["b", "label conflict: shirt here, dress in a"],
        ["c", "label conflict: dress here, shirt in b"],
    ]
    assert images.found == 4


def test_a_picture_under_three_classes_names_the_two_others() -> None:
    places = [(name[0], name, "", "1") for name in ("dress", "hat", "shirt")]
    images = table(*places, classes=("dress", "hat", "shirt"))
    assert len(images) == 0
    assert images.left_out["reason"][1] == "label conflict: hat here, dress in d and shirt in s"


def test_a_picture_in_two_official_parts_stays_in_the_one_that_wins() -> None:
    images = table(
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
    assert images.rows["path"].tolist() == ["test/1", "validation/2", "test/3", "train/4"]
    assert images.rows["copies"].tolist() == [2, 3, 2, 1]
    assert images.notes[1:] == (
        "Pictures of train that are also in test, used there only: 1.",
        "Pictures of train that are also in validation, used there only: 1.",
        "Pictures of validation that are also in test, used there only: 1.",
    )


def test_a_class_that_an_official_part_lacks_is_noted() -> None:
    images = table(("a", "dress", "train", "1"), ("b", "shirt", "test", "2"))
    assert images.notes == (
        "The official part test has no image of dress.",
        "The official part train has no image of shirt.",
    )


def test_groups_that_share_a_picture_become_one() -> None:
    pairs = [("1", "c"), ("1", "b"), ("2", "b"), ("2", "a"), ("3", "a"), ("4", "d")]
    images = of([(str(i), str(i), "dress", "", *pair) for i, pair in enumerate(pairs)])
    assert dict(images.rows[["image_id", "group_id"]].values) == {
        "1": "a", "2": "a", "3": "a", "4": "d",
    }  # fmt: skip


def test_a_picture_left_out_for_its_labels_still_joins_its_groups() -> None:
    images = of(
        [
            ("1", "1", "dress", "", "x", "a"),
            ("2", "2", "shirt", "", "x", "b"),
            ("3", "3", "shirt", "", "y", "b"),
        ]
    )
    assert images.rows["group_id"].tolist() == ["a"]


def test_nothing_found_is_an_empty_table() -> None:
    images = of([])
    assert len(images) == 0 and images.found == 0 and images.labels.dtype == np.int64


places = st.lists(
    st.tuples(
        st.integers(0, 9).map(str),  # file, and with it the picture: two files each
        st.sampled_from(["dress", "shirt"]),
        st.sampled_from(["train", "validation", "test", ""]),
        st.integers(0, 6).map(str),
    ),
    max_size=25,
)


@LAW
@given(places, st.randoms(use_true_random=False))
def test_the_table_does_not_depend_on_the_order_of_finding(
    drawn: list[Place], chance: random.Random
) -> None:
    listed = [
        (f"{file}-{label}-{part}-{group}", file, label, part, str(int(file) // 2), group)
        for file, label, part, group in dict.fromkeys(drawn)
    ]
    shuffled = chance.sample(listed, len(listed))
    one, other = of(listed), of(shuffled)
    pd.testing.assert_frame_equal(one.rows, other.rows)
    pd.testing.assert_frame_equal(one.left_out, other.left_out)
    assert one.notes == other.notes and one.fingerprint == other.fingerprint
    assert one.rows["image_id"].is_unique
    by_image = {image: {e[2] for e in listed if e[4] == image} for image in {e[4] for e in listed}}
    assert set(one.rows["image_id"]) == {i for i, found in by_image.items() if len(found) == 1}


@LAW
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_two_rows_share_a_group_exactly_if_a_chain_of_pictures_joins_them(
    pairs: list[tuple[int, int]],
) -> None:
    found = pd.DataFrame(
        [(f"i{image}", f"g{group}") for image, group in pairs], columns=["image_id", "group_id"]
    )
    reach = np.eye(18, dtype=bool)
    for image, group in pairs:
        reach[image, 9 + group] = reach[9 + group, image] = True
    for _ in range(5):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    merged = merged_groups(found)
    for one, (image, _) in enumerate(pairs):
        for other, (image2, _) in enumerate(pairs):
            assert (merged[one] == merged[other]) == reach[image, image2]

"""Files of label decisions: their meaning and their errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fashion_exp.data.label_decisions import (
    Decision,
    count_changes,
    read_data_path,
    read_decisions,
    resolve_decisions,
)
from fashion_exp.data.label_versions import Labels
from fashion_exp.errors import InputError

CURRENT: dict[str, Labels] = {"a": ("dress",), "b": ("shirt",), "c": ("dress", "shirt"), "d": ()}
CLASSES = ("dress", "shirt", "t-shirt", "top|vest")


def make_decision(image: str, given: str, decision: str, line: int = 2) -> Decision:
    return Decision(f"d.csv, line {line}", image, given, decision)


def resolve(*decisions: Decision) -> dict[str, Labels]:
    return resolve_decisions(decisions, CURRENT, CLASSES, "photos")


@pytest.mark.parametrize(
    ("image", "given", "decision", "labels"),
    [
        ("a", "dress", "shirt", ("shirt",)),
        ("a", "dress", "keep", ("dress",)),
        ("a", "dress", "exclude", ()),
        ("a", "dress", "t-shirt | dress", ("dress", "t-shirt")),
        ("a", "dress", "top|vest", ("top|vest",)),
        ("c", "shirt|dress", "dress", ("dress",)),
        ("c", "dress|shirt", "keep", ("dress", "shirt")),
        ("d", "exclude", "dress", ("dress",)),
        ("b", "dress", "shirt", ("shirt",)),  # already in force
    ],
)
def test_decision_gives_labels(image: str, given: str, decision: str, labels: Labels) -> None:
    assert resolve(make_decision(image, given, decision)) == {image: labels}


@pytest.mark.parametrize(
    ("image", "given", "decision", "message"),
    [
        ("z", "dress", "shirt", "d.csv, line 2: no image 'z' in photos"),
        ("a", "dress", "shrit", "line 2: no class 'shrit'; did you mean shirt"),
        ("a", "dress", "Keep", "line 2: no class 'Keep'; did you mean keep"),
        ("a", "shirt", "t-shirt", "image a is labeled dress now, not shirt"),
        ("a", "shirt", "keep", "image a is labeled dress now, not shirt"),
        ("a", "", "shirt", "not empty"),
        ("a", "dress", "keep|shirt", "'keep' cannot be combined with a class"),
        ("a", "dress", "shirt|exclude", "'exclude' cannot be combined with a class"),
    ],
)
def test_rejects_decision_that_does_not_fit(
    image: str, given: str, decision: str, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        resolve(make_decision(image, given, decision))


def test_repeated_decisions_must_agree() -> None:
    first = make_decision("a", "dress", "shirt")
    assert resolve(first, make_decision("a", "dress", "shirt", 3)) == {"a": ("shirt",)}
    with pytest.raises(
        InputError, match=r"d\.csv, line 5: .* image a differs from the one in d\.csv, line 2"
    ):
        resolve(first, make_decision("a", "dress", "exclude", 5))


def test_rejects_class_named_like_keyword() -> None:
    with pytest.raises(InputError, match="the class name 'keep' is reserved"):
        resolve_decisions([], CURRENT, [*CLASSES, "keep"], "photos")


def test_skips_rows_without_decision(tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_bytes(
        b"\xef\xbb\xbfimage_id, given ,decision,data\r\na,dress,,\r\n\r\n"
        b"b, shirt , keep ,/photos\r\n"
    )
    assert read_decisions(file) == [Decision(f"{file}, line 4", "b", "shirt", "keep")]
    assert read_data_path(file) == Path("/photos")


def test_rejects_invalid_or_missing_file(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("imageid,given,decision\n")
    with pytest.raises(InputError, match="has no column 'image_id'; did you mean imageid"):
        read_decisions(tmp_path / "d.csv")
    with pytest.raises(InputError, match="no such file"):
        read_decisions(tmp_path / "none.csv")


def test_rejects_file_about_two_data_sets(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("data\none\ntwo\n")
    with pytest.raises(InputError, match="names 2 data sets"):
        read_data_path(tmp_path / "d.csv")


def test_counts_changes_from_original_labels() -> None:
    overrides: dict[str, Labels] = {"a": ("dress",), "b": ("dress",), "c": ("x", "y"), "d": ()}
    original: dict[str, Labels] = {"a": ("dress",), "b": ("shirt",)}
    assert count_changes(overrides, original) == {
        "relabelled": 1, "several": 1, "excluded": 1, "kept": 1,
    }  # fmt: skip

"""Files of decisions: what they mean, and how each mistake in them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.data.label_decisions import Decision, counts, data_named, decided, read_decisions
from fashion_exp.data.label_versions import Labels
from fashion_exp.errors import InputError

NOW: dict[str, Labels] = {"a": ("dress",), "b": ("shirt",), "c": ("dress", "shirt"), "d": ()}
CLASSES = ("dress", "shirt", "t-shirt", "top|vest")


def one(image: str, given: str, decision: str, line: int = 2) -> Decision:
    return Decision(f"d.csv, line {line}", image, given, decision)


@pytest.mark.parametrize(
    ("decision", "labels"),
    [
        (one("a", "dress", "shirt"), ("shirt",)),
        (one("a", "dress", "keep"), ("dress",)),
        (one("a", "dress", "exclude"), ()),
        (one("a", "dress", "t-shirt | dress"), ("dress", "t-shirt")),
        (one("a", "dress", "top|vest"), ("top|vest",)),
        (one("c", "shirt|dress", "dress"), ("dress",)),
        (one("c", "dress|shirt", "keep"), ("dress", "shirt")),
        (one("d", "exclude", "dress"), ("dress",)),
        (one("b", "dress", "shirt"), ("shirt",)),  # stands already: applied before
    ],
)
def test_what_a_decision_means(decision: Decision, labels: Labels) -> None:
    assert decided([decision], NOW, CLASSES, "photos") == {decision.image_id: labels}


@pytest.mark.parametrize(
    ("decisions", "told"),
    [
        ([one("z", "dress", "shirt")], "d.csv, line 2: no image 'z' in photos"),
        ([one("a", "dress", "shrit")], "line 2: no class 'shrit'; did you mean shirt"),
        ([one("a", "dress", "Keep")], "line 2: no class 'Keep'; did you mean keep"),
        ([one("a", "shirt", "t-shirt")], "image a is labelled dress now, not shirt"),
        ([one("a", "shirt", "keep")], "image a is labelled dress now, not shirt"),
        ([one("a", "", "shirt")], "not empty"),
        (
            [one("a", "dress", "shirt"), one("a", "dress", "exclude", 5)],
            "d.csv, line 5: a second decision on image a, another than in d.csv, line 2",
        ),
    ],
)
def test_decisions_that_do_not_fit_are_refused_by_line(
    decisions: list[Decision], told: str
) -> None:
    with pytest.raises(InputError, match=told.replace("|", r"\|")):
        decided(decisions, NOW, CLASSES, "photos")


def test_the_same_decision_twice_is_one() -> None:
    twice = [one("a", "dress", "shirt"), one("a", "dress", "shirt", 3)]
    assert decided(twice, NOW, CLASSES, "photos") == {"a": ("shirt",)}


@pytest.mark.parametrize("decision", ["keep|shirt", "shirt|exclude"])
def test_keep_and_exclude_stand_alone(decision: str) -> None:
    with pytest.raises(InputError, match=r"'(keep|exclude)' stands alone"):
        decided([one("a", "dress", decision)], NOW, CLASSES, "photos")


def test_a_class_may_not_be_called_as_a_decision_is() -> None:
    with pytest.raises(InputError, match="a class is called 'keep', a word of decisions"):
        decided([one("a", "dress", "keep")], NOW, [*CLASSES, "keep"], "photos")


def test_rows_without_a_decision_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "d.csv"
    file.write_bytes(
        b"\xef\xbb\xbfimage_id, given ,decision,data\r\na,dress,,\r\n\r\n"
        b"b, shirt , keep ,/photos\r\n"
    )
    assert read_decisions(file) == [Decision(f"{file}, line 4", "b", "shirt", "keep")]
    assert data_named(file) == Path("/photos")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("image,given,decision\n", "has no column 'image_id'; did you mean image"),
        ("image_id,given,decision,given\n", "has the column 'given' twice"),
        ("image_id,given,decision\na,b,c,d\n", "line 2 has more fields than columns"),
        ('image_id,given,decision\n"a,b\n', "not a CSV file"),
    ],
)
def test_a_file_that_is_none_of_decisions_is_refused(
    content: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "d.csv").write_text(content)
    with pytest.raises(InputError, match=told):
        read_decisions(tmp_path / "d.csv")


def test_files_about_two_data_sets_and_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("data\none\ntwo\n")
    with pytest.raises(InputError, match="about 2 data sets"):
        data_named(tmp_path / "d.csv")
    with pytest.raises(InputError, match="no such file"):
        read_decisions(tmp_path / "none.csv")


def test_decisions_are_counted_against_the_data_s_own_labels() -> None:
    state: dict[str, Labels] = {"a": ("dress",), "b": ("dress",), "c": ("x", "y"), "d": ()}
    own: dict[str, Labels] = {"a": ("dress",), "b": ("shirt",)}
    assert counts(state, own) == {"relabelled": 1, "several": 1, "excluded": 1, "kept": 1}

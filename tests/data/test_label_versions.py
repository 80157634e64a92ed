"""The journal of label versions: what is in force, what undoing leads to, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.data.label_versions import (
    ORIGINAL,
    History,
    Labels,
    Version,
    fingerprint,
    journal_of,
    read_history,
    write_history,
)
from fashion_exp.errors import InputError

IMAGES = st.sampled_from("abc")
LABELS = st.sampled_from([(), ("dress",), ("dress", "shirt")])
CHANGES = st.dictionaries(IMAGES, st.one_of(st.none(), LABELS), max_size=3)


def history(*changes: dict[str, Labels | None], restores: dict[int, str] | None = None) -> History:
    versions = [
        Version(
            f"v{number + 1}", f"v{number}" if number else ORIGINAL, "", "now", own, {},
            restores=(restores or {}).get(number, ""),
        )
        for number, own in enumerate(changes)
    ]  # fmt: skip
    return History(Path("journal"), tuple(versions))


@given(st.lists(CHANGES, max_size=4))
def test_the_state_is_the_last_word_on_each_image(changes: list[dict[str, Labels | None]]) -> None:
    made = history(*changes)
    last = {image: labels for own in changes for image, labels in own.items()}
    expected = {image: labels for image, labels in last.items() if labels is not None}
    assert made.state(made.current) == expected
    assert made.state(ORIGINAL) == {}


@given(changes=st.lists(CHANGES, max_size=4))
def test_a_journal_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, Labels | None]]
) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal"
    write_history(file, history(*changes).versions)
    assert read_history(file).versions == history(*changes).versions


def test_undoing_again_goes_further_back_and_not_to_what_was_undone() -> None:
    three = history({"a": ("x",)}, {"a": ("y",)}, {"a": ("x",)}, restores={2: "v1"})
    assert three.before("v2") == "v1" and three.before("v3") == ORIGINAL
    undone = history({"a": ("x",)}, {"a": None}, restores={1: ORIGINAL})
    assert undone.before("v2") is None and undone.before(ORIGINAL) is None


@given(st.dictionaries(IMAGES, LABELS, max_size=3), st.dictionaries(IMAGES, LABELS, max_size=3))
def test_fingerprints_are_equal_where_the_states_are(
    a: dict[str, Labels], b: dict[str, Labels]
) -> None:
    assert (fingerprint(a) == fingerprint(b)) == (a == b)
    assert bool(fingerprint(a)) == bool(a)


def test_a_damaged_journal_is_refused_by_line(tmp_path: Path) -> None:
    file = journal_of(tmp_path)
    write_history(file, history({"a": ("x",)}).versions)
    file.write_text(file.read_text() + '{"version": "v2", "par\n')
    with pytest.raises(InputError, match=r"jsonl, line 2: not a version of labels"):
        read_history(file)


def test_a_version_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(InputError, match="no version 'v9' of the labels"):
        history({}, {}).state("v9")

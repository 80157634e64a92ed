"""The journal of label versions: overrides in force, undo, damaged files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.data.label_versions import (
    ORIGINAL,
    LabelHistory,
    Labels,
    LabelVersion,
    journal_path,
    labels_fingerprint,
    read_history,
    write_history,
)
from fashion_exp.errors import InputError

Changes = dict[str, Labels | None]
IMAGES = st.sampled_from("abc")
LABELS = st.sampled_from([(), ("dress",), ("dress", "shirt")])
CHANGES = st.dictionaries(IMAGES, st.one_of(st.none(), LABELS), max_size=3)


def make_history(*changes: Changes, restores: dict[int, str] | None = None) -> LabelHistory:
    versions = [
        LabelVersion(
            f"v{index + 1}", f"v{index}" if index else ORIGINAL, "", "now", version_changes, {},
            restores=(restores or {}).get(index, ""),
        )
        for index, version_changes in enumerate(changes)
    ]  # fmt: skip
    return LabelHistory(Path("journal"), tuple(versions))


@given(st.lists(CHANGES, max_size=4))
def test_last_change_of_each_image_is_in_force(changes: list[Changes]) -> None:
    history = make_history(*changes)
    last = {image: labels for version in changes for image, labels in version.items()}
    expected = {image: labels for image, labels in last.items() if labels is not None}
    assert history.overrides_at(history.current) == expected
    assert history.overrides_at(ORIGINAL) == {}


@given(changes=st.lists(CHANGES, max_size=4))
def test_written_journal_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Changes]
) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal"
    write_history(file, make_history(*changes).versions)
    assert read_history(file).versions == make_history(*changes).versions


def test_repeated_undo_goes_further_back() -> None:
    history = make_history({"a": ("x",)}, {"a": ("y",)}, {"a": ("x",)}, restores={2: "v1"})
    assert history.undo_target("v2") == "v1" and history.undo_target("v3") == ORIGINAL
    undone = make_history({"a": ("x",)}, {"a": None}, restores={1: ORIGINAL})
    assert undone.undo_target("v2") is None and undone.undo_target(ORIGINAL) is None


@given(st.dictionaries(IMAGES, LABELS, max_size=3), st.dictionaries(IMAGES, LABELS, max_size=3))
def test_fingerprints_are_equal_exactly_for_equal_overrides(
    a: dict[str, Labels], b: dict[str, Labels]
) -> None:
    assert (labels_fingerprint(a) == labels_fingerprint(b)) == (a == b)
    assert bool(labels_fingerprint(a)) == bool(a)


def test_rejects_damaged_journal(tmp_path: Path) -> None:
    file = journal_path(tmp_path)
    write_history(file, make_history({"a": ("x",)}).versions)
    file.write_text(file.read_text() + '{"version": "v2", "par\n')
    with pytest.raises(InputError, match=r"jsonl, line 2: not a version of labels"):
        read_history(file)


def test_rejects_unknown_version() -> None:
    with pytest.raises(InputError, match="no version 'v9' of the labels"):
        make_history({}, {}).overrides_at("v9")


def test_blanks_around_names_of_earlier_versions_are_trimmed(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    write_history(file, make_history({"a": ("shirt ", "dress ")}).versions)
    assert read_history(file).overrides_at("v1") == {"a": ("dress", "shirt")}

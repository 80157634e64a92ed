"""Decisions become versions: once, by one process at a time, and back again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.data.image_files import identify
from fashion_exp.data.label_versions import JOURNAL, journal_of, read_history
from fashion_exp.errors import InputError
from fashion_exp.tools.relabel.apply import apply_decisions, restore


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, name in enumerate(("dress/1", "dress/2", "shirt/3")):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    return tmp_path / "photos"


def decisions(data: Path, name: str, given: str, decision: str) -> Path:
    file = str(data / f"{name}.png")
    told = data.parent / "decisions.csv"
    told.write_text(f"image_id,given,decision\n{identify([file])[0][file]},{given},{decision}\n")
    return told


def test_applying_twice_is_applying_once(data: Path) -> None:
    told = decisions(data, "dress/1", "dress", "shirt")
    made = apply_decisions(told, data)
    assert made is not None and (made.version, made.parent) == ("v1", "none")
    assert made.decisions == "decisions.csv" and len(made.sha256) == 64
    journal = journal_of(data).read_bytes()
    assert apply_decisions(told, data) is None
    assert journal_of(data).read_bytes() == journal


def test_versions_are_undone_one_by_one_and_nothing_is_lost(data: Path) -> None:
    apply_decisions(decisions(data, "dress/1", "dress", "shirt"), data)
    apply_decisions(decisions(data, "dress/2", "dress", "exclude"), data)
    first = restore(data, None)
    assert first is not None and first.restores == "v1" and len(first.changes) == 1
    second = restore(data, None)
    assert second is not None and (second.restores, second.fingerprint) == ("none", "")
    with pytest.raises(InputError, match="nothing to undo"):
        restore(data, None)
    again = restore(data, "v2")
    assert again is not None and again.counts["relabelled"] == again.counts["excluded"] == 1
    assert restore(data, "v2") is None
    history = read_history(journal_of(data))
    assert [one.version for one in history.versions] == ["v1", "v2", "v3", "v4", "v5"]
    assert history.state("v5") == history.state("v2")


def test_undoing_a_return_by_name_brings_back_what_it_replaced(data: Path) -> None:
    apply_decisions(decisions(data, "dress/1", "dress", "shirt"), data)
    apply_decisions(decisions(data, "dress/2", "dress", "exclude"), data)
    restore(data, "none")
    undone = restore(data, None)
    assert undone is not None and undone.restores == "v2" and len(undone.changes) == 2
    once_more = restore(data, None)
    assert once_more is not None and once_more.restores == "v1"


def test_a_new_class_needs_a_word(data: Path) -> None:
    told = decisions(data, "dress/1", "dress", "skirt")
    with pytest.raises(InputError, match="a new one needs --new-class 'skirt'"):
        apply_decisions(told, data)
    assert not journal_of(data).exists()
    assert apply_decisions(told, data, new_classes=["skirt"]) is not None
    assert apply_decisions(decisions(data, "dress/2", "dress", "skirt"), data) is not None


def test_a_decision_on_a_label_that_has_changed_since_is_refused(data: Path) -> None:
    apply_decisions(decisions(data, "dress/1", "dress", "shirt"), data)
    with pytest.raises(InputError, match=r"line 2: image .* is labelled shirt now, not dress"):
        apply_decisions(decisions(data, "dress/1", "dress", "exclude"), data)


def test_a_folder_that_cannot_be_written_is_told(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*told: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied", JOURNAL)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(permission denied\)"):
        apply_decisions(decisions(data, "dress/1", "dress", "shirt"), data)
    assert not journal_of(data).exists()


def test_a_root_acts_for_lists_alone(data: Path) -> None:
    with pytest.raises(InputError, match="acts for a list of photos only"):
        apply_decisions(decisions(data, "dress/1", "dress", "shirt"), data, root=data)

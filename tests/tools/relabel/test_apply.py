"""Decisions become versions exactly once, and every version can be restored."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.data.image_files import content_ids
from fashion_exp.data.label_versions import JOURNAL, LabelVersion, journal_path, read_history
from fashion_exp.errors import InputError
from fashion_exp.tools.relabel.apply import apply_decisions, restore_version


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, name in enumerate(("dress/1", "dress/2", "shirt/3")):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    return tmp_path / "photos"


def _decisions(data: Path, name: str, given: str, decision: str) -> Path:
    path = str(data / f"{name}.png")
    image_id = content_ids([path])[0][path]
    file = data.parent / "decisions.csv"
    file.write_text(f"image_id,given,decision\n{image_id},{given},{decision}\n")
    return file


def _restore(data: Path, name: str | None = None) -> LabelVersion:
    version = restore_version(data, name)
    assert version is not None
    return version


def test_new_class_must_not_differ_in_case_only(data: Path) -> None:
    file = _decisions(data, "dress/1", "dress", "Shirt")
    with pytest.raises(InputError, match="'Shirt': differs from the class 'shirt' only in case"):
        apply_decisions(file, data, new_classes=["Shirt"])
    assert not journal_path(data).exists()


def test_applying_twice_equals_applying_once(data: Path) -> None:
    file = _decisions(data, "dress/1", "dress", "shirt")
    version = apply_decisions(file, data)
    assert version is not None and (version.version, version.parent) == ("v1", "none")
    assert version.decisions == "decisions.csv" and len(version.sha256) == 64
    journal = journal_path(data).read_bytes()
    assert apply_decisions(file, data) is None
    assert journal_path(data).read_bytes() == journal


def test_undo_steps_back_through_the_versions_and_loses_nothing(data: Path) -> None:
    apply_decisions(_decisions(data, "dress/1", "dress", "shirt"), data)
    apply_decisions(_decisions(data, "dress/2", "dress", "exclude"), data)
    first = _restore(data)
    assert first.restores == "v1" and len(first.changes) == 1
    second = _restore(data)
    assert (second.restores, second.fingerprint) == ("none", "")
    with pytest.raises(InputError, match="nothing to undo"):
        restore_version(data, None)
    third = _restore(data, "v2")
    assert third.counts["relabelled"] == third.counts["excluded"] == 1
    assert restore_version(data, "v2") is None
    history = read_history(journal_path(data))
    assert [version.version for version in history.versions] == ["v1", "v2", "v3", "v4", "v5"]
    assert history.overrides_at("v5") == history.overrides_at("v2")


def test_undo_after_revert_restores_the_reverted_version(data: Path) -> None:
    apply_decisions(_decisions(data, "dress/1", "dress", "shirt"), data)
    apply_decisions(_decisions(data, "dress/2", "dress", "exclude"), data)
    _restore(data, "none")
    undone = _restore(data)
    assert undone.restores == "v2" and len(undone.changes) == 2
    assert _restore(data).restores == "v1"


def test_new_class_must_be_confirmed(data: Path) -> None:
    file = _decisions(data, "dress/1", "dress", "skirt")
    with pytest.raises(InputError, match="--new-class 'skirt'"):
        apply_decisions(file, data)
    assert not journal_path(data).exists()
    assert apply_decisions(file, data, new_classes=["skirt"]) is not None
    assert apply_decisions(_decisions(data, "dress/2", "dress", "skirt"), data) is not None


def test_rejects_decision_on_a_label_that_has_changed(data: Path) -> None:
    apply_decisions(_decisions(data, "dress/1", "dress", "shirt"), data)
    with pytest.raises(InputError, match=r"line 2: .*shirt.*dress"):
        apply_decisions(_decisions(data, "dress/1", "dress", "exclude"), data)


def test_reports_a_folder_that_cannot_be_written(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", JOURNAL)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"cannot be written \(permission denied\)"):
        apply_decisions(_decisions(data, "dress/1", "dress", "shirt"), data)
    assert not journal_path(data).exists()


def test_rejects_root_for_a_folder(data: Path) -> None:
    with pytest.raises(InputError, match=r"--root .*needs a list of photos"):
        apply_decisions(_decisions(data, "dress/1", "dress", "shirt"), data, root=data)

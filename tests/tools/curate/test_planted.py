"""Copies planted among photos are found, all of them and nothing else; their leak is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.curate import planted
from tests.tools.curate.conftest import Draw, scene
from tests.tools.curate.planted import Planted, groups_found, plant


def test_planted_among_scenes(draw: Draw, tmp_path: Path) -> None:
    files = [draw(f"class{n % 3}/{n}.jpg", scene(n, (96, 128))) for n in range(40)]
    _all_and_nothing_else(plant(files, tmp_path / "planted", 30, 10, seed=0), 10, tmp_path)


def test_planted_among_real_photos(clothing: Path, tmp_path: Path) -> None:
    files = sorted((clothing / "validation").rglob("*.jpg"))[::2]
    _all_and_nothing_else(plant(files, tmp_path / "planted", 150, 20, seed=0), 20, tmp_path)


def test_accuracy_with_copies_on_both_sides_and_on_one(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [draw(f"class{n % 2}/{n}.jpg", scene(n, (96, 128))) for n in range(24)]
    own = plant(files, tmp_path / "planted", 20, 4, seed=0)
    _all_and_nothing_else(own, 4, tmp_path)
    none = tmp_path / "none.csv"
    none.write_text("path,group\n")
    monkeypatch.setattr(planted, "SPLITS", 1)
    words = ["dataset.image_size=16", "training.epochs=1", "repeats=1", "training.threads=1"]
    lists = [none, own.root / "groups.csv"]
    told = planted.accuracies(own, lists, tmp_path / "outputs", words)
    assert [one.shape for one in told] == [(1, 2), (1, 2)]


def _all_and_nothing_else(own: Planted, copies: int, tmp_path: Path) -> None:
    assert len(own.pairs) == copies
    assert set(groups_found(own.root, tmp_path / "outputs")) == own.pairs

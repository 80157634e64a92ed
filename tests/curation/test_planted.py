"""Copies planted among photos are found, all of them and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.curation.conftest import Draw, scene
from tests.curation.planted import Planted, groups_found, plant


def test_planted_among_scenes(draw: Draw, tmp_path: Path) -> None:
    files = [draw(f"class{n % 3}/{n}.jpg", scene(n, (96, 128))) for n in range(40)]
    _all_and_nothing_else(plant(files, tmp_path / "planted", 30, 10, seed=0), 10, tmp_path)


def test_planted_among_real_photos(clothing: Path, tmp_path: Path) -> None:
    files = sorted((clothing / "validation").rglob("*.jpg"))[::2]
    _all_and_nothing_else(plant(files, tmp_path / "planted", 150, 20, seed=0), 20, tmp_path)


def _all_and_nothing_else(planted: Planted, copies: int, tmp_path: Path) -> None:
    assert len(planted.pairs) == copies
    assert set(groups_found(planted.root, tmp_path / "outputs")) == planted.pairs

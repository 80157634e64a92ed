"""All planted copies are found and nothing else; their effect on accuracy is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TinyRun
from tests.inspection.conftest import SaveImage, scene
from tests.tools.curate.planted import find_groups, measure_accuracies, plant

pytestmark = pytest.mark.slow


def test_exactly_the_copies_among_scenes_are_found(save: SaveImage, tmp_path: Path) -> None:
    files = [save(f"class{n % 3}/{n}.jpg", scene(n, (96, 128))) for n in range(40)]
    planted = plant(files, tmp_path / "planted", 30, 10, seed=0)
    assert len(planted.pairs) == 10
    assert set(find_groups(planted.root, tmp_path / "outputs")) == planted.pairs


def test_exactly_the_copies_among_real_photos_are_found(clothing: Path, tmp_path: Path) -> None:
    files = sorted((clothing / "validation").rglob("*.jpg"))[::2]
    planted = plant(files, tmp_path / "planted", 150, 20, seed=0)
    assert len(planted.pairs) == 20
    assert set(find_groups(planted.root, tmp_path / "outputs")) == planted.pairs


@pytest.mark.parametrize("grouped", [False, True])
def test_accuracies_are_measured_with_and_without_grouping(
    grouped: bool, save: SaveImage, tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    files = [save(f"class{n % 2}/{n}.jpg", scene(n, (96, 128))) for n in range(24)]
    planted = plant(files, tmp_path / "planted", 16, 16, seed=0)
    groups = [sorted(pair) for pair in planted.pairs] if grouped else []
    lines = [f"{path},{number}\n" for number, pair in enumerate(groups) for path in pair]
    group_list = tmp_path / "groups.csv"
    group_list.write_text("path,group\n" + "".join(lines))
    options = ["dataset.image_size=16", "training.epochs=1"]
    runs: list[TinyRun] = []

    def run(overrides: list[str]) -> Path:
        runs.append(tiny(*overrides, *options))
        return runs[-1].output

    accuracies = measure_accuracies(planted, group_list, 2, run)
    assert accuracies.shape == (2, 2) and ((accuracies >= 0) & (accuracies <= 1)).all()
    parts = [set(r.predictions("test")["path"]) for r in runs]
    separated = [len(pair & part) == 1 for part in parts for pair in planted.pairs]
    assert any(separated) != grouped

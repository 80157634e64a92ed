"""The summary counts every file once."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fashion_exp.inspection.duplicates import usable_images
from fashion_exp.inspection.image import ImageInspection
from fashion_exp.tools.curate.report import FolderReport
from fashion_exp.tools.curate.summary_report import mean_color, size_tables, summary_report
from tests.inspection.conftest import SaveImage, inspect_tree, load_images, scene


def _report(root: Path, *more_inspections: ImageInspection) -> FolderReport:
    tree, inspections = inspect_tree(root)
    images = usable_images(tree.images, inspections)
    return summary_report(tree, [*inspections, *more_inspections], images, [], (3, 4), 40)


def test_counts_files_by_class_part_format_and_size(save: SaveImage, tmp_path: Path) -> None:
    save("train/dress/a.png", 1)
    save("train/dress/copy.png", 1)
    save("test/dress/b.jpg", scene(2, (300, 100)))
    save("train/shirt/blank.png", Image.new("RGB", (70, 70)))
    save("train/shirt/c.gif", 3)
    unreadable = ImageInspection("", 0, None, None, "broken link")
    report = _report(tmp_path / "photos", unreadable, unreadable)
    assert report.data["classes"]["dress"] | {"mean_colour": None} == {
        "files": 3, "parts": {"train": 2, "test": 1}, "distinct": 2, "mean_colour": None,
    }  # fmt: skip
    assert (report.data["usable"], report.data["quarantine_lines"]) == (4, 3)
    assert report.data["kinds"] == {"PNG, RGB": 3, "GIF, P": 1, "JPEG, RGB": 1}
    assert report.data["sizes"] == {"160x120": 3, "300x100": 1}
    assert report.conclusions[0] == "5 files in 2 classes, 2 to 3 each."
    assert "Files with the same bytes as another: 1." in report.conclusions
    assert "quarantine.csv has 3 lines, groups.csv 4." in report.conclusions
    rows = {row[0]: row[1:] for row in report.sections[0].tables[0].rows}
    assert rows["dress"][:5] == ["3", "2", "1", "2", "60.0 %"]


def test_each_photo_is_in_one_bin_of_each_histogram(save: SaveImage, tmp_path: Path) -> None:
    for number, size in enumerate([(8, 8), (64, 63), (640, 480), (100, 300), (2100, 2100)]):
        save(f"dress/{number}.png", scene(number, size))
    for table in size_tables(load_images(tmp_path / "photos")):
        assert sum(int(row[1]) for row in table.rows) == 5


def test_mean_color_is_the_mean_over_pixels(save: SaveImage, tmp_path: Path) -> None:
    half = Image.new("RGB", (40, 40), (200, 100, 0))
    half.paste((0, 0, 50), (0, 0, 20, 40))
    save("dress/a.png", half)
    assert mean_color(load_images(tmp_path / "photos")) == (100, 50, 25)
    assert mean_color([]) == (0, 0, 0)

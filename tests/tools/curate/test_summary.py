"""The summary counts what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from fashion_exp.tools.curate.duplicates import comparable
from fashion_exp.tools.curate.image_tree import look_through
from fashion_exp.tools.curate.summary import (
    Summary,
    answer,
    as_data,
    classes_table,
    mean_colour,
    sizes_tables,
)
from tests.tools.curate.conftest import Draw, look, scene


def _summary(root: Path) -> Summary:
    places = look_through(str(root)).pictures
    looks = [look(Path(place.file)) for place in places]
    return Summary(places, looks, comparable(places, looks), [], 3, 4)


def test_everything_is_counted_where_it_stands(draw: Draw, tmp_path: Path) -> None:
    draw("train/dress/a.png", 1)
    draw("train/dress/copy.png", 1)
    draw("test/dress/b.jpg", scene(2, (300, 100)))
    draw("train/shirt/blank.png", Image.new("RGB", (70, 70)))
    draw("train/shirt/c.gif", 3)
    summary = _summary(tmp_path / "photos")
    told = as_data(summary)
    assert told["classes"]["dress"] | {"mean_colour": None} == {
        "files": 3, "parts": {"train": 2, "test": 1}, "distinct": 2, "mean_colour": None,
    }  # fmt: skip
    assert (told["files"], told["usable"]) == (5, 4)
    assert told["kinds"] == {"PNG, RGB": 3, "GIF, P": 1, "JPEG, RGB": 1}
    assert told["sizes"] == {"160x120": 3, "300x100": 1}
    broken = replace(summary.looks[0], image_id="", sight=None, reason="broken link")
    summary = replace(summary, looks=[*summary.looks, broken, broken])
    lead, *others = answer(summary)
    assert lead == "5 files in 2 classes, 2 to 3 each."
    assert "Files that repeat another, byte by byte: 1." in others
    assert "Lines in quarantine.csv: 3; in groups.csv: 4." in others
    rows = {row[0]: row[1:] for row in classes_table(summary).rows}
    assert rows["dress"][:5] == ["3", "2", "1", "2", "60.0 %"]


def test_every_photo_is_in_one_bar_of_each_histogram(draw: Draw, tmp_path: Path) -> None:
    for number, size in enumerate([(8, 8), (64, 63), (640, 480), (100, 300), (2100, 2100)]):
        draw(f"dress/{number}.png", scene(number, size))
    for table in sizes_tables(_summary(tmp_path / "photos").found):
        assert sum(int(row[1]) for row in table.rows) == 5


def test_the_mean_colour_is_that_of_the_pixels(draw: Draw, tmp_path: Path) -> None:
    half = Image.new("RGB", (40, 40), (200, 100, 0))
    half.paste((0, 0, 50), (0, 0, 20, 40))
    draw("dress/a.png", half)
    assert mean_colour(_summary(tmp_path / "photos").found) == (100, 50, 25)
    assert mean_colour([]) == (0, 0, 0)

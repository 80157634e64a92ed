from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.reporting import contact_sheets, figures, style


def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        style.save(figures.confusion(np.eye(2, dtype=int), ["x", "y"]), tmp_path / "new" / name)
    first, second = sorted((tmp_path / "new").iterdir())
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")
    broken = figures.confusion(np.eye(2, dtype=int), ["x", "y"])
    broken.text(0, 0, "$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        style.save(broken, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_picture_replaces_the_old_file_and_does_not_write_into_it(tmp_path: Path) -> None:
    path, old = tmp_path / "picture.png", tmp_path / "old.png"
    path.write_text("old")
    old.hardlink_to(path)
    style.save(contact_sheets.contact_sheet([np.zeros((4, 4, 3), np.uint8)], ["a"], 1), path)
    assert old.read_text() == "old"


def test_a_sheet_is_saved_pixel_by_pixel(tmp_path: Path) -> None:
    sheet = contact_sheets.contact_sheet([np.zeros((4, 4, 3), np.uint8)], ["a"], 1)
    with Image.open(style.save(sheet, tmp_path / "sheet.png")) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(sheet))


def test_a_character_that_no_font_has_is_drawn_without_a_warning(tmp_path: Path) -> None:
    names = ["\N{HAMBURGER}", "\N{CJK UNIFIED IDEOGRAPH-5E3D}"]
    style.save(figures.confusion(np.eye(2, dtype=int), names), tmp_path / "a.png")


def test_a_font_is_taken_that_has_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "font_families", lambda: ("cmr10", "DejaVu Sans"))
    assert Path(style.font_file("hat")).name == "cmr10.ttf"
    assert Path(style.font_file("\N{CYRILLIC SMALL LETTER YA} hat")).name == "DejaVuSans.ttf"
    assert Path(style.font_file("\N{HAMBURGER}")).name == "cmr10.ttf"

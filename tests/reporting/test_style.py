from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fashion_exp.reporting import style
from fashion_exp.reporting.contact_sheets import contact_sheet
from fashion_exp.reporting.figures import confusion_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def small_figure(*names: str) -> Figure:
    return confusion_matrix(np.eye(2, dtype=int), names or ("x", "y"))


def small_sheet() -> Image.Image:
    return contact_sheet([np.zeros((4, 4, 3), np.uint8)], ["a"], 1)


def test_saving_twice_gives_the_same_bytes_and_no_other_file(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        style.save(small_figure(), tmp_path / "new" / name)
    first, second = sorted((tmp_path / "new").iterdir())
    assert first.read_bytes() == second.read_bytes()


def test_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_text("old")
    broken = small_figure()
    broken.text(0, 0, "$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        style.save(broken, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_save_replaces_a_file_without_writing_into_it(tmp_path: Path) -> None:
    path, old = tmp_path / "image.png", tmp_path / "old.png"
    path.write_text("old")
    old.hardlink_to(path)
    style.save(small_sheet(), path)
    assert old.read_text() == "old"


def test_sheet_is_saved_pixel_by_pixel(tmp_path: Path) -> None:
    with Image.open(style.save(small_sheet(), tmp_path / "sheet.png")) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(small_sheet()))


def test_missing_glyph_is_drawn_without_a_warning(tmp_path: Path) -> None:
    names = ["\N{HAMBURGER}", "\N{CJK UNIFIED IDEOGRAPH-5E3D}"]
    style.save(small_figure(*names), tmp_path / "a.png")


def test_font_file_has_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "font_families", lambda: ("cmr10", "DejaVu Sans"))
    assert Path(style.font_file("hat")).name == "cmr10.ttf"
    assert Path(style.font_file("\N{CYRILLIC SMALL LETTER YA} hat")).name == "DejaVuSans.ttf"
    assert Path(style.font_file("\N{HAMBURGER}")).name == "cmr10.ttf"


@given(st.text("aiW 帽", max_size=60))
def test_wrapped_lines_fit_and_lose_no_character(text: str) -> None:
    lines = style.wrap_text(text, style.SMALL, 0.8)
    assert all(style.text_width(line, style.SMALL) <= 0.8 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_words_are_wrapped_whole_and_controls_become_spaces() -> None:
    assert style.wrap_text("one two\x1bthree", style.SMALL, 0.5) == ["one two", "three"]
    assert style.wrap_text("", style.SMALL, 1.0) == [""]

"""CSV files as people and spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fashion_exp.data.csv_lists import frame_as_csv, local_path, read_csv_rows, write_csv_rows
from fashion_exp.errors import InputError


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_finds_the_separator(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"\ufeffpath{separator}reason\r\na.png{separator} dark \r\n", "utf-8")
    (row,) = read_csv_rows(file, ("path", "reason"))
    assert row.cells == {"path": "a.png", "reason": "dark"}
    assert row.location == f"{file}, line 2"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^"])
def test_first_line_may_name_the_separator(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        f"sep={separator}\r\npath{separator}reason\r\na.png{separator}dark\r\n", "utf-8"
    )
    (row,) = read_csv_rows(file, ("path", "reason"))
    assert row.cells == {"path": "a.png", "reason": "dark"}
    assert row.location == f"{file}, line 3"


def test_accepts_utf16(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("path\treason\r\né.png\tdark\r\n", "utf-16")
    assert read_csv_rows(file, ("path",))[0].cells == {"path": "é.png", "reason": "dark"}


def test_path_has_separators_of_windows_only_if_it_exists_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").touch()
    (tmp_path / "a\\c.png").touch()
    (tmp_path / "a" / "c.png").touch()
    paths = ["a\\b.png", "a\\c.png", "a\\d.png"]
    assert [local_path(path, tmp_path) for path in paths] == ["a/b.png", *paths[1:]]


def test_semicolon_in_comma_separated_file_is_text(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("path,reason\na.png,dark; blurred\n")
    assert read_csv_rows(file, ("path",))[0].cells["reason"] == "dark; blurred"


def test_error_names_option_and_file(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("pth\n")
    with pytest.raises(InputError, match=r"^dataset\.groups: '.*list\.csv' has no column 'path'"):
        read_csv_rows(file, ("path",), key="dataset.groups")
    with pytest.raises(InputError, match=r"list\.csv: has no column 'path'; did you mean pth\?"):
        read_csv_rows(file, ("path",))


@pytest.mark.parametrize("content", [b"PK\x03\x04...", b"\xd0\xcf\x11\xe0..."])
def test_spreadsheet_is_named_as_such(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.xlsx").write_bytes(content)
    with pytest.raises(InputError, match="is a spreadsheet, not a CSV file; save it as CSV"):
        read_csv_rows(tmp_path / "list.xlsx", ("path",))


def test_written_rows_are_read_back(tmp_path: Path) -> None:
    rows = [{"path": 'a, "b"\n.png', "by": "me"}, {"path": "c", "note": "é"}]
    write_csv_rows(tmp_path / "list.csv", ("path", "by"), rows)
    cells = [row.cells for row in read_csv_rows(tmp_path / "list.csv", ("path",))]
    assert cells == [{"note": "", **rows[0]}, {"by": "", **rows[1]}]


def test_cells_like_formulas_are_guarded_in_the_file_and_read_back(tmp_path: Path) -> None:
    rows = [{"path": "=HYPERLINK(1).jpg", "group": "-0.5"}, {"path": "'=x.jpg", "group": "@a"}]
    write_csv_rows(file := tmp_path / "groups.csv", ["path", "group"], rows)
    assert file.read_text() == "path,group\n'=HYPERLINK(1).jpg,-0.5\n''=x.jpg,'@a\n"
    assert [row.cells for row in read_csv_rows(file, ["path"])] == rows


def test_table_of_a_frame_guards_texts_only() -> None:
    frame = pd.DataFrame({"path": ["=1", "a"], "quality": [-0.25, 1.0]})
    assert frame_as_csv(frame, "%.2f") == "path,quality\n'=1,-0.25\na,1.00\n"

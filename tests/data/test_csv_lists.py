"""Lists as people and their spreadsheets write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.data.csv_lists import read_list, write_list
from fashion_exp.errors import InputError


@pytest.mark.parametrize("separator", [",", ";"])
def test_commas_and_semicolons_separate(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"\ufeffpath{separator}reason\r\na.png{separator} dark \r\n", "utf-8")
    (row,) = read_list(file, ("path", "reason"))
    assert row.cells == {"path": "a.png", "reason": "dark"} and row.where == f"{file}, line 2"


def test_a_semicolon_between_commas_is_text(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("path,reason\na.png,dark; blurred\n")
    assert read_list(file, ("path",))[0].cells["reason"] == "dark; blurred"


def test_a_mistake_is_told_in_the_name_of_the_knob_that_gave_the_file(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("pth\n")
    with pytest.raises(InputError, match=r"^dataset\.groups: '.*list\.csv' has no column 'path'"):
        read_list(file, ("path",), key="dataset.groups")
    with pytest.raises(InputError, match=r"list\.csv: has no column 'path'; did you mean pth\?"):
        read_list(file, ("path",))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = [{"path": 'a, "b"\n.png', "by": "me"}, {"path": "c", "note": "é"}]
    write_list(tmp_path / "list.csv", ("path", "by"), rows)
    read = [row.cells for row in read_list(tmp_path / "list.csv", ("path",))]
    assert read == [{"note": "", **rows[0]}, {"by": "", **rows[1]}]

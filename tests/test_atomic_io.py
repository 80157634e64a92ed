"""Files are written whole or not at all; a cut-off line of a journal hides no other."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from fashion_exp.atomic_io import (
    append_json_line,
    atomic_write,
    csv_text,
    file_lock,
    guard_cell,
    is_disk_full,
    is_locked,
    read_json,
    read_json_lines,
    unguard_cell,
    write_json,
    write_text,
)
from fashion_exp.errors import InputError


def test_failed_write_leaves_the_file_unchanged(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "f.txt", "first")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "new" / "f.txt") as draft:
        draft.write_text("half")
        raise RuntimeError
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["f.txt"]
    assert (tmp_path / "new" / "f.txt").read_text() == "first"


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "No space left on device"), False),
        (RuntimeError("other"), False),
    ],
)
def test_full_disk_is_recognized_in_errors_of_other_languages(
    error: Exception, is_full: bool
) -> None:
    assert is_disk_full(error) == is_full


@pytest.mark.parametrize("content", ["", "{", "[1]", None])
def test_damaged_json_is_reported_with_the_remedy(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "f.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=r"f\.json: damaged .*scripts/run doctor"):
        read_json(file)


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path / "pipe", "not a regular file"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=f"is {reason}; name a file"):
            write_text(path, "text")
    assert (tmp_path / "pipe").is_fifo()


def test_written_json_is_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"a": [1, "ü"]})
    assert read_json(tmp_path / "f.json") == {"a": [1, "ü"]}


def test_line_cut_off_by_a_crash_hides_no_other(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert read_json_lines(journal) == []
    append_json_line(journal, {"n": 1})
    with open(journal, "a") as file:
        file.write('{"n": 2, "half')
    append_json_line(journal, {"n": 3})
    assert read_json_lines(journal) == [{"n": 1}, {"n": 3}]
    assert [json.loads(line) for line in journal.read_text().splitlines()] == [{"n": 1}, {"n": 3}]


def test_held_lock_is_seen_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashion_exp.atomic_io.LOCK_TIMEOUT", 0.05)
    lock = tmp_path / "folder" / ".lock"
    assert not is_locked(lock)
    with file_lock(lock):
        assert is_locked(lock)
        with pytest.raises(InputError, match="busy here"), file_lock(lock, busy="busy here"):
            pass
    assert not is_locked(lock)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd",
        "-x.jpg",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "'=1",
        "''+x",
        "+2 (1 to 3)",
        "+1 to =A1",
    ],
)
def test_text_that_a_spreadsheet_would_evaluate_is_guarded_and_read_back(text: str) -> None:
    assert guard_cell(text) == f"'{text}"
    assert unguard_cell(guard_cell(text)) == text


@pytest.mark.parametrize(
    "cell",
    [
        "-0.5", "+28.2", "-1e-3", "-1.5 %", "-", "", "a=b", "'quoted'", "'-1", "+0.2 to +3.2",
        "-1 to −0.4", -0.5, 3, None,
    ],
)  # fmt: skip
def test_numbers_and_harmless_cells_are_not_guarded(cell: object) -> None:
    assert guard_cell(cell) == cell
    if isinstance(cell, str):
        assert unguard_cell(cell) == cell


def test_csv_text_quotes_and_guards() -> None:
    assert csv_text([["a", "b"], ["=1", -0.5], ["x,y", ""]]) == 'a,b\n\'=1,-0.5\n"x,y",\n'

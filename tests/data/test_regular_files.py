"""Only regular files of a sensible size are opened, and nothing waits."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import SourceUnavailableError


def refusal(file: Path) -> str:
    with pytest.raises(SourceUnavailableError) as error, open_regular_file(file):
        pass
    return str(error.value)


def test_gives_the_open_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "link").symlink_to("a")
    with open_regular_file(tmp_path / "link") as file:
        assert file.read() == b"one"


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "link.jpg").symlink_to("nothing")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    assert refusal(tmp_path / "absent.jpg") == "no such file"
    assert refusal(tmp_path / "link.jpg") == "broken link"
    assert refusal(tmp_path / "empty.jpg") == "empty file"
    assert refusal(tmp_path / "folder.jpg") == "a folder, not a photo"
    for name in ("pipe.jpg", "device.jpg"):
        assert refusal(tmp_path / name) == "not a regular file"


def test_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    os.truncate(tmp_path / "a.jpg", 6_000_000_000)
    assert refusal(tmp_path / "a.jpg") == "6.0 GB, more than 1; save the image as JPEG"


def test_fifo_that_replaces_a_file_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before opening sees a file, the open descriptor is a FIFO."""
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"one")
    status = os.stat(tmp_path / "b.jpg")
    monkeypatch.setattr("os.stat", lambda *_, **__: status)
    assert stat.S_ISREG(os.stat(tmp_path / "a.jpg").st_mode)
    assert refusal(tmp_path / "a.jpg") == "not a regular file"


def test_failing_open_has_system_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").write_bytes(b"one")
    monkeypatch.setattr("os.open", fail)
    assert refusal(tmp_path / "a") == "permission denied"

"""Names by content."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_exp.data.image_files import LISTED_COLUMNS, FileReader, printable, table_of_files
from fashion_exp.data.table import OutOfReach


def listed(*files: tuple[str, str]) -> pd.DataFrame:
    """(file, class) of each, under its own name as path."""
    rows = [(Path(file).name, file, label, "", "") for file, label in files]
    return pd.DataFrame(rows, columns=list(LISTED_COLUMNS), dtype=object)


def test_an_image_is_named_by_the_hash_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    table = table_of_files("x", listed((str(tmp_path / "a"), "dress")), ["dress"], 40)
    assert table.rows["image_id"].tolist() == [hashlib.sha256(b"one").hexdigest()[:16]]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_file_is_left_out_with_the_system_s_reason(tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0)
    (tmp_path / "a").write_bytes(b"one")
    table = table_of_files("x", listed((str(tmp_path / "a"), "dress")), ["dress"], 40)
    assert table.left_out.values.tolist() == [["a", "permission denied"]]


def test_a_file_that_the_system_refuses_is_left_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a").write_bytes(b"one")
    monkeypatch.setattr("builtins.open", refuse)
    table = table_of_files("x", listed((str(tmp_path / "a"), "dress")), ["dress"], 40)
    assert table.left_out.values.tolist() == [["a", "permission denied"]]


def test_a_reader_can_be_sent_to_another_process(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.png")
    read = pickle.loads(pickle.dumps(reader(tmp_path / "a.png")))
    assert np.array_equal(read(0), np.full((2, 3, 3), (255, 0, 0)))


def test_a_file_that_is_no_longer_what_it_was_named_by_is_out_of_reach(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("RGB", (3, 2), "red").save(file)
    read = reader(file)
    Image.new("RGB", (3, 2), "blue").save(file)
    with pytest.raises(OutOfReach, match="changed since it was listed"):
        read(0)
    file.unlink()
    with pytest.raises(OutOfReach, match="no such file"):
        read(0)


def reader(file: Path) -> FileReader:
    return FileReader((str(file),), (hashlib.sha256(file.read_bytes()).hexdigest()[:16],), 40)


def test_bytes_that_are_no_text_are_shown_as_numbers() -> None:
    assert printable(os.fsdecode(b"caf\xe9/\xc3\xa9.jpg")) == "caf\\xe9/é.jpg"

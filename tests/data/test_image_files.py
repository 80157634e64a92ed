"""Content ids and the reader of image files."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.data.image_files import FileReader, content_ids, printable_path
from fashion_exp.data.table import SourceUnavailableError


def make_reader(file: Path) -> FileReader:
    ids, _ = content_ids([str(file)])
    return FileReader((str(file),), (ids[str(file)],), 40)


def test_content_id_is_hash_of_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    assert content_ids([str(file)]) == ({str(file): hashlib.sha256(b"one").hexdigest()[:16]}, {})


def test_reader_is_picklable(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.png")
    read = pickle.loads(pickle.dumps(make_reader(tmp_path / "a.png")))
    assert np.array_equal(read(0), np.full((2, 3, 3), (255, 0, 0)))


def test_changed_or_deleted_file_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("RGB", (3, 2), "red").save(file)
    read = make_reader(file)
    Image.new("RGB", (3, 2), "blue").save(file)
    with pytest.raises(SourceUnavailableError, match="changed since it was listed"):
        read(0)
    file.unlink()
    with pytest.raises(SourceUnavailableError, match="no such file"):
        read(0)


def test_printable_path_escapes_bytes_that_are_not_utf8() -> None:
    assert printable_path(os.fsdecode(b"caf\xe9/\xc3\xa9.jpg")) == "caf\\xe9/é.jpg"

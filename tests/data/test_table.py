"""The image table: counts, subsets and fingerprint."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd

from fashion_exp.data.table import COLUMNS, ImageTable, left_out_table


def read_row(row: int) -> np.ndarray:
    return np.full((1, 1), row, np.uint8)


def make_table() -> ImageTable:
    rows = [(f"i{n}", f"g{n}", f"p{n}", n // 2, "", 1 + n % 2) for n in range(4)]
    left_out = left_out_table([("x", "empty file")])
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return ImageTable("test", frame, ("dress", "shirt"), read_row, 8, left_out)


def test_file_count_includes_copies_and_files_left_out() -> None:
    assert make_table().file_count == 4 + 2 + 1


def test_taken_rows_keep_their_images() -> None:
    truncated = left_out_table([("p2", "truncated JPEG")])
    taken = make_table().take([3, 1, 0], truncated).take([0, 2], left_out_table([]))
    assert taken.rows["path"].tolist() == ["p3", "p0"]
    assert [taken.read(row).item() for row in range(2)] == [3, 0]
    assert taken.left_out["path"].tolist() == ["x", "p2"]
    assert pickle.loads(pickle.dumps(taken)).read(0).item() == 3


def test_fingerprint_depends_on_labels_and_not_on_paths() -> None:
    moved, relabeled = make_table(), make_table()
    moved.rows["path"] = "elsewhere/" + moved.rows["path"]
    relabeled.rows.loc[0, "label"] = 1
    assert moved.fingerprint == make_table().fingerprint != relabeled.fingerprint

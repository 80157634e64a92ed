"""The image table's own promises."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd

from fashion_exp.data.table import COLUMNS, ImageTable, left_out_table


def read(row: int) -> np.ndarray:
    return np.full((1, 1), row, np.uint8)


def table() -> ImageTable:
    rows = [(f"i{n}", f"g{n}", f"p{n}", n // 2, "", 1 + n % 2) for n in range(4)]
    left = left_out_table([("x", "empty file")])
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return ImageTable("test", frame, ("dress", "shirt"), read, 8, left)


def test_found_counts_rows_copies_and_what_was_left_out() -> None:
    assert table().found == 4 + 2 + 1


def test_taking_rows_keeps_each_with_its_picture_however_often() -> None:
    taken = (
        table()
        .take([3, 1, 0], left_out_table([("p2", "truncated JPEG")]))
        .take([0, 2], left_out_table([]))
    )
    assert taken.rows["path"].tolist() == ["p3", "p0"]
    assert [taken.read(row).item() for row in range(2)] == [3, 0]
    assert taken.left_out["path"].tolist() == ["x", "p2"]
    assert pickle.loads(pickle.dumps(taken)).read(0).item() == 3


def test_the_fingerprint_tells_content_and_labels_and_not_places() -> None:
    moved, relabelled = table(), table()
    moved.rows["path"] = "elsewhere/" + moved.rows["path"]
    relabelled.rows.loc[0, "label"] = 1
    assert moved.fingerprint == table().fingerprint != relabelled.fingerprint

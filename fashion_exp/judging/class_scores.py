"""The columns of a table that hold a score of each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError

PREFIXES = ("p_", "prob_", "proba_", "probability_", "logit_")
"""Of columns with the probability, or score, of one class each."""


def read_class_scores(
    frame: pd.DataFrame, source: str, column_of: Mapping[str, str]
) -> tuple[np.ndarray | None, list[str], set[str]]:
    """Scores (n, classes), class names, and the columns that held them; None if there are none.

    Raises `InputError` for a score that is no number, and for rows of different lengths.
    """
    for prefix in PREFIXES:
        named = frame[[name for name in frame.columns if str(name).startswith(prefix)]]
        scores = named.apply(pd.to_numeric, errors="coerce")
        # A column of texts alone holds something else.
        scores = scores.loc[:, scores.notna().any() | named.isna().all()]
        if columns := [str(name) for name in scores]:
            row, column = np.nonzero(scores.isna().to_numpy() & named[columns].notna().to_numpy())
            if len(row):
                cell = named[columns].iat[row[0], column[0]]
                where = f"{source}: row {row[0] + 1}, column {columns[column[0]]}"
                raise InputError(f"{where}: {cell!r} is no number; correct it")
            names = [name.removeprefix(prefix) for name in columns]
            return scores.to_numpy(np.float64), names, set(columns)
    if "probabilities" not in column_of:
        return None, [], set()
    name = column_of["probabilities"]
    rows = [_vector(cell, source, name) for cell in frame[name]]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise InputError(
            f"{source}: column {name} has {min(lengths)} to {max(lengths)} scores in a row; "
            "every row needs one per class"
        )
    values = np.array(rows, dtype=np.float64)
    return values, [str(index) for index in range(values.shape[1])], {name}


def _vector(cell: object, source: str, name: str) -> np.ndarray:
    """A list, an array, or the text that pandas writes of one: "[0.1 0.9]" or "[0.1, 0.9]"."""
    try:
        if isinstance(cell, str):
            return np.array(cell.strip(" []()").replace(",", " ").split(), dtype=np.float64)
        return np.asarray(cell, dtype=np.float64).reshape(-1)
    except (ValueError, TypeError):
        raise InputError(
            f"{source}: column {name} has {cell!r}, which is no list of scores"
        ) from None

"""Tables whose rows were shifted: each id has the label of a row nearby."""

from __future__ import annotations

import numpy as np

MAX_SHIFT = 3
"""Rows by which a table may be shifted; a header or a row too many shifts by 1."""

MIN_DIFFERENT = 5
"""Labels that differ by a shift; a few wrong ones at the border of two classes look like one."""

MAX_LEFT = 0.1
"""The share of the different labels that may differ after the shift: some may be wrong besides."""


def shift_remedy(labels: np.ndarray, expected: np.ndarray) -> str:
    """What to do if labels (n,) agree with the `expected` ones only of rows nearby; else "".

    `expected` is -1 where it is unknown. Replacing the labels would hide that the predictions are
    shifted too. Labels that fit both ways, such as alternating ones, may be swapped instead.
    """
    different = int(((labels != expected) & (expected >= 0)).sum())
    if different < MIN_DIFFERENT:
        return ""
    for rows in range(1, min(MAX_SHIFT + 1, len(labels))):
        down = _left(labels[rows:], expected[:-rows]) <= MAX_LEFT * different
        up = _left(labels[:-rows], expected[rows:]) <= MAX_LEFT * different
        if down != up:
            count = f"{rows} row" if rows == 1 else f"{rows} rows"
            return (
                f"its labels look shifted {'down' if down else 'up'} by {count} against its ids, "
                "and then its predictions are too; write the table again, each item in its own row"
            )
    return ""


def _left(labels: np.ndarray, expected: np.ndarray) -> int:
    return int(((labels != expected) & (expected >= 0)).sum())

"""Which labels look wrong, and which images two classes fit, from out-of-fold predictions.

Source: Northcutt, Jiang & Chuang 2021, JAIR 70:1373-1411 (confident learning), by way of cleanlab:
it estimates how many labels are wrong. Which ones is said by the probability of the given class, so
that what is flagged and the order of the list are one and the same.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import class_names

PLAUSIBLE = 0.8
"""An image is between classes where the second is this probable, as a share of the first."""

WRONG, AMBIGUOUS, FINE = "wrong", "ambiguous", ""


def judged(images: pd.DataFrame) -> pd.DataFrame:
    """The images of `by_image`, with `suggested`, `kind`, `quality`, `confidence` and
    `margin`.

    Images of one group and one label are judged as one, by their mean, so that copies of a source
    neither outvote others nor are counted twice. `quality` is the probability of the given label;
    `kind` is wrong, ambiguous or empty; `suggested` are the classes that are about as probable as
    the first, `confidence` the probability of these together; `margin` is the first's lead over
    the second. Raises `InputError` where all images are of one class.
    """
    names = class_names(images)
    columns = [f"p_{name}" for name in names]
    units = images.groupby(["group_id", "label"], sort=True)[columns].mean()
    given = pd.Categorical(units.index.get_level_values("label"), categories=list(names)).codes
    probabilities = units.to_numpy(np.float64)
    flagged = _flagged(np.asarray(given, dtype=np.int64), probabilities)
    top = probabilities.max(axis=1)
    quality = probabilities[np.arange(len(units)), given]
    near = probabilities >= PLAUSIBLE * top[:, None]
    wrong = flagged & (quality < PLAUSIBLE * top)
    between = ~wrong & (near.sum(axis=1) > 1)
    units["kind"] = np.select([wrong, between], [WRONG, AMBIGUOUS], FINE)
    shown = np.where(wrong[:, None], probabilities == top[:, None], near)
    units["suggested"] = [tuple(np.array(names)[row]) for row in shown]
    units["quality"] = quality
    units["confidence"] = (probabilities * shown).sum(axis=1)
    units["margin"] = top - np.sort(probabilities, axis=1)[:, -2]
    told = units[["suggested", "kind", "quality", "confidence", "margin"]]
    return images.join(told, on=["group_id", "label"])


def _flagged(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(n,) whether a label is one of those that confident learning counts as wrong."""
    from cleanlab.filter import find_label_issues

    if len(set(given.tolist())) < 2:
        raise InputError("all images that were predicted are of one class: no label can be doubted")
    flagged: np.ndarray = find_label_issues(
        given, probabilities, filter_by="low_self_confidence", n_jobs=1
    )
    return flagged


def ranked(images: pd.DataFrame) -> pd.DataFrame:
    """The suspects among `judged` images: wrong before ambiguous, the worst first, groups whole."""
    suspects = images[images["kind"] != FINE]
    last = suspects["kind"] == AMBIGUOUS
    doubt = suspects["margin"].where(last, suspects["quality"])
    order = suspects.assign(last=last, doubt=doubt, image=suspects.index)
    order = order.sort_values(["last", "doubt", "group_id", "label", "image"])
    return suspects.loc[order.index]

"""Finds wrong labels and ambiguous images from out-of-fold predictions.

Confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70:1373-1411), as implemented by cleanlab,
estimates the number of wrong labels. The labels with the lowest predicted probability are flagged,
so that flagging and ranking use the same criterion.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import class_names

MIN_RELATIVE_PROBABILITY = 0.8
"""Classes with at least this share of the largest probability count as plausible."""

WRONG, AMBIGUOUS, NO_ISSUE = "wrong", "ambiguous", ""


def assess_labels(images: pd.DataFrame) -> pd.DataFrame:
    """Adds five columns to the images of `by_image`.

    * kind: `WRONG`, `AMBIGUOUS` (several classes are plausible) or `NO_ISSUE`
    * suggested: tuple of the most probable class if wrong, else of all plausible classes
    * quality: probability of the given label
    * confidence: total probability of the suggested classes
    * margin: difference of the two largest probabilities

    Images with the same group and label are assessed as one, by their mean probabilities, so that
    copies are not counted several times. Raises `InputError` if all images have the same label.
    """
    names = class_names(images)
    columns = [f"p_{name}" for name in names]
    units = images.groupby(["group_id", "label"], sort=True)[columns].mean()
    given = pd.Categorical(units.index.get_level_values("label"), categories=list(names)).codes
    probabilities = units.to_numpy(np.float64)
    largest = probabilities.max(axis=1)
    quality = probabilities[np.arange(len(units)), given]
    plausible = probabilities >= MIN_RELATIVE_PROBABILITY * largest[:, None]
    flagged = _find_label_issues(np.asarray(given, dtype=np.int64), probabilities)
    wrong = flagged & (quality < MIN_RELATIVE_PROBABILITY * largest)
    ambiguous = ~wrong & (plausible.sum(axis=1) > 1)
    suggested = np.where(wrong[:, None], probabilities == largest[:, None], plausible)
    issues = pd.DataFrame(
        {
            "suggested": [tuple(np.array(names)[row]) for row in suggested],
            "kind": np.select([wrong, ambiguous], [WRONG, AMBIGUOUS], NO_ISSUE),
            "quality": quality,
            "confidence": (probabilities * suggested).sum(axis=1),
            "margin": largest - np.sort(probabilities, axis=1)[:, -2],
        },
        index=units.index,
    )
    return images.join(issues, on=["group_id", "label"])


def _find_label_issues(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(n,) bool: labels that confident learning counts as wrong."""
    from cleanlab.filter import find_label_issues

    if len(set(given.tolist())) < 2:
        raise InputError(
            "all predicted images have the same label; label issues need two or more classes"
        )
    flagged: np.ndarray = find_label_issues(
        given, probabilities, filter_by="low_self_confidence", n_jobs=1
    )
    return flagged


def rank_label_issues(images: pd.DataFrame) -> pd.DataFrame:
    """The assessed images with an issue: wrong before ambiguous, worst first, by whole groups."""
    issues = images[images["kind"] != NO_ISSUE]
    is_ambiguous = issues["kind"] == AMBIGUOUS
    score = issues["margin"].where(is_ambiguous, issues["quality"])
    order = issues.assign(last=is_ambiguous, score=score, image=issues.index)
    order = order.sort_values(["last", "score", "group_id", "label", "image"])
    return issues.loc[order.index]

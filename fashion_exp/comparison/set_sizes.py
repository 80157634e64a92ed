"""The size of each photo's prediction set, as a metric to compare runs by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.stats.calibration import (
    apply_temperature,
    cross_fitted,
    fit_temperature,
    group_parts,
)
from fashion_exp.stats.conformal import conformal_scores, held_out_sets, prediction_sets

COVERAGE = 0.95


def set_sizes(validation: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
    """Classes in the set of each prediction in `frame` (n,), at a coverage of 95 %.

    Each model is calibrated on its own validation predictions. For these themselves, `frame` being
    `validation`, the sets come from four fifths of the photos that the photo is not among.
    """
    sizes = np.zeros(len(frame), dtype=np.int64)
    for key, own in validation.groupby(["repeat", "fold"]):
        positions = np.flatnonzero((frame[["repeat", "fold"]] == list(key)).all(axis=1))
        if not len(positions):
            continue
        rows = frame.iloc[positions]
        labels, raw = labels_and_probabilities(own)
        groups, zeros = own["group_id"].to_numpy(), np.zeros(len(own), dtype=np.int64)
        parts = group_parts(groups)
        calibrated = cross_fitted(labels, raw, zeros, parts)
        scores = conformal_scores(labels, calibrated, zeros, groups)
        if rows["part"].iloc[0] == "validation":
            members = held_out_sets(scores, calibrated, parts, COVERAGE)
        else:
            new = labels_and_probabilities(rows)[1]
            scaled = apply_temperature(new, fit_temperature(labels, raw))
            members = prediction_sets(scores.p_values(scaled), scaled.argmax(axis=1), COVERAGE)
        sizes[positions] = members.sum(axis=1)
    return sizes

"""The size of each photo's prediction set, as a metric to compare runs by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.stats.calibration import (
    apply_temperature,
    cross_fitted_if_better,
    fit_temperature,
    group_parts,
)
from fashion_exp.stats.conformal import conformal_scores, held_out_sets, prediction_sets

COVERAGE = 0.95


def set_sizes(validation: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
    """Classes in the set of each prediction in `frame` (n,), at a coverage of 95 %.

    Each model is calibrated on its own validation predictions if calibration helps the run. If
    `frame` is `validation`, the set of each photo comes from the other four fifths of the photos.
    """
    sizes = np.zeros(len(frame), dtype=np.int64)
    labels, raw = labels_and_probabilities(validation)
    groups = validation["group_id"].to_numpy()
    by_model, parts = validation.groupby(["repeat", "fold"]), group_parts(groups)
    models = np.asarray(by_model.ngroup(), dtype=np.int64)
    calibrated, is_scaled = cross_fitted_if_better(labels, raw, models, parts)
    for own in by_model.indices.values():
        model = validation.iloc[own[0]]
        of_model = (frame["repeat"] == model["repeat"]) & (frame["fold"] == model["fold"])
        positions = np.flatnonzero(of_model)
        if not len(positions):
            continue
        rows = frame.iloc[positions]
        zeros = np.zeros(len(own), dtype=np.int64)
        scores = conformal_scores(labels[own], calibrated[own], zeros, groups[own])
        if rows["part"].iloc[0] == "validation":
            members = held_out_sets(scores, calibrated[own], parts[own], COVERAGE)
        else:
            new = labels_and_probabilities(rows)[1]
            temperature = fit_temperature(labels[own], raw[own]) if is_scaled else 1.0
            scaled = apply_temperature(new, temperature)
            members = prediction_sets(scores.p_values(scaled), scaled.argmax(axis=1), COVERAGE)
        sizes[positions] = members.sum(axis=1)
    return sizes

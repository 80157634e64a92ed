"""Unfamiliar images: known distances, false alarms at the stated rate, intervals of the AUROC."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.stats.novelty import (
    auroc,
    entropy,
    false_alarm_threshold,
    fit_mahalanobis,
    linear_probabilities,
    rank_score,
)
from tests.stats.helpers import limits


def blobs(n: int, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (3n, 8) of three classes, apart in the first three columns."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), n)
    features = rng.normal(0, 1, (3 * n, 8))
    features[:, :3] += 6 * np.eye(3)[labels]
    features[:, 5] += shift
    return features.astype(np.float32), labels


def test_mahalanobis_finds_images_off_all_classes_only() -> None:
    score = fit_mahalanobis(*blobs(100))
    known, off = score.score(blobs(100, seed=1)[0]), score.score(blobs(100, shift=8, seed=1)[0])
    between = score.score(np.full((1, 8), 0, np.float32))
    assert np.median(off) > np.quantile(known, 0.95) and between[0] > np.quantile(known, 0.95)


def test_mahalanobis_does_not_depend_on_shift_of_all_features() -> None:
    features, labels = blobs(60)
    new = blobs(20, seed=1)[0]
    moved = fit_mahalanobis(features + 3, labels).score(new + 3)
    assert moved == pytest.approx(fit_mahalanobis(features, labels).score(new), abs=0.01)


def test_entropy_of_uniform_and_certain_rows() -> None:
    assert entropy([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]]) == pytest.approx(
        [np.log(4), 0]
    )


def test_rank_is_the_highest_of_all_scores() -> None:
    ten = np.arange(10.0)
    assert rank_score([ten, ten], [np.array([2.5, -1]), np.array([-1.0, 99])]).tolist() == [0.3, 1]


def test_false_alarms_have_the_stated_rate() -> None:
    rng = np.random.default_rng(0)
    rates = [
        (rng.normal(size=500) > false_alarm_threshold(rng.normal(size=99), 0.05)).mean()
        for _ in range(300)
    ]
    assert np.mean(rates) == pytest.approx(0.05, abs=0.006)
    assert false_alarm_threshold(np.arange(10.0), 0.05) == np.inf


def test_auroc_by_hand() -> None:
    assert auroc([1, 2, 3], [2, 4]).estimate == pytest.approx((1.5 + 3) / 6)
    assert auroc([1, 2], [3, 4]).status == "degenerate" and auroc([1], [2, 3]).status == "undefined"


def test_auroc_interval_has_stated_coverage() -> None:
    """Normal scores a standard deviation apart: the area is Phi(1 / sqrt 2) = 0.760."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        low, high = limits(auroc(rng.normal(0, 1, 80), rng.normal(1, 1, 40)))
        covered.append(low <= 0.76025 <= high)
    assert 0.92 < np.mean(covered) < 0.98


def test_copies_do_not_narrow_the_auroc_interval() -> None:
    rng = np.random.default_rng(1)
    known, strange = rng.normal(0, 1, 60), rng.normal(1, 1, 60)
    once, groups = auroc(known, strange), np.repeat(np.arange(60), 4)
    copied = auroc(np.repeat(known, 4), np.repeat(strange, 4), groups, groups)
    assert limits(copied) == pytest.approx(limits(once), abs=2e-3)


def test_linear_classifier_separates_what_is_separable() -> None:
    features, labels = blobs(60)
    new, truth = blobs(60, seed=1)
    probabilities = linear_probabilities(features, labels, new)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.97

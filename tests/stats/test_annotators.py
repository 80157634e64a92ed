"""Agreement against scikit-learn and a published example; true classes against a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from fashion_exp.stats.annotators import (
    accuracy_intervals,
    alpha_interval,
    cohen_kappa,
    find_true_classes,
    human_accuracy,
    kappa_interval,
    krippendorff_alpha,
)


def simulate(n: int, accuracies: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Votes (n, R) and true classes (n,) of three classes; errors go to the next class."""
    rng = np.random.default_rng(0)
    truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    wrong = rng.random((n, len(accuracies))) > accuracies
    return (truth[:, None] + wrong) % 3, truth


def test_kappa_is_scikit_learns_on_the_common_images() -> None:
    votes, _ = simulate(80, [0.8, 0.7])
    expected = cohen_kappa_score(votes[10:, 0], votes[10:, 1])
    votes[:10, 1] = -1
    assert cohen_kappa(votes[:, 0], votes[:, 1], 3) == pytest.approx(expected)
    interval = kappa_interval(votes[:, 0], votes[:, 1], 3, 0.95)
    assert interval.n == 70 and interval.low is not None and interval.high is not None
    assert interval.low < expected < interval.high


def test_alpha_is_that_of_the_published_example() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, missing values; 0.743."""
    rows = (
        "1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )  # fmt: skip
    votes = np.array([[-1 if v == "." else int(v) - 1 for v in row.split()] for row in rows]).T
    assert krippendorff_alpha(votes, 5) == pytest.approx(0.743, abs=5e-4)
    interval = alpha_interval(votes, 5, 0.95)
    assert interval.low is not None and interval.low < 0.743 and interval.n == 11


def test_agreement_is_undefined_for_one_class() -> None:
    votes = np.zeros((5, 2), dtype=np.int64)
    assert np.isnan(krippendorff_alpha(votes, 2)) and np.isnan(
        cohen_kappa(votes[:, 0], votes[:, 1], 2)
    )
    assert kappa_interval(votes[:, 0], votes[:, 1], 2, 0.95).low is None


def test_confusions_of_a_simulation_are_recovered() -> None:
    accuracies = [0.95, 0.8, 0.7, 0.55]
    votes, truth = simulate(2000, accuracies)
    votes[::3, 0] = -1
    result = find_true_classes(votes, 3)
    np.testing.assert_allclose(result.accuracy, accuracies, atol=0.03)
    np.testing.assert_allclose(result.prior, [0.5, 0.3, 0.2], atol=0.03)
    np.testing.assert_allclose(result.confusion[2, 0], [0.7, 0.3, 0], atol=0.05)
    majority = np.array([np.bincount(row[row >= 0]).argmax() for row in votes])
    accuracy = (result.posterior.argmax(1) == truth).mean()
    assert accuracy > (majority == truth).mean() + 0.03


def test_accuracies_of_annotators_have_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashion_exp.stats.annotators.FITTED_RESAMPLES", 30)
    votes, _ = simulate(200, [0.9, 0.8, 0.7])
    intervals = accuracy_intervals(votes, 3, find_true_classes(votes, 3), 0.95)
    for interval in intervals:
        assert interval.low is not None and interval.high is not None
        assert interval.low <= (interval.estimate or 0) <= interval.high


def test_human_accuracy_is_agreement_with_the_majority_of_the_others() -> None:
    votes = np.array([
        [0, 0, 0, 1],  # the first three agree with 2 of 3 others, the last with none
        [0, 0, 1, -1],  # counted is the last alone: the others of the first two are divided
        [0, 1, -1, -1],  # nobody has two others
    ])  # fmt: skip
    interval = human_accuracy(votes, 2, 0.95)
    assert interval.estimate == pytest.approx((0.75 + 0) / 2) and interval.n == 2
    assert human_accuracy(votes[2:], 2, 0.95).estimate is None


def test_copies_of_photos_narrow_no_interval() -> None:
    votes, _ = simulate(60, [0.9, 0.8, 0.7])
    copies, groups = np.repeat(votes, 4, axis=0), np.repeat(np.arange(60), 4)

    def widths(votes: np.ndarray, groups: np.ndarray | None) -> list[float]:
        intervals = [
            kappa_interval(votes[:, 0], votes[:, 1], 3, 0.95, groups),
            alpha_interval(votes, 3, 0.95, groups),
            human_accuracy(votes, 3, 0.95, groups),
        ]
        return [(i.high or 0) - (i.low or 0) for i in intervals]

    np.testing.assert_allclose(widths(copies, groups), widths(votes, None), rtol=0.1)
    assert max(widths(copies, None)) < 0.7 * max(widths(votes, None))

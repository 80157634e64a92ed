"""Labels saved to reach an accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.stats.label_savings import labels_saved

LABELS = [10, 20, 30, 40]
SLOW = np.array([[0.5, 0.6, 0.7, 0.8]] * 5)
FAST = np.array([[0.6, 0.8, 0.8, 0.8]] * 5)


def test_equal_repeats_have_an_exact_saving() -> None:
    result = labels_saved(LABELS, FAST, SLOW, 0.75)
    assert result.needed == pytest.approx(17.5) and result.reference == pytest.approx(35)
    assert result.saved == pytest.approx(17.5) == result.low == result.high
    assert result.censored == 0


def test_curve_that_ends_below_the_target_has_no_saving() -> None:
    assert labels_saved(LABELS, FAST, SLOW, 0.9).saved is None
    assert labels_saved(LABELS, SLOW, FAST, 0.8).saved == pytest.approx(20 - 40)


def test_censored_resamples_are_counted() -> None:
    mixed = np.vstack([SLOW, SLOW - 0.02])
    result = labels_saved(LABELS, np.vstack([FAST, FAST]), mixed, 0.79)
    assert 0 < result.censored < 1 and result.saved is not None
    assert result.high is None  # the reference may need any number of labels
    assert result.low is not None and 0 < result.low <= result.saved
    swapped = labels_saved(LABELS, mixed, np.vstack([FAST, FAST]), 0.79)
    assert swapped.low is None and swapped.high is not None and swapped.high < 0


def test_first_point_may_reach_the_target() -> None:
    assert labels_saved(LABELS, FAST, SLOW, 0.4).saved == 0


@pytest.mark.slow
def test_interval_covers_the_saving_of_many_repeats() -> None:
    rng, covered = np.random.default_rng(0), 0
    for seed in range(100):
        noise = rng.normal(0, 0.02, (2, 8, 1))
        result = labels_saved(
            LABELS, FAST[:1] + noise[0], SLOW[:1] + noise[1], 0.7, resamples=500, seed=seed
        )
        assert result.low is not None and result.high is not None
        covered += result.low <= 30 - 15 <= result.high
    assert covered >= 90

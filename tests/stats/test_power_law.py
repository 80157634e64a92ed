"""The inverse power law of learning curves, and what is extrapolated with it."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.stats.power_law import check_extrapolation, extrapolate, fit_power_law

SIZES = np.array([50, 100, 200, 400, 800, 1600.0])
ERRORS = 0.08 + 2.0 * SIZES**-0.6


def test_fit_recovers_the_law_and_what_follows() -> None:
    law = fit_power_law(SIZES, ERRORS)
    assert law.exponent == pytest.approx(0.6) and law.floor == pytest.approx(0.08)
    assert law.error(6400.0) == pytest.approx(0.08 + 2 * 6400**-0.6)


def test_fits_of_several_curves_are_those_of_each() -> None:
    both = fit_power_law(SIZES, np.stack([ERRORS, 2 * ERRORS]))
    for row, errors in enumerate((ERRORS, 2 * ERRORS)):
        alone = fit_power_law(SIZES, errors)
        assert [float(part[row]) for part in both] == pytest.approx([float(p[0]) for p in alone])


def test_errors_never_fall_below_zero_or_rise() -> None:
    falling = fit_power_law(SIZES, [0.5, 0.3, 0.1, 0.01, 0.0, 0.0])
    rising = fit_power_law(SIZES, np.linspace(0.1, 0.2, 6))
    assert falling.floor >= 0 and falling.error(1e6) >= 0
    assert rising.scale == 0 and rising.error(9.0) == pytest.approx(0.15)


def test_three_sizes_are_too_few() -> None:
    with pytest.raises(ValueError, match="give 4 or more"):
        fit_power_law([1, 2, 3], [1, 1, 1])


def noisy(seed: int, law: np.ndarray = ERRORS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return law + rng.normal(0, 0.01, (10, 1)) + rng.normal(0, 0.01, (10, 6))


@pytest.mark.slow
def test_band_and_check_hold_for_a_power_law() -> None:
    """At 95 %, with 10 repeats: at least 90 of 100."""
    gained, passed = 0, 0
    truth = ERRORS[-1] - (0.08 + 2 * 2100**-0.6)
    for seed in range(100):
        errors = noisy(seed)
        _, low, high = extrapolate(SIZES, errors, 200, seed).gain(1600, 2100, 0.95)
        gained += low <= truth <= high
        passed += not check_extrapolation(SIZES, errors, 5, resamples=200).missed
    assert gained >= 90 and passed >= 90


def test_check_finds_an_error_that_stops_falling() -> None:
    plateau = np.append(ERRORS[:5], ERRORS[3])
    result = check_extrapolation(SIZES, noisy(0, plateau), 5)
    assert result.missed and result.predicted > result.measured and result.fitted_up_to == 800

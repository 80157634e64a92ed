"""Two models' difference from labels of the images where they disagree."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.stats.disagreement import disagreement_difference
from fashion_exp.stats.paired import tango


def test_all_labeled_is_exact_here_and_the_paired_interval_in_general() -> None:
    wins = np.repeat([1, -1, 0], [20, 8, 5])
    here, general = disagreement_difference(wins, 33, 400)
    assert here.estimate == here.low == here.high == pytest.approx(12 / 400)
    expected = tango(300, 20, 8, 72)
    assert (general.low, general.high) == pytest.approx((expected.low, expected.high))


def test_fewer_labels_give_wider_limits_within_what_is_left_open() -> None:
    wins = np.tile([1, -1, 1, 0], 10)
    widths = []
    for n in (10, 20, 39):
        here, general = disagreement_difference(wins[:n], 40, 500)
        assert here.low is not None and here.high is not None
        assert general.low is not None and general.high is not None
        known = wins[:n].sum() / 500
        assert known - (40 - n) / 500 <= here.low <= here.high <= known + (40 - n) / 500
        assert general.high - general.low > here.high - here.low
        widths.append(here.high - here.low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("wins", "images"), [([0, 0, 0], 1000), ([1, 1, 1], 500)])
def test_equal_labels_say_no_more_of_other_photos_than_of_these(
    wins: list[int], images: int
) -> None:
    here, general = disagreement_difference(wins, 500, images)
    assert here.low is not None and here.high is not None
    assert general.low is not None and general.high is not None
    assert general.high - general.low >= 0.9 * (here.high - here.low)


@pytest.mark.parametrize(("labeled", "shares"), [(20, (0.1, 0.05, 0.03)), (999, (0.06, 0.06, 0))])
def test_limits_cover_the_difference(labeled: int, shares: tuple[float, float, float]) -> None:
    rng, here, general, draws = np.random.default_rng(0), 0, 0, 100
    for _ in range(draws):
        right_a, right_b, none, _ = rng.multinomial(300, [*shares, 1 - sum(shares)])
        wins = rng.permutation(np.repeat([1, -1, 0], [right_a, right_b, none]))
        result = disagreement_difference(wins[:labeled], len(wins), 300)
        low, high = result.on_these.low, result.on_these.high
        assert low is not None and high is not None
        here += low - 1e-9 <= (right_a - right_b) / 300 <= high + 1e-9
        low, high = result.in_general.low, result.in_general.high
        assert low is not None and high is not None
        general += low <= shares[0] - shares[1] <= high
    assert here >= 88 and general >= 88


@pytest.mark.parametrize("wins", [[1], [1, 0.5], [1, 0, 1, 1]])
def test_impossible_labels_are_refused(wins: list[float]) -> None:
    with pytest.raises(ValueError, match=r"labels of 3 disagreements|must be -1, 0 or 1"):
        disagreement_difference(wins, 3, 10)

"""Error rates of a series of decisions of unknown length."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.special import zeta

from fashion_exp.stats.checks import validate_fraction

DECAY = 1.6
"""Decision k gets a share of alpha proportional to k^-1.6."""


def next_level(rejected: Sequence[bool], alpha: float = 0.05) -> float:
    """The level at which the next hypothesis of a series is tested.

    `rejected` has the outcomes of the tests before, in order. The chance of any wrong rejection in
    the whole series, however long, is `alpha` at most if each p-value is valid, whatever their
    dependence: the online fallback procedure. Decision k gets alpha k^-1.6 / zeta(1.6), and the
    whole level of the decision before if that was a rejection. At .05: .022, .0072, .0038 for the
    first three, .000042 for the 50th.

    Source: Tian & Ramdas 2021, Stat. Methods Med. Res. 30:976-993.

    Raises:
        ValueError: `alpha` is outside (0, 1).
    """
    validate_fraction(alpha, "alpha")
    level = 0.0
    for number in range(1, len(rejected) + 2):
        carried = level if number > 1 and rejected[number - 2] else 0.0
        level = alpha * number**-DECAY / float(zeta(DECAY)) + carried
    return level

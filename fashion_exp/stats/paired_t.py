"""t-tests of two runs for designs in which McNemar's test does not hold.

| design | function |
|---|---|
| images in groups | `paired_grouped` |
| redrawn splits, repeated folds | `paired_corrected_t`; as a posterior `bayesian_correlated_t` |
| 5x2 cross-validation | `five_by_two` |
| several seeds on one split | `paired_crossed.paired_crossed` |

All take differences a - b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import (
    DIFFERENCE_BOUNDS,
    Floats,
    Sizes,
    validate_matrix,
    validate_scores,
)
from fashion_exp.stats.groups import (
    TOO_FEW,
    clustered_mean,
    few_groups_note,
    group_codes,
    kish_effective_size,
)
from fashion_exp.stats.interval import (
    MIN_RELIABLE_SCORES,
    Estimand,
    Interval,
    Status,
    point_estimate,
    sample_sd,
)
from fashion_exp.stats.moderation import VariancePrior
from fashion_exp.stats.paired import (
    CONSTANT_DIFFERENCE,
    NO_DIFFERENCE,
    PairedTest,
    t_test,
    tango,
    undefined_test,
)
from fashion_exp.stats.t_intervals import corrected_se

ONE_DIFFERENCE = "needs at least 2 scores"


def paired_grouped(
    differences: ArrayLike,
    groups: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    models: int = 1,
) -> PairedTest:
    """The cluster-robust t-test of two models on clustered images.

    `differences` (n,) holds a - b per image (in [-1, 1] if `bounded`), `groups` (n,) the group
    labels; `models` > 1 if the out-of-fold predictions of that many pairs of models are pooled. The
    claim is about the tested models. At most G - 1 degrees of freedom; the paired t-test if every
    image is its own group. One group gives an undefined test; fewer than 20 add a warning. If
    no image differs, p is 1 and the fallback is Tango's interval with the images of a group counted
    as copies.

    Source: `clustered_mean`.

    Raises:
        ValueError: invalid differences (`validate_scores`) or groups (`group_codes`); `level` is
            outside (0, 1).
    """
    bounds = DIFFERENCE_BOUNDS if bounded else None
    scores = validate_scores(differences, bounds)
    codes = group_codes(groups, scores.size)
    mean, n = float(scores.mean()), scores.size
    target = Estimand.MODEL_DIFFERENCE if models == 1 else Estimand.MEAN_MODEL_DIFFERENCE
    method = "paired_t" if codes.max() + 1 == n else "paired_grouped_t"
    point = point_estimate(mean, level, method, target, "groups", scores=models, n=n)
    if codes.max() == 0:
        return undefined_test(point, "needs at least 2 groups")
    clustered = clustered_mean(scores, codes)
    fallback = None
    if bounded and not scores.any():
        size = kish_effective_size(np.bincount(codes), 1.0)
        fallback = tango(size, 0, 0, 0, level, models=models)
    note = few_groups_note(codes)
    return t_test(point, clustered.se, clustered.df, bounds, fallback, note)


def paired_corrected_t(
    differences: ArrayLike,
    n_train: Sizes | None = None,
    n_test: Sizes | None = None,
    level: float = 0.95,
    *,
    bounded: bool = True,
    unit: str = "splits",
    prior: VariancePrior | None = None,
) -> PairedTest:
    """The corrected resampled t-test of two recipes on J splits or folds of one data set.

    `differences` (J,) holds a - b of the scores on the same test images; `n_train` and `n_test` are
    as for `corrected_t_interval`. The claim is about the recipes at this training size. J - 1
    degrees of freedom; one difference gives an undefined test, fewer than 4 add a warning. `prior`
    moderates the variance over the pairs of a study (`fit_variance_prior`), unless no split has a
    difference.

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281; for repeated k-fold Bouckaert &
    Frank 2004, PAKDD, 3-12.

    Raises:
        ValueError: invalid differences (`validate_scores`) or sizes (`size_ratio`); `level` is
            outside (0, 1).
    """
    bounds = DIFFERENCE_BOUNDS if bounded else None
    scores = validate_scores(differences, bounds)
    count = scores.size
    sd, df, method = sample_sd(scores), count - 1.0, "paired_corrected_t"
    if prior is not None and count > 1 and scores.any():
        variance, df = prior.moderate(sd**2, df)
        sd, method = math.sqrt(variance), "paired_moderated_t"
    se = corrected_se(sd, n_train, n_test, count)
    mean, target = float(scores.mean()), Estimand.RECIPE_DIFFERENCE
    point = point_estimate(mean, level, method, target, unit, scores=count)
    if count < 2:
        return undefined_test(point, ONE_DIFFERENCE)
    few = f"J={count} differences: {TOO_FEW}" if df < MIN_RELIABLE_SCORES - 1 else ""
    return t_test(point, se, df, bounds, None, few)


@dataclass(frozen=True)
class RopePosterior:
    """Posterior probabilities that a is worse than, equivalent to and better than b (sum 1).

    `rope`, the region of practical equivalence, is the half-width of what counts as equal. The
    probabilities are None if `status` is `undefined`; if it is `degenerate` (no variance), one of
    them is 1.
    """

    worse: float | None
    equal: float | None
    better: float | None
    rope: float
    scores: int
    status: Status
    note: str = ""


def bayesian_correlated_t(
    differences: ArrayLike, n_train: Sizes, n_test: Sizes, rope: float = 0.01
) -> RopePosterior:
    """The posterior of the difference of two recipes, from J differences a - b of one data set.

    Student's t with J - 1 degrees of freedom around the mean, with the scale of `corrected_se`.
    `differences` has shape (J,); `rope` is in the unit of the metric (0.01 is one point of
    accuracy).

    Source: Benavoli, Corani, Demsar & Zaffalon 2017, JMLR 18(77):1-36, section 4; correlation
    n_test / (n_train + n_test).

    Raises:
        ValueError: as `paired_corrected_t` unbounded; `rope` is negative or not finite.
    """
    scores = validate_scores(differences, None)
    if not (rope >= 0 and math.isfinite(rope)):
        raise ValueError(f"rope must be 0 or more, not {rope}")
    scale = corrected_se(sample_sd(scores), n_train, n_test, scores.size)
    if scores.size < 2:
        return RopePosterior(None, None, None, rope, scores.size, "undefined", ONE_DIFFERENCE)
    mean = float(scores.mean())
    if scale == 0:
        shares = float(mean < -rope), float(abs(mean) <= rope), float(mean > rope)
        return RopePosterior(*shares, rope, scores.size, "degenerate", CONSTANT_DIFFERENCE)
    posterior = stats.t(scores.size - 1, loc=mean, scale=scale)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return RopePosterior(worse, max(1 - worse - better, 0.0), better, rope, scores.size, "ok")


def five_by_two(
    differences: ArrayLike, level: float = 0.95, *, variant: Literal["F", "t"] = "F"
) -> PairedTest:
    """The 5x2cv test of two recipes: Alpaydin's F, or Dietterich's t.

    `differences` (5, 2) holds a - b by replication and fold, in [-1, 1]. The numerator of the t is
    the first difference only, so replications must keep the order in which they were drawn; the F
    does not depend on it. The interval of both variants is t(5) around the mean of all ten with
    Dietterich's scale (conservative: measured coverage .98-1.00). The claim is about the recipes
    at half of the images. No difference gives p = 1. No variance within any replication gives
    p = 0 and a warning. Both are degenerate.

    Source: Alpaydin 1999, Neural Computation 11:1885-1892, F(10, 5); Dietterich 1998, Neural
    Computation 10:1895-1923, t(5).

    Raises:
        ValueError: the shape is not (5, 2); a difference is missing, infinite or outside [-1, 1];
            `level` is outside (0, 1); `variant` is unknown.
    """
    scores = validate_matrix(differences, DIFFERENCE_BOUNDS)
    if scores.shape != (5, 2):
        raise ValueError(f"needs exactly 5 replications of 2 folds, not {scores.shape}")
    if variant not in ("F", "t"):
        raise ValueError(f"variant must be F or t, not {variant!r}")
    within = float((np.diff(scores, axis=1) ** 2).sum()) / 2
    name, mean = f"5x2cv_{variant}", float(scores.mean())
    target = Estimand.RECIPE_DIFFERENCE
    point = point_estimate(mean, level, "5x2cv_t_at_mean", target, "folds", scores=10)
    if within <= 1e-24 * float((scores**2).max()):
        return _five_by_two_without_variance(name, point, scores, variant)
    interval = point.with_t_limits(math.sqrt(within / 5), 5, DIFFERENCE_BOUNDS)
    if variant == "F":
        statistic = float((scores**2).sum()) / 2 / within
        p = float(stats.f.sf(statistic, 10, 5))
        return PairedTest(name, p, statistic, (10.0, 5.0), interval, "ok")
    statistic = float(scores[0, 0]) * math.sqrt(5) / math.sqrt(within)
    return PairedTest(
        name, float(2 * stats.t.sf(abs(statistic), 5)), statistic, 5.0, interval, "ok"
    )


def _five_by_two_without_variance(
    name: str, point: Interval, scores: Floats, variant: Literal["F", "t"]
) -> PairedTest:
    df = (10.0, 5.0) if variant == "F" else 5.0
    tested = scores if variant == "F" else scores[:1, :1]
    if tested.any():
        reason = "zero within-replication variance; p not trustworthy"
        p, statistic = 0.0, math.copysign(math.inf, 1.0 if variant == "F" else scores[0, 0])
    else:
        reason, p, statistic = NO_DIFFERENCE, 1.0, 0.0
    interval = point.degenerate(reason)
    return PairedTest(name, p, statistic, df, interval, "degenerate", reason)

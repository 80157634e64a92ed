"""Confidence intervals for a score, each saying what it is an interval of.

Three truths must be told apart: the true accuracy of *one model*, the mean true accuracy of *the
models tested*, and the expected accuracy of *the recipe* that made them. Each function names the
one it covers in `Interval.target`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Status = Literal["ok", "degenerate", "undefined"]
Floats = NDArray[np.float64]
Sizes = float | Sequence[float] | Floats

MIN_SCORES_SHOWN = 4  # t-intervals over fewer scores are computed, flagged, and not worth a table
SCORE_UNITS = ("scores", "folds", "splits", "seeds")

ONE_MODEL = "the model tested"
MODELS_TESTED = "the mean of the models tested"
INDEPENDENT_SCORES = "the mean of scores drawn independently like these"
RECIPE = "the recipe at this training size"
RECIPE_HERE = "the recipe on these training images"


@dataclass(frozen=True)
class Interval:
    """An estimate with its limits, or the reason why there are none.

    - `target` says in words what the interval is of, `unit` what was counted as one measurement;
      `n` is the number of distinct test images where known, `scores` the number of scores or
      models J.
    - `low` and `high` are fit to be shown (inside [0, 1] for a bounded metric); `raw_low` and
      `raw_high` are what the formula gave.
    - `status` is `undefined` (no limits; `note` has the reason), `degenerate` (no spread in the
      data, so the limits coincide and mean nothing: show `fallback`), or `ok`. `note` holds
      reasons and warnings. `fallback` is the interval to use in place of one that is not `ok`,
      where the data allow one.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    target: str
    unit: str
    n: float | None
    scores: int
    status: Status
    note: str = ""
    raw_low: float | None = None
    raw_high: float | None = None
    fallback: Interval | None = None

    def __post_init__(self) -> None:
        limits = (self.low, self.high, self.raw_low, self.raw_high)
        if self.status == "undefined":
            assert limits == (None,) * 4 and self.note, "undefined: no limits, but a reason"
        else:
            numbers = (self.estimate, *limits)
            assert all(x is not None and math.isfinite(x) for x in numbers), "a silent nan"


def wilson(
    correct: float, n: float, level: float = 0.95, *, fractional: bool = False, models: int = 1
) -> Interval:
    """Wilson's score interval for an accuracy over `n` distinct test images.

    Covers the true accuracy of the model tested; with `models` > 1, where `correct` is the mean
    accuracy times `n` or the right answers pooled over folds, the mean true accuracy of those
    models. `fractional=True` admits counts that are no whole numbers: a mean over models, or
    counts divided by a design effect. `n` = 0 gives an undefined interval.

    Source: Wilson 1927, JASA 22:209-212, in the form of Newcombe 1998, Stat. Med. 17:857-872,
    method 3: (2np + z^2 -+ z sqrt(z^2 + 4npq)) / (2(n + z^2)), rearranged without cancellation
    so that the limits are exactly 0 and 1 where none and all are right.

    Raises:
        ValueError: counts negative, not finite, above `n`, or fractional unless allowed; `level`
            outside (0, 1); `models` below 1.
    """
    _check_level(level)
    correct = _checked_count(correct, n, fractional=fractional)
    if models < 1:
        raise ValueError(f"models is {models}, not at least 1")
    target = ONE_MODEL if models == 1 else MODELS_TESTED
    blank = _no_count(correct, n, level, "wilson", target, models)
    if n == 0:
        return blank
    z = float(stats.norm.isf((1 - level) / 2))
    return _counted(
        blank, _wilson_lower(correct, n - correct, z), 1 - _wilson_lower(n - correct, correct, z)
    )


def clopper_pearson(correct: float, n: float, level: float = 0.95) -> Interval:
    """Clopper-Pearson's interval for the true accuracy of the model tested.

    Guaranteed to cover at least `level`, hence wider than Wilson's. `n` = 0 gives an undefined
    interval.

    Source: Clopper & Pearson 1934, Biometrika 26:404-413, as beta quantiles.

    Raises:
        ValueError: counts negative, not finite, above `n`, or no whole numbers (the guarantee
            does not hold for means); `level` outside (0, 1).
    """
    _check_level(level)
    correct = _checked_count(correct, n, fractional=False)
    blank = _no_count(correct, n, level, "clopper_pearson", ONE_MODEL, 1)
    if n == 0:
        return blank
    tail = (1 - level) / 2
    return _counted(blank, _beta_lower(correct, n, tail), 1 - _beta_lower(n - correct, n, tail))


def clopper_pearson_lower(correct: float, n: float, level: float = 0.95) -> Interval:
    """The one-sided Clopper-Pearson bound, for "at least 95 % with 95 % confidence".

    Returns an interval from the bound to exactly 1: the true accuracy of the model tested lies
    above `low` with at least `level` confidence. With no error it is (1 - level)^(1/n). `n` = 0
    gives an undefined interval.

    Source: Clopper & Pearson 1934, Biometrika 26:404-413; without errors the success-run bound
    of Wilks 1941, Ann. Math. Stat. 12:91-96.

    Raises:
        ValueError: as `clopper_pearson`.
    """
    _check_level(level)
    correct = _checked_count(correct, n, fractional=False)
    blank = _no_count(correct, n, level, "clopper_pearson_lower", ONE_MODEL, 1)
    return blank if n == 0 else _counted(blank, _beta_lower(correct, n, 1 - level), 1.0)


def t_interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    correct: Sequence[float] | None = None,
    n: Sequence[float] | None = None,
    allow_missing: bool = False,
    unit: str = "scores",
) -> Interval:
    """Student's t-interval, mean +- t(J-1) s / sqrt(J), for scores that are independent.

    Covers the mean of the distribution that the J scores were drawn from independently. Scores
    of folds, splits or seeds share images, so over them it covers too little (see
    `corrected_t_interval` and `crossed_t_interval`). `bounded` metrics lie in [0, 1]. `correct`
    and `n` are the counts behind each score, taken from disjoint test images; if all scores are
    equal, Wilson on the pooled counts becomes the fallback. One score gives an undefined
    interval; with `allow_missing`, nan scores are left out and the note says how many.

    Source: Student 1908, Biometrika 6:1-25.

    Raises:
        ValueError: no scores; scores missing (unless allowed), infinite or, if bounded, outside
            [0, 1]; counts given by halves, of another length or impossible; `level` outside
            (0, 1); a `unit` that is not one of `SCORE_UNITS`, epochs above all.
    """
    _check_level(level)
    _check_unit(unit)
    every = _checked_scores(values, bounded=bounded)
    present = ~np.isnan(every)
    missing = _missing_note(present, allow_missing)
    fallback = _pooled_wilson(correct, n, present, level)
    scores = every[present]
    images = fallback.n if fallback else None
    mean = float(scores.mean())
    blank = _silent(mean, level, "t", INDEPENDENT_SCORES, unit, images, scores.size)
    scale = _spread(scores) / math.sqrt(scores.size)
    done = _over_scores(blank, scale, bounded, fallback, "wilson on pooled counts")
    return replace(done, note=_joined(missing, done.note))


def corrected_t_interval(
    values: ArrayLike,
    n_train: Sizes | None = None,
    n_test: Sizes | None = None,
    level: float = 0.95,
    *,
    bounded: bool = True,
    unit: str = "scores",
) -> Interval:
    """The t-interval for J scores whose training and test images were redrawn from one data set.

    Covers the expected score of the recipe at this training size. Scale s sqrt(1/J +
    n_test/n_train), J - 1 degrees of freedom; `n_train` and `n_test` are the images of each
    score, one number or J of them, and the ratio is that of their sums. One score gives an
    undefined interval, equal scores a degenerate one without fallback (test images may recur, so
    there are no pooled counts: use `wilson` at the mean with the distinct images).

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281, the corrected resampled t-test;
    for repeated k-fold Bouckaert & Frank 2004, PAKDD, 3-12.

    Raises:
        ValueError: no scores; scores missing, infinite or, if bounded, outside [0, 1]; sizes
            missing, not above 0 or not one or J of them; `level` outside (0, 1); a `unit` that is
            not one of `SCORE_UNITS`, epochs above all.
    """
    _check_level(level)
    _check_unit(unit)
    scores = _checked_scores(values, bounded=bounded)
    _missing_note(~np.isnan(scores), allow_missing=False)
    if n_train is None or n_test is None:
        raise ValueError("n_train and n_test are required: the correction is their ratio")
    ratio = _total(n_test, scores.size, "n_test") / _total(n_train, scores.size, "n_train")
    mean = float(scores.mean())
    blank = _silent(mean, level, "corrected_t", RECIPE, unit, None, scores.size)
    scale = _spread(scores) * math.sqrt(1 / scores.size + ratio)
    return _over_scores(blank, scale, bounded, None, "")


def crossed_t_interval(
    correct: ArrayLike, level: float = 0.95, *, bounded: bool = True
) -> Interval:
    """The t-interval for S models, each trained separately, that share the same n test images.

    `correct` has shape (S, n): one row per model, one column per image, holding any score that
    is averaged over images (right or wrong; log loss with `bounded=False`). Covers the expected
    score of models made by the recipe on these training images. A t over the S accuracies alone
    would leave out that other test images would have given other accuracies.

    Variance = s2(model means) / S + s2(image means over the models) / n, with Satterthwaite's
    degrees of freedom. The model x image interaction is in both terms, so the variance is
    slightly too large rather than too small. S = 1 or n = 1 is undefined and no spread at all
    degenerate; the fallback of both, for right-or-wrong scores, is Wilson at the mean accuracy.
    Fewer than 4 models are flagged: two that differ much cover .93 instead of .95.

    Source: two-way crossed random effects (Cornfield & Tukey 1956, Ann. Math. Stat. 27:907-949);
    degrees of freedom Satterthwaite 1946, Biometrics Bull. 2:110-114, and Welch 1947, Biometrika
    34:28-35.

    Raises:
        ValueError: not a matrix, empty, with missing or infinite scores or, if bounded, scores
            outside [0, 1]; `level` outside (0, 1).
    """
    _check_level(level)
    scores = _checked_matrix(correct, bounded=bounded)
    models, images = scores.shape
    mean = float(scores.mean())
    blank = _silent(mean, level, "crossed_t", RECIPE_HERE, "models x images", images, models)
    fallback = _mean_wilson(scores, level)
    named = "wilson at the mean accuracy"
    if min(models, images) < 2:
        lacking = "models" if models < 2 else "images"
        return _instead(blank, f"needs at least 2 {lacking}", fallback, named)
    by_model = _spread(scores.mean(axis=1)) ** 2 / models
    by_image = _spread(scores.mean(axis=0)) ** 2 / images
    variance = by_model + by_image
    if variance == 0:
        return _flat(blank, fallback, named)
    share = by_model / variance
    df = 1 / (share**2 / (models - 1) + (1 - share) ** 2 / (images - 1))
    done = _student(blank, math.sqrt(variance), df, bounded)
    few = models < MIN_SCORES_SHOWN
    warning = f"S={models} models: their variance is barely known" if few else ""
    return replace(done, note=_joined(warning, done.note))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0,1), not {level}")


def _check_unit(unit: str) -> None:
    if unit.startswith("epoch"):
        raise ValueError(
            "epochs of one run are not independent measurements (lag-1 autocorrelation up to "
            ".85), so no t-interval holds over them; use wilson on the distinct test images, or "
            "one score per separately trained model"
        )
    if unit not in SCORE_UNITS:
        raise ValueError(f"unit {unit!r} is not one of {', '.join(SCORE_UNITS)}")


def _checked_count(correct: float, n: float, *, fractional: bool) -> float:
    if not (math.isfinite(correct) and math.isfinite(n)) or correct < 0 or n < 0:
        raise ValueError(f"counts must be finite and not negative: {correct} of {n}")
    if not fractional and (correct % 1 or n % 1):
        raise ValueError(f"fractional counts, {correct} of {n}, need wilson with fractional=True")
    if correct > n * (1 + 1e-9):  # a mean times n may pass n by rounding, never by more
        raise ValueError(f"more correct than images: {correct} of {n}")
    return min(correct, n)


def _checked_scores(values: ArrayLike, *, bounded: bool) -> Floats:
    scores: Floats = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"scores must be one row of numbers, not of shape {scores.shape}")
    return _checked_values(scores, bounded)


def _checked_matrix(values: ArrayLike, *, bounded: bool) -> Floats:
    scores: Floats = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (models, images), not of shape {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("incomplete: every model needs a score for every image")
    return _checked_values(scores, bounded)


def _checked_values(scores: Floats, bounded: bool) -> Floats:
    if scores.size == 0:
        raise ValueError("no scores")
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    if not bounded:
        return scores
    if ((scores < -1e-9) | (scores > 1 + 1e-9)).any():  # an average may pass 1 by rounding
        raise ValueError("a score lies outside [0,1]; bounded=False for metrics that may")
    return np.clip(scores, 0, 1)


def _missing_note(present: NDArray[np.bool_], allow_missing: bool) -> str:
    missing = int((~present).sum())
    if not missing:
        return ""
    what = f"{missing} of {present.size} scores missing"
    if not allow_missing:
        raise ValueError(f"incomplete: {what}; no interval unless allow_missing=True")
    if missing == present.size:
        raise ValueError(f"no scores: {what}")
    return f"{what}: k={present.size - missing}"


def _total(sizes: Sizes, scores: int, name: str) -> float:
    given: Floats = np.asarray(sizes, dtype=np.float64)
    if given.ndim == 0:
        given = np.full(scores, given)
    if given.shape != (scores,):
        raise ValueError(f"{name} must be one number or {scores}, not of shape {given.shape}")
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise ValueError(f"{name} must be above 0 for every score")
    return float(given.sum())


def _pooled_wilson(
    correct: Sequence[float] | None,
    n: Sequence[float] | None,
    present: NDArray[np.bool_],
    level: float,
) -> Interval | None:
    if correct is None and n is None:
        return None
    if correct is None or n is None or not len(correct) == len(n) == present.size:
        raise ValueError("correct and n must both be given, with one count per score")
    used = [(k, m) for k, m, here in zip(correct, n, present, strict=True) if here]
    for k, m in used:
        _checked_count(k, m, fractional=False)
    total = sum(k for k, _ in used), sum(m for _, m in used)
    return wilson(*total, level, models=len(used))


def _mean_wilson(scores: Floats, level: float) -> Interval | None:
    if not np.isin(scores, (0, 1)).all():
        return None
    models, images = scores.shape
    return wilson(scores.sum() / models, images, level, fractional=True, models=models)


def _wilson_lower(hits: float, misses: float, z: float) -> float:
    n = hits + misses
    return 2 * hits * (hits / n) / (2 * hits + z * z + z * math.sqrt(z * z + 4 * hits * misses / n))


def _beta_lower(hits: float, n: float, tail: float) -> float:
    return float(stats.beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0


def _spread(scores: Floats) -> float:
    """The standard deviation (n - 1), with mere rounding of equal scores counted as none."""
    if scores.size < 2:
        return 0.0
    sd = float(scores.std(ddof=1))
    return sd if sd > 1e-12 * float(np.abs(scores).max()) else 0.0


def _silent(
    estimate: float | None,
    level: float,
    method: str,
    target: str,
    unit: str,
    n: float | None,
    scores: int,
) -> Interval:
    """What is known before the limits are: the answer where the data allow none."""
    reason = "no data for limits"
    return Interval(
        estimate, None, None, level, method, target, unit, n, scores, "undefined", reason
    )


def _no_count(
    correct: float, n: float, level: float, method: str, target: str, models: int
) -> Interval:
    estimate = correct / n if n else None
    return replace(_silent(estimate, level, method, target, "images", n, models), note="no images")


def _counted(blank: Interval, low: float, high: float) -> Interval:
    return replace(blank, low=low, high=high, raw_low=low, raw_high=high, status="ok", note="")


def _over_scores(
    blank: Interval, scale: float, bounded: bool, fallback: Interval | None, named: str
) -> Interval:
    if blank.scores < 2:
        return _instead(blank, "needs at least 2 scores", fallback, named)
    if scale == 0:
        return _flat(blank, fallback, named)
    done = _student(blank, scale, blank.scores - 1, bounded)
    if not done.note and blank.scores >= MIN_SCORES_SHOWN:
        return done
    advice = f"k={blank.scores} (df={blank.scores - 1}): use a per-image interval"
    return replace(done, note=_joined(done.note, advice))


def _student(blank: Interval, scale: float, df: float, bounded: bool) -> Interval:
    assert blank.estimate is not None
    half = float(stats.t.isf((1 - blank.level) / 2, df)) * scale
    raw = blank.estimate - half, blank.estimate + half
    low, high = (max(raw[0], 0.0), min(raw[1], 1.0)) if bounded else raw
    note = "" if (low, high) == raw else "limit outside [0,1]"
    return replace(
        blank, low=low, high=high, raw_low=raw[0], raw_high=raw[1], status="ok", note=note
    )


def _instead(blank: Interval, reason: str, fallback: Interval | None, named: str) -> Interval:
    note = _joined(reason, f"fallback: {named}" if fallback else "")
    return replace(blank, note=note, fallback=fallback)


def _flat(blank: Interval, fallback: Interval | None, named: str) -> Interval:
    """Limits that coincide, as the formula gives them, marked as no interval."""
    remedy = "" if fallback else "for counts use wilson on the distinct test images"
    flat = _instead(blank, _joined("no variance among the scores", remedy), fallback, named)
    at = flat.estimate
    return replace(flat, low=at, high=at, raw_low=at, raw_high=at, status="degenerate")


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

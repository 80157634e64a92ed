"""Calibration of predicted probabilities: temperature scaling, Brier score, calibration error.

Shapes: n predictions, C classes; labels (n,) are integers in [0, C), probabilities are (n, C).
Temperature scaling is one scalar minimization and the calibration error one sum over bins; the
libraries that have both bring a training framework with them and know no groups.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from fashion_exp.stats.bootstrap import block_sizes
from fashion_exp.stats.checks import Floats, Integers, validate_minimum, validate_resampling
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.metrics import cross_entropy, per_image_correct, per_image_loss
from fashion_exp.stats.proportions import wilson_grouped

BINS = 15
"""Bins of equal numbers of predictions, the usual number of Guo et al."""
TEMPERATURE_BOUNDS = (0.1, 20.0)
"""Without errors the likelihood has no maximum: the lower bound is the temperature then."""
TINY = float(np.finfo(np.float32).tiny)


def fit_temperature(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The temperature T with the least cross-entropy, within `TEMPERATURE_BOUNDS`.

    Above 1 the probabilities were overconfident, below 1 underconfident.

    Source: Guo, Pleiss, Sun & Weinberger 2017, ICML, "On Calibration of Modern Neural Networks".

    Raises:
        ValueError: as `metrics.per_image_loss`.
    """
    per_image_loss(labels, probabilities)  # validates both
    truth = np.asarray(labels)
    logits = _log(probabilities)
    logits -= logits[np.arange(truth.size), truth][:, None]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(special.logsumexp(scaled, axis=1).mean())

    bounds = tuple(np.log(TEMPERATURE_BOUNDS))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """The softmax of the logarithms divided by the temperature, shape (…, C)."""
    if temperature == 1:
        return np.asarray(probabilities, dtype=np.float64)
    scaled: Floats = special.softmax(_log(probabilities) / temperature, axis=-1)
    return scaled


def cross_fitted(
    labels: Integers, probabilities: Floats, models: Integers, parts: Integers
) -> Floats:
    """Probabilities (n, C) at temperatures that were fitted without the image itself.

    `models` (n,) says which model made each prediction. Every model has its own temperature. That
    of a prediction is fitted on the model's predictions in the other `parts` (n,), which divide
    the images without dividing a group; 1 if the model has none there.
    """
    scaled = np.array(probabilities, dtype=np.float64)
    for model in np.unique(models):
        for part in np.unique(parts):
            here = (models == model) & (parts == part)
            others = (models == model) & (parts != part)
            if here.any() and others.any():
                temperature = fit_temperature(labels[others], probabilities[others])
                scaled[here] = apply_temperature(probabilities[here], temperature)
    return scaled


def cross_fitted_if_better(
    labels: Integers, probabilities: Floats, models: Integers, parts: Integers
) -> tuple[Floats, bool]:
    """As `cross_fitted`, and true, if that lowers the mean cross-entropy of all predictions; else
    the probabilities as they are, and false: all temperatures should be 1."""
    scaled = cross_fitted(labels, probabilities, models, parts)
    helps = cross_entropy(labels, scaled) < cross_entropy(labels, probabilities)
    return (scaled, True) if helps else (probabilities, False)


def group_parts(groups: ArrayLike) -> Integers:
    """A part 0 … 4 for each row (n,), the same for all rows of a group, of similar sizes."""
    codes = group_codes(groups, len(np.asarray(groups)))
    order = np.random.default_rng(0).permutation(int(codes.max()) + 1)
    return (order % 5)[codes]


def per_image_brier(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """The sum of squared differences between probabilities and the true class (n,), 0 to 2.

    Source: Brier 1950, Monthly Weather Review 78:1-3.

    Raises:
        ValueError: as `metrics.per_image_loss`.
    """
    per_image_loss(labels, probabilities)
    rows: Floats = np.array(probabilities, dtype=np.float64)
    rows[np.arange(len(rows)), np.asarray(labels)] -= 1
    squares: Floats = (rows**2).sum(axis=1)
    return squares


class ReliabilityBin(NamedTuple):
    """Predictions of similar confidence: their mean confidence, and how many were right."""

    confidence: float
    accuracy: Interval
    predictions: int


def reliability(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    bins: int = 10,
    level: float = 0.95,
) -> list[ReliabilityBin]:
    """The bins of a reliability diagram, of equal numbers of predictions, with Wilson intervals.

    Raises:
        ValueError: as `metrics.per_image_correct` and `wilson_grouped`.
    """
    correct = per_image_correct(labels, probabilities).astype(np.float64)
    confidence = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    codes, members = group_codes(groups, correct.size), _bins(confidence, bins)
    return [
        ReliabilityBin(
            float(confidence[members == index].mean()),
            wilson_grouped(correct[members == index], codes[members == index], level),
            int((members == index).sum()),
        )
        for index in np.unique(members)
    ]


def calibration_error(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    bins: int = BINS,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The expected calibration error of the predicted class, as a root mean square, debiased.

    With n_b predictions in bin b, their mean confidence c_b and their accuracy a_b it is the root
    of sum_b n_b/n [(a_b - c_b)^2 - a_b (1 - a_b) / (n_b - 1)], or 0 if the sum is negative. The
    subtracted variance is what chance adds to the square, so that the sum has no bias; the usual
    mean of |a_b - c_b| is above 0 for calibrated probabilities too. The estimand is the error
    of the binned confidences.

    The interval is a pivotal bootstrap of the sum, over images or whole `groups` (n,): in the
    resampled world the true sum is the one without the subtraction. Its limits are clipped at 0.

    Source: Bröcker 2012, Climate Dynamics 39:655-667; Kumar, Liang & Ma 2019, NeurIPS, "Verified
    Uncertainty Calibration", estimator of section 4; Davison & Hinkley 1997, section 5.2.

    Raises:
        ValueError: as `metrics.per_image_correct`; invalid `resamples` or `level`
            (`validate_resampling`) or groups (`group_codes`); fewer than 2 `bins`.
    """
    validate_resampling(level, resamples)
    validate_minimum(bins, 2, "bins")
    correct = per_image_correct(labels, probabilities).astype(np.float64)
    confidence = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    codes, members = group_codes(groups, correct.size), _bins(confidence, bins)
    count = int(codes.max()) + 1
    sums = np.zeros((3, count, int(members.max()) + 1))  # predictions, right ones, confidences
    for row, values in zip(sums, (np.ones_like(correct), correct, confidence), strict=True):
        np.add.at(row, (codes, members), values)
    plain, debiased = _squared_errors(sums.sum(axis=1)[:, None])
    estimate = float(np.sqrt(max(debiased[0], 0.0)))
    unit = "images" if groups is None else "groups"
    point = point_estimate(
        estimate, level, "pivotal_bootstrap", Estimand.MODEL, unit, scores=1, n=correct.size
    )
    if count < 2:
        return point.without_limits(f"needs at least 2 {unit}")
    rng = np.random.default_rng(seed)
    resampled = []
    for size in block_sizes(resamples, count):
        weights = rng.multinomial(count, np.full(count, 1 / count), size=size)
        drawn = np.tensordot(weights.astype(np.float64), sums, (1, 1)).transpose(1, 0, 2)
        resampled.append(_squared_errors(drawn)[1])
    tails = [(1 + level) / 2, (1 - level) / 2]
    low, high = debiased[0] - (np.quantile(np.concatenate(resampled), tails) - plain[0])
    limits = np.sqrt(max(low, 0.0)), np.sqrt(max(high, 0.0))
    interval = point.with_limits(min(limits[0], estimate), max(limits[1], estimate))
    return interval.with_warning(few_groups_note(codes) if groups is not None else "")


def _squared_errors(sums: Floats) -> tuple[Floats, Floats]:
    """The squared calibration error (r,) without and with the subtraction, of sums (3, r, bins)."""
    n, right, confidence = sums
    accuracy = right / np.maximum(n, 1)
    squares = (accuracy - confidence / np.maximum(n, 1)) ** 2
    variance = accuracy * (1 - accuracy) / np.maximum(n - 1, 1)
    weights = n / n.sum(axis=1, keepdims=True)
    return (weights * squares).sum(axis=1), (weights * (squares - variance)).sum(axis=1)


def _bins(confidence: Floats, bins: int) -> Integers:
    """A bin 0 … (n,) of similar numbers of predictions; equal confidences are in one bin."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    members = np.searchsorted(edges, confidence, side="left")
    codes: Integers = np.unique(members, return_inverse=True)[1].astype(np.int64)
    return codes


def _log(probabilities: ArrayLike) -> Floats:
    logarithms: Floats = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), TINY))
    return logarithms

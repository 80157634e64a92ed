"""Coverage and type I error of every procedure, for the estimand that it names.

Each function here draws one data set and yields what became of every procedure on it; in
brackets, what is not to be done, for comparison. `claims.py` says what each promises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from scipy import stats

from fashion_exp.stats.bootstrap import bootstrap, cluster_bootstrap, paired_bootstrap
from fashion_exp.stats.crossed import Components, crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.metrics import macro_f1, per_image_macro_f1
from fashion_exp.stats.multiplicity import cochrans_q, holm
from fashion_exp.stats.paired import McNemar, PairedTest, mcnemar, newcombe10, paired_counts
from fashion_exp.stats.paired_crossed import paired_crossed, unpaired_crossed
from fashion_exp.stats.paired_t import five_by_two, paired_corrected_t, paired_grouped
from fashion_exp.stats.planning import (
    Bound,
    images_to_separate,
    seeds_to_separate,
    target_verdict,
)
from fashion_exp.stats.proportions import clopper_pearson, wilson, wilson_grouped
from fashion_exp.stats.scores import corrected_t_interval, t_interval, t_naive
from fashion_exp.stats.selection import bbc_cv
from tests.stats import worlds
from tests.stats.given import limits

VARIANTS: list[McNemar] = ["midp", "exact", "chi2", "chi2_cc"]
BOUNDS: list[Bound] = ["clopper_pearson", "wilson"]
Rng = np.random.Generator
Outcomes = Iterator[tuple[str, float]]
"""Of each procedure 1 where the interval covered or the test rejected, else 0; or a bias."""


def covers(interval: Interval, truth: float) -> float:
    shown = interval if interval.status == "ok" else interval.fallback
    if shown is None:  # no interval covers nothing: rare, where a few scores are all equal
        return 0.0
    low, high = limits(shown)
    return float(low <= truth <= high)


def rejects(test: PairedTest, alpha: float = 0.05) -> float:
    return float(test.trusted_p is not None and test.trusted_p < alpha)


def wald(correct: float, n: float) -> tuple[float, float]:
    """The textbook interval, offered nowhere: here to show why."""
    p = correct / n
    half = float(stats.norm.isf(0.025)) * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


def exact_coverage(
    interval: Callable[[float, float], tuple[float, float]], n: int, p: float
) -> float:
    """The coverage of an interval for counts, by summing over all of them."""
    ends = np.array([interval(k, n) for k in range(n + 1)])
    held = (ends[:, 0] <= p) & (p <= ends[:, 1])
    return float(stats.binom.pmf(np.arange(n + 1), n, p)[held].sum())


# --- one run ---------------------------------------------------------------------------------


def of_counts(rng: Rng) -> Outcomes:
    p, n = rng.uniform(0.7, 0.99), int(rng.integers(50, 1000))
    k = int(rng.binomial(n, p))
    yield "wilson", covers(wilson(k, n), p)
    yield "clopper_pearson", covers(clopper_pearson(k, n), p)
    low, high = wald(k, n)
    yield "(wald)", float(low <= p <= high)
    yield "t_interval", covers(t_interval(rng.normal(0.7, 0.01, 6)), 0.7)
    for method in BOUNDS:  # a model that just misses the target
        verdict = target_verdict(k, n, p, method=method).verdict
        yield f"target_verdict {method}", float(verdict == "met")


def of_groups(rng: Rng) -> Outcomes:
    for sources in (120, 30):
        (right,), groups = worlds.grouped_answers(rng, sources, (0.9,))
        yield f"wilson_grouped G={sources}", covers(wilson_grouped(right, groups), 0.9)
        iid = wilson(right.sum(), right.size)
        yield f"(wilson on images in groups) G={sources}", covers(iid, 0.9)


def of_bootstrap(rng: Rng) -> Outcomes:
    seed = int(rng.integers(2**31))
    right = (rng.random(200) < 0.85).astype(float)
    yield "bootstrap BCa accuracy", covers(bootstrap(right, _mean, resamples=1000, seed=seed), 0.85)
    losses = rng.exponential(0.5, 200)
    yield "bootstrap BCa loss", covers(bootstrap(losses, _mean, resamples=1000, seed=seed), 0.5)
    (right,), groups = worlds.grouped_answers(rng, 120, (0.9,))
    found = cluster_bootstrap(right, groups, _mean, resamples=1000, seed=seed)
    yield "cluster_bootstrap G=120", covers(found, 0.9)


def of_seeds(rng: Rng) -> Outcomes:
    truth = worlds.seeded_truth()
    for seeds in (3, 5, 10):
        right = worlds.seeded_answers(rng, seeds, 300)
        yield f"crossed_t_interval S={seeds}", covers(crossed_t_interval(right), truth)
    yield "t_naive over 10 seeds", covers(t_naive(right.mean(axis=1), unit="seeds"), truth)


def of_splits(rng: Rng) -> Outcomes:
    n = 300
    images = worlds.data(rng, n)
    for name, test in {
        "10 splits": worlds.random_splits(rng, 10, n),
        "30 splits": worlds.random_splits(rng, 30, n),
        "5 folds": worlds.folds(rng, 1, 5, n),
        "4x5 folds": worlds.folds(rng, 4, 5, n),
    }.items():
        learnt = images.learn(~test, 0, rng)
        found, sizes = worlds.scores(learnt, test), test.sum(axis=1).astype(float)
        recipe = _recipe_truth(round(float(n - sizes.mean())))
        corrected = corrected_t_interval(found, n - sizes, sizes)
        yield f"corrected_t_interval {name}", covers(corrected, recipe)
        if name in ("30 splits", "4x5 folds"):
            yield f"t_naive {name}", covers(t_naive(found), recipe)
        else:
            pooled = wilson(found.mean() * n, n, fractional=True, models=len(found))
            yield f"wilson at the mean, {name}", covers(pooled, float(learnt.truth.mean()))


# --- two runs --------------------------------------------------------------------------------


def of_pairs(rng: Rng) -> Outcomes:
    n, apart, gap = int(rng.integers(50, 800)), rng.uniform(0.05, 0.3), rng.uniform(-0.04, 0.04)
    drawn = rng.multinomial(n, [0.75 * (1 - apart), (apart + gap) / 2, (apart - gap) / 2, 0.0])
    counts = *(int(k) for k in drawn[:3]), int(drawn[3])
    yield "tango", covers(mcnemar(*counts).interval, gap)
    yield "newcombe10", covers(newcombe10(*counts), gap)
    null = rng.multinomial(n, [0.75 * (1 - apart), apart / 2, apart / 2, 0.0])
    for variant in VARIANTS:
        yield f"mcnemar {variant}", rejects(mcnemar(*(int(k) for k in null), variant=variant))


def of_macro_f1(rng: Rng) -> Outcomes:
    """Three classes of unequal size, two models of one and the same confusion."""
    n = int(rng.integers(150, 600))
    rates = np.array([[0.85, 0.1, 0.05], [0.15, 0.7, 0.15], [0.05, 0.3, 0.65]])
    share = np.array([0.6, 0.3, 0.1])
    truth = macro_f1(1e9 * share[:, None] * rates).value
    labels = rng.choice(3, size=n, p=share)
    drawn = [(rng.random((n, 1)) > rates[labels].cumsum(axis=1)).sum(axis=1) for _ in range(2)]
    a, b = (per_image_macro_f1(labels, own, 3) for own in drawn)
    each = np.arange(n)
    yield "macro-F1, one model", covers(paired_grouped(a, each, bounded=False).interval, truth)
    found = paired_grouped(a - b, each, bounded=False)
    yield "macro-F1, two models", rejects(found)
    yield "macro-F1 interval, two models", covers(found.interval, 0)


def of_paired_bootstrap(rng: Rng) -> Outcomes:
    seed = int(rng.integers(2**31))
    a, b = worlds.sweep_of_equals(rng, 2, 400, 0.85)
    found = paired_bootstrap(a, b, resamples=1000, seed=seed)
    yield "paired_bootstrap", rejects(found)
    yield "paired_bootstrap interval", covers(found.interval, 0)
    for sources in (120, 30):
        (a, b), groups = worlds.grouped_answers(rng, sources, (0.85, 0.85))
        robust = paired_grouped(a - b, groups)
        yield f"paired_grouped G={sources}", rejects(robust)
        yield f"paired_grouped interval G={sources}", covers(robust.interval, 0)
    yield "(mcnemar on images in groups)", rejects(mcnemar(*paired_counts(a, b)))
    grouped = paired_bootstrap(a, b, groups=groups, resamples=1000, seed=seed)
    yield "paired_bootstrap G=30", rejects(grouped)


def of_recipes(rng: Rng) -> Outcomes:
    """Two recipes of exactly equal worth: the two halves of the features."""
    n = 300
    images = worlds.data(rng, n)
    for name, test in {
        "10 splits": worlds.random_splits(rng, 10, n),
        "10x10 folds": worlds.folds(rng, 10, 10, n),
        "5x2": worlds.folds(rng, 5, 2, n),
        "5 folds": worlds.folds(rng, 1, 5, n),
    }.items():
        a, b = images.learn(~test, 0), images.learn(~test, 1)
        gains = worlds.scores(a, test) - worlds.scores(b, test)
        size = float(test.sum(axis=1).mean())
        if name == "5x2":
            found = five_by_two(gains.reshape(5, 2))
            yield "five_by_two F", rejects(found)
            yield "five_by_two t", rejects(five_by_two(gains.reshape(5, 2), variant="t"))
            yield "five_by_two interval", covers(found.interval, 0)
        elif name == "5 folds":
            pooled = ((one.correct & test).any(axis=0) for one in (a, b))
            yield "mcnemar midp, pooled folds", rejects(mcnemar(*paired_counts(*pooled), models=5))
        else:
            corrected = paired_corrected_t(gains, n - size, size)
            yield f"paired_corrected_t {name}", rejects(corrected)
            yield f"paired_corrected_t interval {name}", covers(corrected.interval, 0)


def of_seeded_pairs(rng: Rng) -> Outcomes:
    ease = rng.normal(0, 2, 300)
    for seeds in (3, 5):
        a, b = (worlds.seeded_answers(rng, seeds, 300, ease=ease) for _ in range(2))
        found = paired_crossed(a - b)
        yield f"paired_crossed S={seeds}", rejects(found)
        better = worlds.seeded_answers(rng, seeds, 300, 0.4, ease)
        truth = worlds.seeded_truth(0.4) - worlds.seeded_truth()
        interval = paired_crossed(better - b).interval
        yield f"paired_crossed interval S={seeds}", covers(interval, truth)
    yield "unpaired_crossed 5+3 seeds", rejects(unpaired_crossed(a, b[:3]))
    yield "(mcnemar on two seeds of one recipe)", rejects(mcnemar(*paired_counts(a[0], b[0])))


# --- many runs, and plans --------------------------------------------------------------------


def of_families(rng: Rng) -> Outcomes:
    right = worlds.sweep_of_equals(rng, 5, 400, 0.85)
    yield "cochrans_q", float((cochrans_q(right).p or 0) < 0.05)
    pairs = [(i, j) for i in range(5) for j in range(i)]
    found = [mcnemar(*paired_counts(right[i], right[j])).p for i, j in pairs]
    yield (
        "mcnemar midp + holm, 10 pairs",
        float(any(p is not None and p < 0.05 for p in holm(found))),
    )


def of_winners(rng: Rng) -> Outcomes:
    right = worlds.sweep_of_equals(rng, 50, 480, 0.85)
    found = bbc_cv(right, np.ones_like(right), resamples=300, seed=int(rng.integers(2**31)))
    assert found.interval.estimate is not None
    yield "bbc_cv estimate", found.interval.estimate - 0.85
    yield "(the winner's own score)", found.own_score - 0.85
    yield "bbc_cv interval", covers(found.interval, 0.85)
    yield (
        "(wilson on the winner's own score)",
        covers(wilson(found.own_score * 480, 480, fractional=True), 0.85),
    )


def of_plans(rng: Rng) -> Outcomes:
    n = images_to_separate(0.08, 0.04).needed
    assert n is not None
    counts = rng.multinomial(n, [0.88, 0.08, 0.04, 0.0])
    yield "images_to_separate", rejects(mcnemar(*(int(k) for k in counts)))
    parts = Components(models=4e-4, images=0.02, residual=0.05)
    seeds = _planned_seeds(parts)
    table = 0.03 + math.sqrt(parts.models) * rng.normal(size=(seeds, 1))
    table = table + math.sqrt(parts.images) * rng.normal(size=1000)
    table = table + math.sqrt(parts.residual) * rng.normal(size=(seeds, 1000))
    yield "seeds_to_separate", rejects(paired_crossed(table, bounded=False))


def _mean(rows: np.ndarray) -> float:
    return float(rows.mean())


@lru_cache
def _planned_seeds(parts: Components) -> int:
    needed = seeds_to_separate(parts, 0.03, 1000).needed
    assert needed is not None
    return needed


@lru_cache
def _recipe_truth(trained: int) -> float:
    """The expected true accuracy of the recipe at a training size, from 4,000 fresh models."""
    rng = np.random.default_rng(trained)
    truths = []
    for _ in range(4000):
        images = worlds.data(rng, trained)
        truths.append(images.learn(np.ones((1, trained), bool), 0, rng).truth)
    return float(np.mean(truths))

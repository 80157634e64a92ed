"""Simulated coverage and error rates of every procedure, for the estimand that it names.

Each `simulate_*` function draws one data set and yields the outcome of every procedure on it. A
procedure in brackets is wrong for the design and is measured for comparison. `claims.py` states
the nominal rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from fashion_exp.comparison.differences import Differences, mean_differences
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.racing.looks import decided_differences, estimate_of
from fashion_exp.racing.race import LEAST_CHANCE
from fashion_exp.stats.bootstrap import bootstrap, paired_bootstrap
from fashion_exp.stats.crossed import VarianceComponents, crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.metrics import macro_f1, per_image_macro_f1
from fashion_exp.stats.moderation import fit_variance_prior
from fashion_exp.stats.multiplicity import cochrans_q, holm, holm_selected, may_be_best
from fashion_exp.stats.paired import McNemarVariant, PairedTest, mcnemar, paired_counts, tango
from fashion_exp.stats.paired_crossed import paired_crossed, unpaired_crossed
from fashion_exp.stats.paired_t import five_by_two, paired_corrected_t, paired_grouped
from fashion_exp.stats.planning import (
    BoundMethod,
    assess_clustered_target,
    assess_selected_target,
    assess_target,
    cautious_components,
    images_factor,
    images_to_separate,
    seeds_to_separate,
)
from fashion_exp.stats.proportions import clopper_pearson, wilson, wilson_grouped
from fashion_exp.stats.selection import bbc_cv
from fashion_exp.stats.sequential import chance_of_decision, look_levels
from fashion_exp.stats.series import next_level
from fashion_exp.stats.t_intervals import corrected_t_interval, t_interval, t_naive
from tests.stats import synthetic
from tests.stats.helpers import limits, mean
from tests.stats.synthetic import Rng

VARIANTS: list[McNemarVariant] = ["midp", "exact", "chi2", "chi2_cc"]
BOUND_METHODS: list[BoundMethod] = ["clopper_pearson", "wilson"]
Outcomes = Iterator[tuple[str, float]]
"""Pairs of a procedure and its outcome: 1 if it covered or rejected, else 0; or its error."""


def covers(interval: Interval, truth: float) -> float:
    usable = interval.or_fallback
    if usable.low is None:  # rare: a few scores that are all equal
        return 0.0
    low, high = limits(usable)
    return float(low <= truth <= high)


def rejects(test: PairedTest, alpha: float = 0.05) -> float:
    return float(test.trusted_p is not None and test.trusted_p < alpha)


def wald(correct: float, n: float) -> tuple[float, float]:
    """The Wald interval. The library does not offer it because its coverage is too low."""
    p = correct / n
    half_width = float(stats.norm.isf(0.025)) * math.sqrt(p * (1 - p) / n)
    return p - half_width, p + half_width


def exact_coverage(
    interval: Callable[[float, float], tuple[float, float]], n: int, p: float
) -> float:
    """The exact coverage of an interval for a proportion: the sum over all counts."""
    ends = np.array([interval(k, n) for k in range(n + 1)])
    covered = (ends[:, 0] <= p) & (p <= ends[:, 1])
    return float(stats.binom.pmf(np.arange(n + 1), n, p)[covered].sum())


# --- one run ---------------------------------------------------------------------------------


def simulate_counts(rng: Rng) -> Outcomes:
    p, n = rng.uniform(0.7, 0.99), int(rng.integers(50, 1000))
    k = int(rng.binomial(n, p))
    yield "wilson", covers(wilson(k, n), p)
    yield "clopper_pearson", covers(clopper_pearson(k, n), p)
    low, high = wald(k, n)
    yield "(wald)", float(low <= p <= high)
    yield "t_interval", covers(t_interval(rng.normal(0.7, 0.01, 6)), 0.7)
    for method in BOUND_METHODS:  # the true accuracy equals the target
        verdict = assess_target(k, n, p, method=method).verdict
        yield f"assess_target {method}", float(verdict == "met")


def simulate_groups(rng: Rng) -> Outcomes:
    for count in (120, 30):
        (right,), groups = synthetic.clustered_answers(rng, count, (0.9,))
        yield f"wilson_grouped G={count}", covers(wilson_grouped(right, groups), 0.9)
        outcome = assess_clustered_target(right, groups, 0.9)  # the true accuracy
        yield f"assess_clustered_target G={count}", float(outcome.verdict == "met")
        ungrouped = wilson(right.sum(), right.size)
        yield f"(wilson on images in groups) G={count}", covers(ungrouped, 0.9)


def simulate_bootstrap(rng: Rng) -> Outcomes:
    seed = int(rng.integers(2**31))
    right = (rng.random(200) < 0.85).astype(float)
    yield "bootstrap BCa accuracy", covers(bootstrap(right, mean, resamples=1000, seed=seed), 0.85)
    losses = rng.exponential(0.5, 200)
    yield "bootstrap BCa loss", covers(bootstrap(losses, mean, resamples=1000, seed=seed), 0.5)
    (right,), groups = synthetic.clustered_answers(rng, 120, (0.9,))
    grouped = bootstrap(right, mean, groups=groups, resamples=1000, seed=seed)
    yield "bootstrap G=120", covers(grouped, 0.9)


def simulate_seeds(rng: Rng) -> Outcomes:
    truth = synthetic.seeded_accuracy()
    for seeds in (3, 5, 10):
        right = synthetic.seeded_answers(rng, seeds, 300)
        yield f"crossed_t_interval S={seeds}", covers(crossed_t_interval(right), truth)
    yield "t_naive over 10 seeds", covers(t_naive(right.mean(axis=1), unit="seeds"), truth)


def simulate_splits(rng: Rng) -> Outcomes:
    n = 300
    dataset = synthetic.make_dataset(rng, n)
    for name, test in {
        "10 splits": synthetic.random_splits(rng, 10, n),
        "30 splits": synthetic.random_splits(rng, 30, n),
        "5 folds": synthetic.repeated_folds(rng, 1, 5, n),
        "4x5 folds": synthetic.repeated_folds(rng, 4, 5, n),
    }.items():
        models = dataset.train(~test, 0, rng)
        scores, sizes = synthetic.scores_on_test(models, test), test.sum(axis=1).astype(float)
        recipe = _recipe_accuracy(round(float(n - sizes.mean())))
        corrected = corrected_t_interval(scores, n - sizes, sizes)
        yield f"corrected_t_interval {name}", covers(corrected, recipe)
        if name in ("30 splits", "4x5 folds"):
            yield f"t_naive {name}", covers(t_naive(scores), recipe)
        else:
            pooled = wilson(scores.mean() * n, n, fractional=True, models=len(scores))
            yield f"wilson at the mean, {name}", covers(pooled, float(models.accuracy.mean()))


# --- two runs --------------------------------------------------------------------------------


def simulate_pairs(rng: Rng) -> Outcomes:
    n, discordant = int(rng.integers(50, 800)), rng.uniform(0.05, 0.3)
    gap = rng.uniform(-0.04, 0.04)
    concordant = 0.75 * (1 - discordant)
    drawn = rng.multinomial(n, [concordant, (discordant + gap) / 2, (discordant - gap) / 2, 0.0])
    yield "tango", covers(mcnemar(*(int(k) for k in drawn)).interval, gap)
    null = rng.multinomial(n, [concordant, discordant / 2, discordant / 2, 0.0])
    for variant in VARIANTS:
        yield f"mcnemar {variant}", rejects(mcnemar(*(int(k) for k in null), variant=variant))


def simulate_macro_f1(rng: Rng) -> Outcomes:
    """Three classes of unequal size, two models with the same confusion matrix."""
    n = int(rng.integers(150, 600))
    rates = np.array([[0.85, 0.1, 0.05], [0.15, 0.7, 0.15], [0.05, 0.3, 0.65]])
    share = np.array([0.6, 0.3, 0.1])
    truth = macro_f1(1e9 * share[:, None] * rates).value
    labels = rng.choice(3, size=n, p=share)
    cumulative = rates[labels].cumsum(axis=1)
    predictions = [(rng.random((n, 1)) > cumulative).sum(axis=1) for _ in range(2)]
    a, b = (per_image_macro_f1(labels, predicted, 3) for predicted in predictions)
    single = np.arange(n)
    yield "macro-F1, one model", covers(paired_grouped(a, single, bounded=False).interval, truth)
    difference = paired_grouped(a - b, single, bounded=False)
    yield "macro-F1, two models", rejects(difference)
    yield "macro-F1 interval, two models", covers(difference.interval, 0)


def simulate_paired_bootstrap(rng: Rng) -> Outcomes:
    seed = int(rng.integers(2**31))
    a, b = synthetic.equal_configs(rng, 2, 400, 0.85)
    test = paired_bootstrap(a, b, resamples=1000, seed=seed)
    yield "paired_bootstrap", rejects(test)
    yield "paired_bootstrap interval", covers(test.interval, 0)
    for count in (120, 30):
        (a, b), groups = synthetic.clustered_answers(rng, count, (0.85, 0.85))
        robust = paired_grouped(a - b, groups)
        yield f"paired_grouped G={count}", rejects(robust)
        yield f"paired_grouped interval G={count}", covers(robust.interval, 0)
    yield "(mcnemar on images in groups)", rejects(mcnemar(*paired_counts(a, b)))
    grouped = paired_bootstrap(a, b, groups=groups, resamples=1000, seed=seed)
    yield "paired_bootstrap G=30", rejects(grouped)


def simulate_unequal_groups(rng: Rng) -> Outcomes:
    for name, sizes in {"10": (60, *[3] * 9), "20": (*[40] * 2, *[2] * 18)}.items():
        count = len(sizes)
        (a, b), groups = synthetic.clustered_answers(rng, count, (0.85, 0.85), sizes=sizes)
        yield f"paired_grouped, giants of {name} groups", rejects(paired_grouped(a - b, groups))


def simulate_recipes(rng: Rng) -> Outcomes:
    """Two recipes of exactly equal accuracy: one on each feature set."""
    n = 300
    dataset = synthetic.make_dataset(rng, n)
    for name, test in {
        "10 splits": synthetic.random_splits(rng, 10, n),
        "10x10 folds": synthetic.repeated_folds(rng, 10, 10, n),
        "5x2": synthetic.repeated_folds(rng, 5, 2, n),
        "5 folds": synthetic.repeated_folds(rng, 1, 5, n),
    }.items():
        a, b = dataset.train(~test, 0), dataset.train(~test, 1)
        gains = synthetic.scores_on_test(a, test) - synthetic.scores_on_test(b, test)
        size = float(test.sum(axis=1).mean())
        if name == "5x2":
            f_test = five_by_two(gains.reshape(5, 2))
            yield "five_by_two F", rejects(f_test)
            yield "five_by_two t", rejects(five_by_two(gains.reshape(5, 2), variant="t"))
            yield "five_by_two interval", covers(f_test.interval, 0)
        elif name == "5 folds":
            pooled = ((models.correct & test).any(axis=0) for models in (a, b))
            conditional = mcnemar(*paired_counts(*pooled), models=5)
            truth = float(a.accuracy.mean() - b.accuracy.mean())
            yield "tango, pooled folds", covers(conditional.interval, truth)
            yield "(mcnemar midp, pooled folds)", rejects(conditional)
        else:
            corrected = paired_corrected_t(gains, n - size, size)
            yield f"paired_corrected_t {name}", rejects(corrected)
            yield f"paired_corrected_t interval {name}", covers(corrected.interval, 0)
        if name == "10 splits":
            right, other = (np.where(test, m.correct, np.nan) for m in (a, b))
            by_image, truth = right - other, float(a.accuracy.mean() - b.accuracy.mean())
            differences = Differences("redrawn", gains, n, METRICS["accuracy"], by_image=by_image)
            conditionals = differences.of_these_trainings
            assert conditionals is not None
            yield "means over 10 splits", covers(conditionals.test(0.95).interval, truth)


def simulate_seeded_pairs(rng: Rng) -> Outcomes:
    difficulty = rng.normal(0, 2, 300)
    for seeds in (3, 5):
        a, b = (synthetic.seeded_answers(rng, seeds, 300, difficulty=difficulty) for _ in range(2))
        yield f"paired_crossed S={seeds}", rejects(paired_crossed(a - b))
        better = synthetic.seeded_answers(rng, seeds, 300, 0.4, difficulty)
        truth = synthetic.seeded_accuracy(0.4) - synthetic.seeded_accuracy()
        interval = paired_crossed(better - b).interval
        yield f"paired_crossed interval S={seeds}", covers(interval, truth)
    yield "unpaired_crossed 5+3 seeds", rejects(unpaired_crossed(a, b[:3]))
    yield "(mcnemar on two seeds of one recipe)", rejects(mcnemar(*paired_counts(a[0], b[0])))


def simulate_main_effects(rng: Rng) -> Outcomes:
    """One training per cell, in four matched pairs of settings on 2,000 images."""
    difficulty = rng.normal(0, 2, 2000)
    gains = []
    for setting in (-0.2, 0.0, 0.2, 0.4):
        a, b = (
            synthetic.seeded_answers(rng, 1, 2000, setting + effect, difficulty)[0]
            for effect in (0.3, 0.0)
        )
        gains.append(Differences("one model", a - b, 2000, METRICS["accuracy"]))
    truth = np.mean(
        [
            synthetic.seeded_accuracy(setting + 0.3) - synthetic.seeded_accuracy(setting)
            for setting in (-0.2, 0.0, 0.2, 0.4)
        ]
    )
    effect, mean = mean_differences(gains), np.mean([gain.values for gain in gains], axis=0)
    assert effect is not None
    yield "main effect over 4 matched pairs", covers(effect.test(0.95).interval, float(truth))
    conditional = paired_grouped(mean, np.arange(2000)).interval
    yield "(main effect of these trainings)", covers(conditional, float(truth))


# --- many runs, and plans --------------------------------------------------------------------


def simulate_families(rng: Rng) -> Outcomes:
    right = synthetic.equal_configs(rng, 5, 400, 0.85)
    yield "cochrans_q", float((cochrans_q(right).p or 0) < 0.05)
    pairs = [(i, j) for i in range(5) for j in range(i)]
    adjusted = holm([mcnemar(*paired_counts(right[i], right[j])).p for i, j in pairs])
    any_rejected = any(p is not None and p < 0.05 for p in adjusted)
    yield "mcnemar midp + holm, 10 pairs", float(any_rejected)


def simulate_series(rng: Rng) -> Outcomes:
    """50 candidates in turn against one baseline: every one that is kept is kept wrongly."""
    baseline, *candidates = synthetic.equal_configs(rng, 51, 300, 0.85)
    tests = [mcnemar(*paired_counts(candidate, baseline)) for candidate in candidates]
    gains = [test.p if (test.difference or 0) > 0 else 1.0 for test in tests]
    worse = rng.multinomial(500, [0.05, 0.08, 0.87], size=50)  # at the margin of 3 points
    losses = [
        1.0 - _non_inferiority_level(int(counts[0]), int(counts[1]), 500, 0.03) for counts in worse
    ]
    for name, p_values in (("better", gains), ("not worse", losses)):
        stored: list[bool] = []
        for p in p_values:
            stored.append(p is not None and p < next_level(stored))
        yield f"next_level, 50 decisions: {name}", float(any(stored))
        naive = any(p is not None and p < 0.05 for p in p_values)
        yield f"(alpha at each of 50 decisions: {name})", float(naive)


def _non_inferiority_level(better: int, worse: int, n: int, margin: float) -> float:
    """The largest one-sided confidence at which the lower limit of Tango is above -margin."""

    def excess(level: float) -> float:
        low = tango(n - better - worse, better, worse, 0, 2 * level - 1).low
        return (-1.0 if low is None else low) + margin

    if excess(0.5 + 1e-9) <= 0:
        return 0.5
    return float(optimize.brentq(excess, 0.5 + 1e-9, 1 - 1e-9, xtol=1e-6))


def simulate_studies(rng: Rng) -> Outcomes:
    """Recipes of equal accuracy on 5 splits: every rejection is wrong."""
    scores, size = synthetic.equal_recipes(rng, 12, 5)
    yield from _study(scores, 300 - size, size, "12 learners")
    for runs in (4, 8):
        scores = synthetic.unequally_stable_recipes(rng, runs, 5)
        yield from _study(scores, 80, 20, f"{runs} unequally stable")


def _study(scores: np.ndarray, n_train: float, n_test: float, name: str) -> Outcomes:
    runs, splits = scores.shape
    pairs = list(combinations(range(runs), 2))
    gains = {pair: scores[pair[0]] - scores[pair[1]] for pair in pairs}
    variances = [float(gain.var(ddof=1)) for gain in gains.values()]
    prior = fit_variance_prior(variances, splits - 1, runs)
    p_values = {
        pair: paired_corrected_t(gain, n_train, n_test, bounded=False, prior=prior).trusted_p
        for pair, gain in gains.items()
    }
    best = int(scores.mean(axis=1).argmax())
    against_best = [p for pair, p in p_values.items() if best in pair]
    families = {
        "moderated t + holm, all pairs": holm([*p_values.values()]),
        "moderated t + holm_selected, best": holm_selected(against_best, runs),
        "(moderated t + holm, selected best)": holm(against_best),
    }
    for procedure, adjusted in families.items():
        yield f"{procedure}, {name}", float(any(p is not None and p < 0.05 for p in adjusted))
    others = [run for run in range(runs) if run != best]
    possible = [best, *np.array(others)[may_be_best(against_best, runs, 0.05)]]
    yield f"may_be_best, {name}", float(0 not in possible)  # any of the equal runs is the best


def simulate_seeded_studies(rng: Rng) -> Outcomes:
    """Eight equal recipes with five seeds each, which differ by 4 points."""
    difficulty = rng.normal(0, 2, 200)
    runs = [synthetic.seeded_answers(rng, 5, 200, 0, difficulty, 0.5) for _ in range(8)]
    gains = [a - b for a, b in combinations(runs, 2)]
    prior = fit_variance_prior([gain.mean(axis=1).var(ddof=1) for gain in gains], 4, 8)
    for name, moderation in (("moderated t", prior), ("(plain t", None)):
        adjusted = holm([paired_crossed(gain, prior=moderation).trusted_p for gain in gains])
        wrong = float(any(p is not None and p < 0.05 for p in adjusted))
        yield f"{name} + holm, 8 runs of 5 seeds{')' if moderation is None else ''}", wrong


def simulate_looks(rng: Rng) -> Outcomes:
    """Two models without a difference, compared after each of 10 batches of 100 images."""
    gains, wrong = rng.normal(size=1000), {False: 0.0, True: 0.0}
    for look in range(1, 11):
        p = paired_grouped(gains[: 100 * look], np.arange(100 * look), bounded=False).p
        assert p is not None
        for is_corrected in wrong:
            alpha = ComparisonSettings(looks=look if is_corrected else 1).pair_alpha
            wrong[is_corrected] = max(wrong[is_corrected], float(p < alpha))
    yield "alpha / k^2 at look k, 10 looks", wrong[True]
    yield "(alpha at each of 10 looks)", wrong[False]


def simulate_races(rng: Rng) -> Outcomes:
    """Repeats added up to 30, compared after each from the fourth on; see `racing.looks`."""
    trainings = VarianceComponents(models=9e-4, images=0.0, residual=0.05)
    both = VarianceComponents(models=4e-4, images=0.02, residual=0.05)
    for name, components in (("trainings", trainings), ("trainings and images", both)):
        equal = _race(_crossed_gains(rng, components, 0.0))
        yield f"look_levels, {name}: different", float(equal.is_different)
        naive = _race(_crossed_gains(rng, components, 0.0), alphas=(0.05,) * 27)
        yield f"(alpha at each look of a race, {name})", float(naive.is_different)
        apart = _race(_crossed_gains(rng, components, 0.02), rope=0.02)
        yield f"look_levels, {name}: equivalent", float(apart.is_equivalent)
    for share in (0.2, 0.05):  # of the variance of a score that the images cause
        equal = _race(_redrawn_gains(rng, share, 0.0))
        yield f"look_levels, redrawn splits, {share:g}: different", float(equal.is_different)
        apart = _race(_redrawn_gains(rng, share, 0.02), rope=0.02)
        yield f"look_levels, redrawn splits, {share:g}: equivalent", float(apart.is_equivalent)


class RaceEnd(NamedTuple):
    repeats: int
    is_different: bool
    is_equivalent: bool


def _race(
    gains: Callable[[int], Differences], rope: float = 0.0, alphas: Sequence[float] | None = None,
    least_chance: float = LEAST_CHANCE,
) -> RaceEnd:  # fmt: skip
    """How a race of at most 30 repeats ends."""
    levels = look_levels(4, 30) if alphas is None else alphas
    for repeats, level in enumerate(levels, 4):
        differences = gains(repeats)
        p = differences.test(0.95).trusted_p
        if p is not None and p < level:
            return RaceEnd(repeats, True, False)
        interval = differences.test(1 - 2 * level).interval.or_fallback
        if rope and -rope < (interval.low or 0) and (interval.high or 0) < rope:
            return RaceEnd(repeats, False, True)
        estimate = estimate_of(differences, 30 / repeats)
        assert estimate is not None
        decided = decided_differences(estimate, levels[-1], rope, None, 0.0)
        if chance_of_decision(estimate, decided) < least_chance:
            break
    return RaceEnd(repeats, False, False)


def _crossed_gains(
    rng: Rng, components: VarianceComponents, effect: float
) -> Callable[[int], Differences]:
    table = synthetic.crossed_table(rng, components, effect, 30, 200)
    metric = METRICS["macro_f1"]  # scores that are not 0 or 1
    return lambda repeats: Differences("crossed", table[:repeats], 200, metric, is_sequential=True)


def _redrawn_gains(rng: Rng, share: float, effect: float) -> Callable[[int], Differences]:
    """Scores with a standard deviation of 3 points on splits with 80 % of the images to train."""
    common = math.sqrt(share) * rng.normal()
    scores = effect + 0.03 * (common + math.sqrt(1 - share) * rng.normal(size=30))
    metric = METRICS["accuracy"]
    return lambda repeats: Differences(
        "redrawn", scores[:repeats], 500, metric, n_train=400, n_test=100
    )


def simulate_winners(rng: Rng) -> Outcomes:
    right = synthetic.equal_configs(rng, 50, 480, 0.85)
    winner = bbc_cv(right, np.ones_like(right), resamples=300, seed=int(rng.integers(2**31)))
    assert winner.interval.estimate is not None
    yield "bbc_cv estimate", winner.interval.estimate - 0.85
    yield "(apparent score of the winner)", winner.apparent_score - 0.85
    yield "bbc_cv interval", covers(winner.interval, 0.85)
    one_sided = bbc_cv(right, np.ones_like(right), resamples=300, level=0.9)
    outcome = assess_selected_target(one_sided, 0.85, 0.95)
    yield "assess_selected_target", float(outcome.verdict == "met")
    apparent = wilson(winner.apparent_score * 480, 480, fractional=True)
    yield "(wilson on the apparent score)", covers(apparent, 0.85)


def simulate_plans(rng: Rng) -> Outcomes:
    n = images_to_separate(0.08, 0.04).needed
    assert n is not None
    counts = rng.multinomial(n, [0.88, 0.08, 0.04, 0.0])
    yield "images_to_separate", rejects(mcnemar(*(int(k) for k in counts)))
    components = VarianceComponents(models=4e-4, images=0.02, residual=0.05)
    seeds = _planned_seeds(components)
    table = synthetic.crossed_table(rng, components, 0.03, seeds, 1000)
    yield "seeds_to_separate", rejects(paired_crossed(table, bounded=False))


def simulate_plans_from_pilots(rng: Rng) -> Outcomes:
    """Plans from a pilot study, for a true difference that is the one planned for."""
    components = VarianceComponents(models=4e-4, images=0.02, residual=0.05)
    for seeds in (5, 10):
        pilot = cautious_components(synthetic.crossed_table(rng, components, 0.03, seeds, 1000), 1)
        plan = seeds_to_separate(pilot, 0.03, 1000)
        if plan.needed is not None:
            table = synthetic.crossed_table(rng, components, 0.03, plan.needed, 1000)
            yield (
                f"seeds_to_separate, pilot of {seeds}",
                rejects(paired_crossed(table, bounded=False)),
            )
    truth = [0.88, 0.08, 0.04, 0.0]
    discordant = max(1 - int(rng.multinomial(300, truth)[0]) / 300, 0.04)
    needed = images_to_separate((discordant + 0.04) / 2, (discordant - 0.04) / 2).needed
    assert needed is not None
    counts = rng.multinomial(needed, truth)
    yield "images_to_separate, pilot of 300", rejects(mcnemar(*(int(k) for k in counts)))
    for splits in (5, 10):
        se = rng.normal(0, 0.05, splits).std(ddof=1) * math.sqrt(1 / splits + 0.25)
        factor = images_factor(float(se), splits - 1, 0.04)
        shared = math.sqrt(0.2) * rng.normal() + math.sqrt(0.8) * rng.normal(size=splits)
        gains = 0.04 + 0.05 / math.sqrt(0.8 * factor) * shared
        yield f"images_factor, pilot of {splits} splits", rejects(paired_corrected_t(gains, 80, 20))


@lru_cache
def _planned_seeds(components: VarianceComponents) -> int:
    needed = seeds_to_separate(components, 0.03, 1000).needed
    assert needed is not None
    return needed


@lru_cache
def _recipe_accuracy(train_size: int) -> float:
    """The expected true accuracy of the recipe at a training size, from 4,000 new models."""
    rng = np.random.default_rng(train_size)
    accuracies = []
    for _ in range(4000):
        dataset = synthetic.make_dataset(rng, train_size)
        models = dataset.train(np.ones((1, train_size), bool), 0, rng)
        accuracies.append(models.accuracy)
    return float(np.mean(accuracies))

"""Coverage of the intervals that a run shows, and error rates of every test and family of tests.

An interval counts where the tool shows it without a warning. `tests/stats/claims.py` states the
nominal rates of single procedures; here are whole runs with known truth, and families of tests.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fashion_exp.evaluation.summary import summarize_predictions
from fashion_exp.stats.groups import TOO_FEW
from fashion_exp.stats.interval import RECIPES
from fashion_exp.stats.moderation import fit_variance_prior
from fashion_exp.stats.multiplicity import holm, holm_selected
from fashion_exp.stats.paired import mcnemar, paired_counts
from fashion_exp.stats.paired_crossed import paired_crossed
from tests.bench.runner import Figure
from tests.stats import synthetic
from tests.stats.claims import SIMULATIONS, Measurement, Simulation
from tests.stats.claims import measure as measure_claims
from tests.stats.simulations import Outcomes
from tests.stats.worlds import Learner, Run, Seeds

LEAST_COVERAGE, MOST_ERRORS = 0.93, 0.06
MIN_SHOWN = 0.1
"""An interval that fewer runs of a world show is left out."""
CLASSES_3, CLASSES_10 = (60, 30, 10), (1,) * 10

WORLDS: tuple[Learner | Seeds, ...] = (
    Learner("centroids", "redrawn", 5),
    Learner("nearest", "redrawn", 10),
    Learner("random features", "redrawn", 10, separation=3.0),
    Learner("tree", "redrawn", 5),
    Learner("centroids", "redrawn", 20, 600, CLASSES_3, 3.0),
    Learner("centroids", "redrawn", 2),
    Learner("centroids", "k-fold", 5, 600, (95, 5), 2.6),
    Learner("nearest", "k-fold", 5),
    Learner("tree", "repeated k-fold", 20),
    Seeds(1, 300, ease=2),
    Seeds(2, 300, ease=2),
    Seeds(5, 1000, (95, 5)),
    Seeds(5, 300, CLASSES_3, 4, "heavy"),
    Seeds(5, 500, CLASSES_10, 5, "heavy"),
    Seeds(5, 1000, CLASSES_3, 4.5),
    Seeds(5, 1000, ease=6),
    Seeds(1, 600, ease=2, groups=150, skew=0.5),
    Seeds(5, 600, ease=2, groups=150, skew=0.5),
    Seeds(1, 600, ease=2, groups=150, skew=1.5),
    Seeds(5, 600, ease=2, groups=150, skew=1.5),
    Seeds(5, 300, ease=2, collapse=0.1),
)


Parts = dict[str, tuple[float, ...]]


class Shown(NamedTuple):
    """How often the intervals of a quantity were shown without a warning and covered."""

    coverage: float
    shown: float
    runs: int


def measure(quick: bool) -> list[Figure]:
    """In as many processes as there are cores."""
    share, families, runs = (0.01, 20, 10) if quick else (0.1, 300, 100)
    jobs: list[Callable[[], list[Figure]]] = [
        partial(claim_figures, simulation, max(20, round(share * simulation.table_reps)))
        for simulation in SIMULATIONS
    ]
    jobs += [partial(family_figures, name, families) for name in FAMILIES]
    jobs += [partial(world_figures, world, runs) for world in WORLDS[:: 5 if quick else 1]]
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        return [figure for figures in pool.map(_run, jobs) for figure in figures]


def _run(job: Callable[[], list[Figure]]) -> list[Figure]:
    return job()


def claim_figures(simulation: Simulation, reps: int) -> list[Figure]:
    return [claim_figure(result) for result in measure_claims(simulation, reps)]


def family_figures(name: str, reps: int) -> list[Figure]:
    return [family_figure(name, FAMILIES[name], reps)]


def world_figures(world: Learner | Seeds, runs: int) -> list[Figure]:
    return [world_figure(world, runs)]


def claim_figure(result: Measurement) -> Figure:
    claim = result.claim
    what = f"{result.procedure}: {claim.estimand}"
    if claim.known_issue:
        return Figure(f"{what} ({claim.known_issue})", (result.rate,), claim.kind)
    if claim.kind in ("coverage", "power"):
        return Figure(what, (result.rate,), claim.kind, at_least=claim.nominal - 2 * result.se)
    return Figure(what, (abs(result.rate),), claim.kind, at_most=claim.nominal + 2 * result.se)


# --- whole runs ------------------------------------------------------------------------------


def world_figure(world: Learner | Seeds, runs: int, seed: int = 1) -> Figure:
    """The lowest coverage of the quantities, each at least .93 within two standard errors."""
    by_quantity = measure_world(world, runs, seed)
    parts: Parts = {
        f"{quantity}, in {100 * result.shown:.0f} %": (result.coverage,)
        for quantity, result in by_quantity.items()
        if result.shown >= MIN_SHOWN
    }
    (lowest,) = min(parts.values())
    fewest = runs * min(
        result.shown for result in by_quantity.values() if result.shown >= MIN_SHOWN
    )
    slack = 2 * math.sqrt(LEAST_COVERAGE * (1 - LEAST_COVERAGE) / fewest)
    return Figure(world.name, (lowest,), "coverage", at_least=LEAST_COVERAGE - slack, parts=parts)


def measure_world(world: Learner | Seeds, runs: int, seed: int) -> dict[str, Shown]:
    rng = np.random.default_rng(seed)
    result: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for _ in range(runs):
        for quantity, *outcome in _intervals(world.draw(rng)):
            result[quantity].append((outcome[0], outcome[1]))
    results = {}
    for quantity, outcomes in result.items():
        shown, covered = np.array(outcomes).T
        rate = float(covered[shown].mean()) if shown.any() else math.nan
        results[quantity] = Shown(rate, float(shown.mean()), len(outcomes))
    return results


def _intervals(run: Run) -> Iterator[tuple[str, bool, bool]]:
    """Each quantity, whether its interval is shown without a warning, and whether it covers.

    A claim about a recipe holds as long as trainings like those seen are the rule, so it does not
    count where a training collapsed.
    """
    summary = summarize_predictions(run.frame, run.train_sizes, run.redrawn, 0.95)
    intervals = {
        "accuracy": summary.accuracy,
        "accuracy, t": summary.accuracy_t.withheld(summary.t_interval_omitted),
        "macro-F1": summary.macro_f1,
        "loss": summary.loss,
    }
    for quantity, interval in intervals.items():
        is_recipe = interval.target in RECIPES
        if is_recipe and run.collapsed:
            continue
        truths = run.recipe if is_recipe else run.models
        truth = getattr(truths, {"macro-F1": "macro_f1", "loss": "loss"}.get(quantity, "accuracy"))
        shown = interval.status == "ok" and TOO_FEW not in interval.note
        covered = interval.low is not None and interval.low <= truth <= (interval.high or 0)
        yield quantity, shown, covered
    pairs = zip(summary.f1_limits, run.models.f1, strict=True)
    all_covered = all(
        i.low is None or i.high is None or i.low <= truth <= i.high for i, truth in pairs
    )
    yield "F1 of all classes", any(i.low is not None for i in summary.f1_limits), all_covered


# --- families of tests -----------------------------------------------------------------------


def simulate_mcnemar_family(rng: synthetic.Rng, runs: int) -> Outcomes:
    right = synthetic.equal_configs(rng, runs, 400, 0.85)
    yield from _family(
        right.mean(axis=1), lambda a, b: mcnemar(*paired_counts(right[a], right[b])).trusted_p
    )


def simulate_crossed_family(rng: synthetic.Rng, runs: int, seeds: int) -> Outcomes:
    difficulty = rng.normal(0, 2, 300)
    right = np.array(
        [synthetic.seeded_answers(rng, seeds, 300, difficulty=difficulty) for _ in range(runs)]
    )
    by_seed = right.mean(axis=2)
    variances = [(by_seed[a] - by_seed[b]).var(ddof=1) for a, b in combinations(range(runs), 2)]
    prior = fit_variance_prior(variances, seeds - 1, runs)
    yield from _family(
        right.mean(axis=(1, 2)),
        lambda a, b: paired_crossed(right[a] - right[b], prior=prior).trusted_p,
    )


def _family(scores: np.ndarray, p_value: Callable[[int, int], float | None]) -> Outcomes:
    """Whether any of equal runs is called better: the best against the others, and all pairs."""
    best, runs = int(scores.argmax()), len(scores)
    against_best = [p_value(best, other) for other in range(runs) if other != best]
    yield "best against the others", _any_decided(holm_selected(against_best, runs))
    if runs <= 6:
        pairs = combinations(range(runs), 2)
        yield "all pairs", _any_decided(holm([p_value(a, b) for a, b in pairs]))


def _any_decided(adjusted: list[float | None]) -> float:
    return float(any(p is not None and p < 0.05 for p in adjusted))


FAMILIES: dict[str, Callable[[synthetic.Rng], Outcomes]] = {
    "6 runs, McNemar": lambda rng: simulate_mcnemar_family(rng, 6),
    "24 runs, McNemar": lambda rng: simulate_mcnemar_family(rng, 24),
    "6 runs, 4 seeds, moderated crossed t": lambda rng: simulate_crossed_family(rng, 6, 4),
    "6 runs, 10 seeds, moderated crossed t": lambda rng: simulate_crossed_family(rng, 6, 10),
    "24 runs, 4 seeds, moderated crossed t": lambda rng: simulate_crossed_family(rng, 24, 4),
    "24 runs, 6 seeds, moderated crossed t": lambda rng: simulate_crossed_family(rng, 24, 6),
}
"""Equal runs; `simulations.simulate_studies` has families on redrawn splits."""


def family_figure(name: str, simulate: Callable[[synthetic.Rng], Outcomes], reps: int) -> Figure:
    rng, result = np.random.default_rng(2), defaultdict(list)
    for _ in range(reps):
        for procedure, outcome in simulate(rng):
            result[procedure].append(outcome)
    parts: Parts = {procedure: (float(np.mean(values)),) for procedure, values in result.items()}
    (highest,) = max(parts.values())
    slack = 2 * math.sqrt(MOST_ERRORS * (1 - MOST_ERRORS) / reps)
    return Figure(name, (highest,), "type I", at_most=MOST_ERRORS + slack, parts=parts)

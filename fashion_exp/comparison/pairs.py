"""Tests pairs of runs as one family, and states a verdict on each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fashion_exp.comparison.differences import (
    Design,
    Differences,
    compute_differences,
    incomparable_reason,
    shared_images_note,
)
from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.stats.interval import RECIPES, sample_sd
from fashion_exp.stats.moderation import VariancePrior, fit_variance_prior
from fashion_exp.stats.multiplicity import (
    OmnibusTest,
    agree_with_decision,
    bonferroni_level,
    cochrans_q,
    holm,
    holm_selected,
)
from fashion_exp.stats.paired import PairedTest

if TYPE_CHECKING:
    from fashion_exp.comparison.metrics import Metric
    from fashion_exp.comparison.scored_run import ScoredRun
    from fashion_exp.comparison.settings import ComparisonSettings
    from fashion_exp.stats.interval import Interval

Verdict = Literal["better", "worse", "equivalent", "undecided", "not comparable"]

MAX_PRIOR_RUNS = 24
"""More runs are compared with one of them alone, which takes as many pairs as needed."""

OPPOSITE: Mapping[Verdict, Verdict] = {
    "better": "worse",
    "worse": "better",
    "equivalent": "equivalent",
    "undecided": "undecided",
    "not comparable": "not comparable",
}
"""The verdict on (b, a), by the verdict on (a, b)."""


TEST_NAMES = {
    "mcnemar_midp": "McNemar's mid-p test with Tango's interval",
    "mcnemar_exact": "McNemar's exact test with Tango's interval",
    "paired_t": "paired t",
    "paired_grouped_t": "t over groups of images, cluster-robust",
    "paired_crossed_t": "t with trainings and images crossed",
    "moderated_crossed_t": "t with trainings and images crossed, variances moderated over pairs",
    "unpaired_crossed_t": "t with trainings and images crossed, trainings unpaired",
    "paired_corrected_t": "t with Nadeau and Bengio's correction",
    "paired_moderated_t": "t with Nadeau and Bengio's correction, variances moderated over pairs",
    "5x2cv_F": "Alpaydin's 5x2cv F with Dietterich's t-interval",
}


@dataclass(frozen=True)
class Pair:
    """The comparison of two runs, given by their indices."""

    a: int
    b: int
    verdict: Verdict
    test: PairedTest | None
    """None if the runs cannot be compared. Its interval holds for this pair alone."""
    p_holm: float | None
    note: str = ""
    simultaneous: Interval | None = None
    """Of the difference, for all comparisons of the family together: it excludes 0 if and only if
    the verdict is better or worse. None if the runs cannot be compared."""
    is_identical: bool = False
    """Whether all models of both runs are right on the same images."""
    is_negligible: bool = False
    """Whether one is better, but by less than the region of practical equivalence."""

    these_trainings: Interval | None = None
    """Of the mean difference of the trainings at hand, for all comparisons jointly; None unless it
    excludes 0 while the verdict on the recipes is undecided."""
    these_verdict: Verdict | None = None
    """Whether `these_trainings` of a are better or worse than those of b."""
    differences: Differences | None = None
    prior: VariancePrior | None = None
    """What was tested; None if the runs cannot be compared, or without moderation."""

    @cached_property
    def bootstrap(self) -> Interval | None:
        """Of the difference, in addition to McNemar's test. Computed when shown: it takes most of
        the time of a comparison on many images."""
        if self.differences is None or self.test is None:
            return None
        return self.differences.bootstrap(self.test.interval.level)

    @property
    def label(self) -> str:
        """The verdict in words."""
        if self.these_verdict is not None:
            return f"{self.verdict}; these trainings {self.these_verdict}"
        return f"{self.verdict}, by less than matters" if self.is_negligible else self.verdict

    @property
    def is_about_these_trainings(self) -> bool:
        """Whether it is decided for the trainings at hand, which new ones may reverse."""
        return self.test is not None and self.test.interval.or_fallback.target not in RECIPES

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """The verdict on a against b, a minus b with limits that agree with it (for all pairs
        jointly), p and Holm's p, the test, and what the interval estimates; if that is undecided,
        what holds for the trainings at hand."""
        interval, test = self.simultaneous and self.simultaneous.or_fallback, self.test
        conditional = self.these_trainings
        return {
            "a": names[self.a],
            "b": names[self.b],
            "verdict": self.verdict,
            "difference": test and test.difference,
            "low": interval and interval.low,
            "high": interval and interval.high,
            "p": test and test.p,
            "p_holm": self.p_holm,
            "test": test and TEST_NAMES.get(test.method, test.method),
            "estimates": test and str(test.interval.or_fallback.target),
            "note": self.note,
            "these_trainings": None
            if conditional is None
            else {
                "verdict": self.these_verdict,
                "difference": conditional.estimate,
                "low": conditional.low,
                "high": conditional.high,
            },
        }


def compare_pairs(
    runs: Sequence[ScoredRun],
    pairs: Sequence[tuple[int, int]],
    part: str,
    settings: ComparisonSettings,
    omitted: int = 0,
    candidates: int = 0,
) -> list[Pair]:
    """Tests pairs of runs, which are one family.

    `omitted` further comparisons count in the family. If the data compared chose the run that all
    others are compared with, `candidates` is the number of runs that it was chosen from.
    """
    metric, level = settings.metric, settings.pair_level
    reasons = {(a, b): incomparable_reason(runs[a], runs[b], part, metric) for a, b in pairs}
    differences = {
        (a, b): replace(
            compute_differences(runs[a], runs[b], part, metric), is_sequential=bool(settings.race)
        )
        for (a, b), reason in reasons.items()
        if not reason
    }
    priors = _variance_priors(runs, differences, part, metric)
    tests = {
        pair: values.test(level, settings.exact, priors.get(values.design))
        for pair, values in differences.items()
    }
    p_values = [tests[pair].trusted_p if pair in tests else None for pair in pairs]
    if candidates:
        adjusted, family = holm_selected(p_values, candidates), math.comb(candidates, 2)
    else:
        adjusted = holm([*p_values, *[None] * omitted])
        family = len(adjusted)
    family_level = bonferroni_level(settings.pair_alpha, family)
    results = []
    for (a, b), p in zip(pairs, adjusted, strict=False):
        if reasons[a, b]:
            results.append(Pair(a, b, "not comparable", None, None, reasons[a, b]))
            continue
        test, difference = tests[a, b], differences[a, b]
        prior = priors.get(difference.design)
        verdict = _verdict(test, p, difference, settings, prior)
        shared = shared_images_note(runs[a], runs[b], part, metric)
        each = each_training(difference, settings.described, "the first", "the second")
        each = each if verdict == "undecided" else ""
        note = "; ".join(filter(None, (shared, difference.note, test.note, each)))
        simultaneous = agree_with_decision(
            difference.test(family_level, settings.exact, prior).interval.or_fallback,
            verdict in ("better", "worse"),
        )
        conditional = _of_these_trainings(difference, verdict, family_level, settings)
        is_negligible = verdict in ("better", "worse") and _is_inside(simultaneous, settings.rope)
        results.append(
            Pair(
                a, b, verdict, test, p, note, simultaneous,
                difference.are_all_zero, is_negligible, *conditional, difference, prior,
            )
        )  # fmt: skip
    return results


def _variance_priors(
    runs: Sequence[ScoredRun],
    differences: Mapping[tuple[int, int], Differences],
    part: str,
    metric: str,
) -> dict[Design, VariancePrior | None]:
    """From all pairs of the compared runs, or of many runs only from the pairs to be tested."""
    compared = sorted({index for pair in differences for index in pair})
    pairs = [pair for pair in differences.values() if pair.by_training is not None]
    if not pairs:
        return {}
    if len(compared) <= MAX_PRIOR_RUNS:
        pairs += [
            compute_differences(runs[a], runs[b], part, metric)
            for a, b in combinations(compared, 2)
            if not {(a, b), (b, a)} & {*differences}
            and not incomparable_reason(runs[a], runs[b], part, metric)
        ]
    priors: dict[Design, VariancePrior | None] = {}
    for design in {pair.design for pair in pairs}:
        scores = [p.by_training for p in pairs if p.design == design and p.by_training is not None]
        variances = [sample_sd(values) ** 2 for values in scores]
        df = [len(values) - 1 for values in scores]
        priors[design] = fit_variance_prior(variances, df, len(compared))
    return priors


def omnibus_test(runs: Sequence[ScoredRun], part: str) -> OmnibusTest | None:
    """Cochran's Q over the images that all runs predicted, for information.

    It decides nothing: Holm's method controls the error rate alone, and a gate before it would only
    lose power. None if the test does not apply: it needs independent images and one model per run
    and image.
    """
    if any(incomparable_reason(runs[0], other, part, "accuracy") for other in runs[1:]):
        return None
    matrices = [run.score_matrix(part, "accuracy") for run in runs]
    if any(matrix.models_per_image > 1 for matrix in matrices):
        return None
    matrices = [matrix.pool_folds() for matrix in matrices]
    shared = reduce(lambda a, b: a.intersection(b), (matrix.images for matrix in matrices))
    images = shared.sort_values().difference(conflicting_images(runs, part))
    matrices = [matrix.select_images(images) for matrix in matrices]
    if images.empty or any(m.has_shared_groups or not m.is_complete for m in matrices):
        return None
    return cochrans_q(np.concatenate([matrix.values for matrix in matrices]))


def _verdict(
    test: PairedTest,
    p: float | None,
    differences: Differences,
    settings: ComparisonSettings,
    prior: VariancePrior | None,
) -> Verdict:
    """By the adjusted p-value; else equivalent if the 1 - 2 alpha interval is inside the rope."""
    if p is not None and p < settings.pair_alpha and test.difference:
        return "better" if settings.described.favors_first(test.difference) else "worse"
    if test.difference is None or abs(test.difference) >= settings.rope:
        return "undecided"  # the interval contains the difference
    interval = differences.test(1 - 2 * settings.pair_alpha, prior=prior).interval.or_fallback
    return "equivalent" if _is_inside(interval, settings.rope) else "undecided"


def _of_these_trainings(
    differences: Differences, verdict: Verdict, level: float, settings: ComparisonSettings
) -> tuple[Interval | None, Verdict | None]:
    """The interval of the trainings at hand and their verdict, if it decides what is undecided."""
    conditional = differences.of_these_trainings if verdict == "undecided" else None
    if conditional is None:
        return None, None
    interval = conditional.test(level).interval.or_fallback
    if interval.low is None or interval.high is None or interval.low <= 0 <= interval.high:
        return None, None
    return interval, "better" if settings.described.favors_first(interval.low) else "worse"


def each_training(differences: Differences, metric: Metric, a: str, b: str) -> str:
    """How much better each training of a or of b is; empty if not all are, or if not paired."""
    values = differences.by_training
    if values is None or len({*np.sign(values)}) > 1 or not values.any():
        return ""
    better = a if metric.favors_first(float(values[0])) else b
    least, most = float(np.abs(values).min()), float(np.abs(values).max())
    sizes = f"{metric.format_difference(least, unit=False)} to {metric.format_difference(most)}"
    count = f"each of {len(values)} trainings of {better}"
    return f"{count} is better than its pair, by {sizes.replace('+', '')}"


def _is_inside(interval: Interval, rope: float) -> bool:
    if interval.low is None or interval.high is None:
        return False
    return -rope < interval.low and interval.high < rope

"""Plans in sentences: how many images or trainings would decide what is undecided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fashion_exp.comparison.best_run import plan_separation

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.comparison.pairs import Pair
    from fashion_exp.stats.planning import Plan


def plans(comparison: Comparison) -> list[str]:
    """How many images or seeds would decide what is undecided, one sentence each."""
    sentences = []
    target = comparison.target
    if target is not None and target.verdict.verdict == "undecided":
        sentences.append(_target_plan(target.plan, target.part))
    if (pair := pair_to_decide(comparison)) is not None:
        sentences += separation_plan(comparison, pair)
    return sentences


def separation_plan(comparison: PairwiseComparison, pair: Pair) -> Iterator[str]:
    """From the smallest difference that matters to the largest that the data allow.

    The observed difference would promise too much: it is the one that chance made large.
    """
    assert pair.test is not None and pair.differences is not None
    settings, metric = comparison.settings, comparison.settings.described
    next_look = replace(settings, looks=settings.looks + comparison.counts_looks, share=None)
    alpha = next_look.pair_alpha / max(1, comparison.bonferroni_factor)
    interval = pair.test.interval.or_fallback
    largest = max(abs(interval.low or 0), abs(interval.high or 0))
    limits = f"the largest within the interval of the pair alone ({metric.format_limits(interval)})"
    cases = {limits: largest} if largest > settings.rope else {}
    cases["the smallest that matters"] = settings.rope
    texts, note = [], ""
    for name, difference in cases.items():
        plan = plan_separation(pair.differences, difference, alpha, pair.prior)
        if plan is None:
            continue
        needs = plan.note
        if plan.needed is not None:
            unit = (
                comparison.compared_items
                if plan.unit == "images"
                else "trainings (seeds) of each run"
            )
            needs, note = f"about {plan.needed:,} {unit}", f", {plan.note}" if plan.note else ""
        size = metric.format_difference(difference).lstrip("+")
        texts.append(f"{needs} if the true difference is {size}, {name}")
    if texts:
        names = f"{comparison.names[pair.a]} from {comparison.names[pair.b]}"
        look = f"with alpha = {next_look.pair_alpha:.2g}"
        if comparison.counts_looks:
            look = f"at the next look (number {next_look.looks}) {look}"
        yield f"To separate {names}: {'; '.join(texts)} (with a power of 80 %, {look}{note})."


def pair_to_decide(comparison: PairwiseComparison) -> Pair | None:
    """The winner and the runner-up, or the winner and the baseline, if that pair is undecided."""
    winner, baseline = comparison.winner, comparison.settings.baseline
    second = comparison.runner_up if baseline in (None, winner) else baseline
    pairs = (pair for pair in comparison.pairs if {pair.a, pair.b} == {winner, second})
    return next((pair for pair in pairs if pair.verdict == "undecided"), None)


def _target_plan(plan: Plan, part: str) -> str:
    if plan.needed is None:
        return f"Deciding the target: {plan.note}."
    return (
        f"Deciding the target takes about {plan.needed:,} {part} images (with a power of 80 %, "
        f"{plan.note})."
    )

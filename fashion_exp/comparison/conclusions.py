"""States in sentences which conclusions the data support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fashion_exp.comparison.best_run import plan_separation
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import OPPOSITE, Pair, Verdict
from fashion_exp.reporting.formats import percent, percent_range, pluralize

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.stats.planning import Plan

_PHRASES: dict[Verdict, str] = {
    "better": "better than",
    "equivalent": "equivalent to",
    "worse": "worse than",
    "not comparable": "not comparable with",
}
_BOUND_NAMES = {"clopper_pearson": "Clopper-Pearson", "wilson": "Wilson"}


def conclusions(comparison: Comparison) -> list[str]:
    """The conclusions, one sentence each; the first one answers which run is best."""
    if len(comparison.runs) == 1:
        accuracy = _accuracy(comparison, 0, comparison.part)
        sentences = [f"The {comparison.part} accuracy of {comparison.names[0]} is {accuracy}."]
    else:
        first = _two_runs if len(comparison.runs) == 2 else _several_runs
        sentences = [first(comparison), *_winner(comparison)]
    return [*sentences, *_target(comparison)]


def _accuracy(comparison: Comparison, index: int, part: str) -> str:
    summary = comparison.runs[index].summary(part)
    interval = summary.accuracy
    models = f", mean of {interval.scores} trainings" if interval.scores > 1 else ""
    if interval.low is None or interval.high is None:
        return f"{percent(interval.estimate)} (no interval: {interval.note}{models})"
    return (
        f"{percent(interval.estimate)} ({percent_range(interval.low, interval.high)} %, "
        f"{100 * interval.level:g} % Wilson, n = {summary.images} images{models})"
    )


def _two_runs(comparison: Comparison) -> str:
    (pair,) = comparison.pairs
    a, b = comparison.names[pair.a], comparison.names[pair.b]
    if pair.test is None:
        return f"{a} and {b} cannot be compared: {pair.note}."
    metric = METRICS[comparison.settings.metric]
    interval = pair.test.interval.or_fallback
    count = (
        f"J = {interval.scores} pairs of trainings"
        if interval.n is None
        else f"n = {interval.n:g} {comparison.part} images"
    )
    numbers = (
        f"{metric.format_difference(pair.test.difference)} in {metric.label} "
        f"({100 * comparison.settings.level:g} % interval {metric.format_limits(interval)}, "
        f"{_format_p(pair.p_holm)}, {count})"
    )
    if pair.is_identical:
        return f"{a} and {b} are right on the same {comparison.part} images: {numbers}."
    numbers = f"{numbers}; {_scope(pair)}."
    if pair.verdict in ("better", "worse"):
        better, worse = (a, b) if pair.verdict == "better" else (b, a)
        return f"{better} is better than {worse}: {a} minus {b} is {numbers}"
    if pair.verdict == "equivalent":
        rope = f"±{metric.scale * comparison.settings.rope:g} {metric.unit}"
        return f"{a} and {b} are equivalent within {rope}: {a} minus {b} is {numbers}"
    return f"The data do not show which of {a} and {b} is better: {a} minus {b} is {numbers}"


def _scope(pair: Pair) -> str:
    assert pair.test is not None
    interval = pair.test.interval.or_fallback
    scope = f"this estimates {interval.target}"
    if interval.scores == 1:
        scope += " from one training of each run, and other seeds may reverse it"
    return scope


def _format_p(p: float | None) -> str:
    if p is None:
        return "no p-value"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _several_runs(comparison: Comparison) -> str:
    winner, others = comparison.winner, len(comparison.runs) - 1
    name, baseline = comparison.names[winner], comparison.settings.baseline
    best = f"{name} has the best validation {METRICS[comparison.settings.metric].label}"
    if baseline is not None and baseline != winner:
        return (
            f"{best} of {others + 1} runs; all runs are compared with {comparison.names[baseline]}."
        )
    counts: Counter[Verdict] = Counter(
        pair.verdict if pair.a == winner else OPPOSITE[pair.verdict]
        for pair in comparison.pairs
        if winner in (pair.a, pair.b)
    )
    count = pluralize(comparison.family_size, "comparison")
    images = f"on the {comparison.part} images (Holm over {count})"
    if counts["better"] == others:
        return (
            f"{name} is the best of {others + 1} runs: it is better than each other run {images}."
        )
    undecided = f"{counts['undecided']} of the other {others} may be as good"
    decided = ", ".join(
        f"{phrase} {counts[verdict]}" for verdict, phrase in _PHRASES.items() if counts[verdict]
    )
    if not decided:
        verdicts = f"each of the other {others} may be as good"
    elif counts["undecided"]:
        verdicts = f"it is {decided}, and {undecided}"
    else:
        verdicts = f"it is {decided} of the other {others}"
    return f"No single best run can be named: {best}, but {images} {verdicts}."


def _winner(comparison: Comparison) -> Iterator[str]:
    winner, selection = comparison.winner, comparison.selection
    if selection is not None and selection.optimism is not None:
        more = ""
        if omitted := comparison.omitted_runs:
            tried = "run was" if omitted == 1 else "runs were"
            more = f"; {omitted} more {tried} tried, which this does not include"
        yield (
            f"{comparison.names[winner]} was selected from {selection.candidates} runs by its "
            f"validation accuracy, {percent(selection.apparent_score)}; allowing for being picked "
            f"as the best of {selection.candidates} (BBC-CV), it is "
            f"{percent(selection.interval.estimate)}{more}."
        )
    if comparison.runs[winner].is_test_evaluated:
        evaluations = max(run.result.test_evaluations for run in comparison.runs)
        yield (
            "On the test images, which were not used to select it, its accuracy is "
            f"{_accuracy(comparison, winner, 'test')}. Runs evaluated on this test set: "
            f"{evaluations}."
        )
    else:
        yield "The test predictions are held out; --evaluate-test evaluates them."


def _target(comparison: Comparison) -> Iterator[str]:
    if comparison.target is None:
        return
    verdict = comparison.target.verdict
    yield (
        f"The target of {percent(verdict.target)} is {verdict.verdict}: the one-sided "
        f"{100 * verdict.level:g} % bounds are {percent(verdict.lower)} and "
        f"{percent(verdict.upper)} ({_BOUND_NAMES[verdict.method]}, n = {verdict.n:g} "
        f"{comparison.target.part} images)."
    )


def plans(comparison: Comparison) -> list[str]:
    """How many images or seeds would decide what is undecided, one sentence each."""
    sentences = []
    target = comparison.target
    if target is not None and target.verdict.verdict == "undecided":
        sentences.append(_describe_plan("Deciding the target", target.plan))
    winner, second = comparison.winner, comparison.runner_up
    if second is not None:
        alpha = comparison.settings.alpha / max(1, comparison.family_size)
        plan = plan_separation(
            comparison.runs[winner], comparison.runs[second], comparison.part, alpha
        )
        if plan is not None:
            pair = f"Separating {comparison.names[winner]} from {comparison.names[second]}"
            sentences.append(_describe_plan(pair, plan))
    return sentences


def _describe_plan(goal: str, plan: Plan) -> str:
    if plan.needed is None:
        return f"{goal}: {plan.note}."
    unit = "test images" if plan.unit == "images" else "trainings (seeds) of each run"
    note = f"; {plan.note}" if plan.note else ""
    return (
        f"{goal} takes about {plan.needed:,} {unit} (power 80 % if the observed rates are the "
        f"true ones{note})."
    )

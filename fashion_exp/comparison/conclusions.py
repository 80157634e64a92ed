"""The answer in sentences that a reviewer could not fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fashion_exp.comparison.best_run import to_separate
from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import OPPOSITE, Pair
from fashion_exp.reporting.formats import percent, span
from fashion_exp.stats.interval import Interval


def points(difference: float | None, metric: str) -> str:
    """A difference, in the unit of the metric."""
    if difference is None:
        return "–"
    told = METRICS[metric]
    return f"{told.scale * difference:+.{1 if told.share else 3}f} {told.unit}"


def limits(interval: Interval, metric: str) -> str:
    """ "−1.2 to 3.4" of what may be shown, or a dash where there are none."""
    shown, told = interval.shown, METRICS[metric]
    if shown.low is None or shown.high is None:
        return "–"
    low, high = (f"{told.scale * x:+.{1 if told.share else 3}f}" for x in (shown.low, shown.high))
    return f"{low} to {high}"


def sentences(study: Comparison) -> list[str]:
    if len(study.runs) == 1:
        return [_alone(study), *_target(study)]
    first = _two(study) if len(study.runs) == 2 else _several(study)
    return [first, *_winner(study), *_target(study)]


def _scored(study: Comparison, place: int, part: str) -> str:
    found = study.runs[place].summary(part)
    interval = found.accuracy
    models = f", mean of {interval.scores} trainings" if interval.scores > 1 else ""
    if interval.low is None or interval.high is None:
        return f"{percent(interval.estimate)} (no interval: {interval.note}{models})"
    return (
        f"{percent(interval.estimate)} ({span(interval.low, interval.high)} %, "
        f"{100 * interval.level:g} % Wilson, n = {found.images} images{models})"
    )


def _alone(study: Comparison) -> str:
    part = study.part
    return f"{study.names[0]} is right on {_scored(study, 0, part)} of the {part} images."


def _two(study: Comparison) -> str:
    (pair,) = study.pairs
    a, b = study.names[pair.a], study.names[pair.b]
    metric = study.question.metric
    asked = METRICS[metric]
    if pair.test is None:
        return f"{a} and {b} cannot be compared: {pair.note}."
    interval = pair.test.interval.shown
    counted = (
        f"J = {interval.scores} pairs of trainings"
        if interval.n is None
        else f"n = {interval.n:g} {study.part} images"
    )
    numbers = (
        f"{points(pair.test.difference, metric)} in {asked.words} ({100 * study.level:g} % "
        f"interval {limits(interval, metric)}, {_p(pair)}, {counted})"
    )
    if pair.same:
        return f"{a} and {b} are right on the same {study.part} images: {numbers}."
    if pair.verdict in ("better", "worse"):
        first, second = (a, b) if pair.verdict == "better" else (b, a)
        return f"{first} is better than {second}: {a} minus {b} is {numbers}; {_about(pair)}."
    rope = f"±{asked.scale * study.question.rope:g} {asked.unit}"
    if pair.verdict == "equivalent":
        return f"{a} and {b} are equivalent within {rope}: {numbers}; {_about(pair)}."
    return f"{a} and {b} cannot be told apart: {numbers}; {_about(pair)}."


def _about(pair: Pair) -> str:
    assert pair.test is not None
    interval = pair.test.interval.shown
    said = f"this is about {interval.target}"
    if interval.scores == 1:
        said += ", one training of each: other seeds may turn it"
    return said


def _p(pair: Pair) -> str:
    p = pair.p_holm
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _several(study: Comparison) -> str:
    best = study.winner
    verdicts = Counter(
        pair.verdict if pair.a == best else OPPOSITE[pair.verdict]
        for pair in study.pairs
        if best in (pair.a, pair.b)
    )
    others = len(study.runs) - 1
    name, family = study.names[best], study.family
    metric = METRICS[study.question.metric].words
    where = f"on the {study.part} images, Holm over {family} comparisons"
    beaten, open_ = verdicts["better"], verdicts["undecided"]
    if study.question.baseline not in (None, best):
        return (
            f"{name} has the best validation {metric} of {others + 1} runs; all "
            f"are compared with {study.names[study.question.baseline or 0]}."
        )
    if beaten == others:
        return f"{name} is the best of {others + 1} runs: better than each of the others {where}."
    told = [
        f"better than {beaten}" if beaten else "",
        f"equivalent to {verdicts['equivalent']}" if verdicts["equivalent"] else "",
        f"worse than {verdicts['worse']}" if verdicts["worse"] else "",
        f"not to be told from {open_}" if open_ else "",
        f"not comparable with {verdicts['not comparable']}" if verdicts["not comparable"] else "",
    ]
    listed = ", ".join(filter(None, told))
    counted = f"it is {listed} of the {others} others"
    if open_ == others:
        counted = f"none of the {others} others can be told from it"
    return (
        f"No single best run can be named: {name} has the best validation {metric}, but "
        f"{where}, {counted}."
    )


def _winner(study: Comparison) -> Iterator[str]:
    best = study.winner
    chosen = study.optimism
    if chosen is not None and chosen.optimism is not None:
        tried = "was tried" if study.others == 1 else "were tried"
        more = f"; {study.others} more {tried}, which that leaves out" if study.others else ""
        yield (
            f"{study.names[best]} was chosen among {chosen.candidates} by its validation "
            f"accuracy, {percent(chosen.own_score)}; corrected for having been chosen (BBC-CV) "
            f"it is {percent(chosen.interval.estimate)}{more}."
        )
    member = study.runs[best]
    if member.opened:
        looks = max(other.result.test_evaluations for other in study.runs)
        often = "once" if looks == 1 else f"by {looks} runs"
        yield (
            f"On the test images, which did not choose it, it is right on "
            f"{_scored(study, best, 'test')}; this test set has been looked at {often}."
        )
    else:
        yield "The test predictions are sealed; --open-test opens them."


def _target(study: Comparison) -> Iterator[str]:
    asked = study.target
    if asked is None:
        return
    verdict = asked.verdict
    bound = {"clopper_pearson": "Clopper and Pearson's", "wilson": "Wilson's"}[verdict.method]
    said = {"met": "is met", "not met": "is not met", "undecided": "is undecided"}[verdict.verdict]
    yield (
        f"The target of {percent(verdict.target)} {said}: on {verdict.n:g} {asked.part} images "
        f"{bound} one-sided {100 * verdict.level:g} % bounds are {percent(verdict.lower)} below "
        f"and {percent(verdict.upper)} above."
    )


def plans(study: Comparison) -> list[str]:
    """How many images or seeds would decide what is undecided."""
    told = []
    if study.target is not None and study.target.verdict.verdict == "undecided":
        told.append(_needed(study.target.plan.needed, study.target.plan.unit, "decide the target",
                            study.target.plan.note))  # fmt: skip
    second = study.runner_up
    if second is not None:
        alpha = study.question.alpha / max(1, study.family)
        plan = to_separate(study.runs[study.winner], study.runs[second], study.part, alpha)
        if plan is not None:
            pair = f"tell {study.names[study.winner]} from {study.names[second]}"
            told.append(_needed(plan.needed, plan.unit, pair, plan.note))
    return told


def _needed(count: int | None, unit: str, what: str, note: str) -> str:
    rates = "with probability 80 %, if the rates seen are the true ones"
    if count is None:
        return f"To {what}: {note}."
    each = "test images" if unit == "images" else "trainings (seeds) of each"
    return f"To {what} it takes about {count:,} {each}, {rates}{f' ({note})' if note else ''}."

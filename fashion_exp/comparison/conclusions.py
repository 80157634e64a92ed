"""States in sentences which conclusions the data support."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fashion_exp.comparison.best_run import mean_score
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import OPPOSITE, Pair, Verdict, each_training
from fashion_exp.evaluation.targets import describe_targets
from fashion_exp.reporting.formats import p_text, percent, percent_range, photo_count, pluralize
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.stats.interval import Interval
    from fashion_exp.stats.planning import OutcomeMethod

_PHRASES: dict[Verdict, str] = {
    "better": "better than",
    "equivalent": "equivalent to",
    "worse": "worse than",
    "undecided": "not clearly better or worse than",
    "not comparable": "not comparable with",
}
LOOKS_BOUND = math.pi**2 / 6
MAX_NAMED = 4
"""More runs are counted in a sentence, not named."""
_BOUND_NAMES: dict[OutcomeMethod, str] = {
    "clopper_pearson": "Clopper-Pearson",
    "wilson": "Wilson",
    "korn_graubard": "Clopper-Pearson at the number of independent images",
    "bbc_cv": "BBC-CV, allowing for the selection",
}


def conclusions(comparison: Comparison) -> list[str]:
    """The conclusions, one sentence each; the first one answers which run is best, in a line."""
    if len(comparison.runs) == 1:
        # `judge` imports this module and needs no more than numpy, scipy and pandas.
        from fashion_exp.comparison.reviewed_labels import review_sentences

        name, part = comparison.names[0], comparison.part
        sentences = [
            f"The {part} {comparison.accuracy_name} of {name} is {_accuracy(comparison, 0, part)}."
        ]
        if (metric := comparison.settings.metric) != "accuracy":
            value = _value(comparison, 0, part, metric)
            sentences = [
                f"The {part} {comparison.settings.described.label} of {name} is {value}.",
                *sentences,
            ]
        # A review decides on validation photos; with an evaluated test the part is another one.
        sentences += review_sentences(comparison.runs[0], [*dict.fromkeys([part, "validation"])])
    else:
        note = filter(None, [comparison.candidates_note])
        sentences = [*verdict_sentences(comparison), *_on_other_photos(comparison), *note]
        sentences += _winner(comparison)
    sentences += dict.fromkeys(describe_targets(run.result.facts) for run in comparison.runs)
    sentences = [*filter(None, sentences)]
    return [*sentences, *_refits(comparison), *_looks(comparison), *_target(comparison)]


def _refits(comparison: Comparison) -> Iterator[str]:
    """Which runs are refits; on their own test these have no results (`api.compare`)."""
    pairs = zip(comparison.names, comparison.runs, strict=True)
    if refits := [name for name, run in pairs if run.is_refit and comparison.settings.on]:
        yield (
            f"Refits: {', '.join(refits)}. Only their results on {comparison.part} are their own; "
            "validation and test are those of the run that each repeats."
        )


def verdict_sentences(comparison: PairwiseComparison) -> list[str]:
    """Which of two or more runs is better; the first sentence answers it in a line."""
    return list((_two_runs if len(comparison.runs) == 2 else _best_run)(comparison))


def _looks(comparison: Comparison) -> Iterator[str]:
    """What earlier comparisons of the same recipes on fewer data cost."""
    settings = comparison.settings
    if settings.race:
        yield (
            f"These runs are a look of {settings.race}, which tests them at alpha = "
            f"{settings.pair_alpha:.2g}; the error rate of all its looks is about "
            f"{settings.alpha / settings.looks**2:.2g}."
        )
    elif settings.looks > 1:
        yield (
            f"These recipes were compared on other data or in a race before: this is look "
            f"{settings.looks}, and pairs are tested at alpha = {settings.alpha:g}/"
            f"{settings.looks}² = {settings.pair_alpha:.3g}. The error rate over all looks is at "
            f"most {LOOKS_BOUND * settings.alpha:.2g}."
        )


def _accuracy(comparison: Comparison, index: int, part: str) -> str:
    summary = comparison.runs[index].summary(part)
    interval = summary.accuracy
    models = f", mean of {interval.scores} trainings" if interval.scores > 1 else ""
    if interval.low is None or interval.high is None:
        return f"{percent(interval.estimate)} (no interval: {interval.note}{models})"
    return (
        f"{percent(interval.estimate)} ({percent_range(interval.low, interval.high)} %, "
        f"{100 * interval.level:g} % Wilson, {photo_count(summary.images)}{models})"
    )


def _value(comparison: Comparison, index: int, part: str, metric: str) -> str:
    described = METRICS.get(metric, comparison.settings.described)
    return described.format_value(mean_score(comparison.runs[index], part, metric))


def _scores(comparison: Comparison, index: int, part: str) -> str:
    """The metric that runs are compared by, unless it is the accuracy, and the accuracy."""
    metric, accuracy = comparison.settings.metric, _accuracy(comparison, index, part)
    if metric == "accuracy":
        return f"{comparison.accuracy_name} is {accuracy}"
    value = _value(comparison, index, part, metric)
    label = comparison.settings.described.label
    return f"{label} is {value} and its {comparison.accuracy_name} {accuracy}"


def _two_runs(comparison: PairwiseComparison) -> Iterator[str]:
    (pair,) = comparison.pairs
    a, b = comparison.names[pair.a], comparison.names[pair.b]
    if pair.test is None or pair.test.difference is None or pair.simultaneous is None:
        yield f"{a} and {b} cannot be compared: {pair.note}."
        return
    metric = comparison.settings.described
    difference, limits = pair.test.difference, pair.simultaneous
    if pair.verdict == "worse":
        a, b, difference, limits = b, a, -difference, limits.negated
    yield _two_runs_headline(comparison, pair, a, b)
    interval = pair.test.interval.or_fallback
    count = (
        f"{interval.scores} pairs of trainings"
        if interval.n is None
        else photo_count(interval.n, comparison.part_of_items, comparison.item)
    )
    scope = "" if pair.is_identical else f"; {_scope(comparison, pair)}"
    yield (
        f"{a} minus {b} is {metric.format_difference(difference)} in "
        f"{comparison.compared_by} ({100 * comparison.settings.pair_level:g} % interval "
        f"{metric.format_limits(limits)}, {_format_p(pair.p_holm)}, {count}){scope}."
    )
    if pair.these_trainings is not None:
        conditional = pair.these_trainings
        yield (
            f"For these trainings {a} minus {b} is "
            f"{metric.format_difference(conditional.estimate)} "
            f"({metric.format_limits(conditional)})."
        )
    if (
        pair.verdict == "undecided"
        and pair.differences is not None
        and (each := each_training(pair.differences, metric, a, b))
    ):
        yield f"{each[0].upper()}{each[1:]}."


def _two_runs_headline(comparison: PairwiseComparison, pair: Pair, a: str, b: str) -> str:
    """`a` is the better one if the verdict says so."""
    metric = comparison.settings.described
    if pair.is_identical:
        return f"{a} and {b} are right on the same {comparison.compared_items}."
    if pair.verdict in ("better", "worse"):
        assert pair.test is not None and pair.test.difference is not None
        size = metric.format_difference(abs(pair.test.difference)).lstrip("+")
        less = ", less than matters" if pair.is_negligible else ""
        return f"{a} is better than {b} by {size} of {comparison.compared_by}{less}."
    if pair.verdict == "equivalent":
        rope = metric.format_margin(comparison.settings.rope)
        return f"{a} and {b} are equivalent within {rope} of {comparison.compared_by}."
    if pair.these_trainings is not None:
        a, b = (a, b) if pair.these_verdict == "better" else (b, a)
        size = metric.format_difference(abs(pair.these_trainings.estimate or 0.0)).lstrip("+")
        return (
            f"These trainings of {a} are better than those of {b} by {size} of "
            f"{comparison.compared_by}; the data do not show that new ones would be."
        )
    return f"The data do not show which of {a} and {b} is better."


def _scope(comparison: PairwiseComparison, pair: Pair) -> str:
    assert pair.test is not None and pair.differences is not None
    interval = pair.test.interval.or_fallback
    scope = f"this estimates {interval.claim}"
    if comparison.about_trainings and pair.is_about_these_trainings:
        first, second = pair.differences.trainings
        trainings = f"{pluralize(first, 'training')} of "
        if first == second:
            trainings += "each run"
        else:
            names = comparison.names
            trainings += f"{names[pair.a]} and {second} of {names[pair.b]}"
        scope += f" from {trainings}; other {_cause(interval)} may reverse it, and "
        enough = interval.scores >= MIN_RELIABLE_SCORES
        more = "repeats" if enough else f"{MIN_RELIABLE_SCORES} trainings of each"
        scope += f"{more} would estimate how much they differ"
    return scope


def _cause(interval: Interval) -> str:
    """What makes trainings of one recipe differ: pooled folds have splits of their own."""
    return "seeds" if interval.scores < MIN_RELIABLE_SCORES else "trainings"


def _format_p(p: float | None) -> str:
    return "no p-value" if p is None else p_text(p)


def _best_run(comparison: PairwiseComparison) -> Iterator[str]:
    """The best of several candidates, and how it compares with the others."""
    winner, others = comparison.winner, len(comparison.candidates) - 1
    name, baseline = comparison.names[winner], comparison.settings.baseline
    best = f"{name} has the best {comparison.ranked_by}"
    family = comparison.correction
    if baseline is not None and baseline != winner:
        yield f"{best} of {pluralize(others + 1, 'run')}."
        counts = Counter(pair.verdict for pair in comparison.pairs)
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        images = f"On the {comparison.compared_items} ({family}), compared with "
        suffix = _these_trainings(comparison) if counts["better"] + counts["worse"] else ""
        yield f"{images}{comparison.names[baseline]}: {verdicts}{suffix}."
        yield from _in_these_trainings(comparison.pairs)
        return
    if not others:
        yield f"{name} is the only one of {len(comparison.runs)} runs with its training share."
        return
    with_winner = [
        pair
        for pair in comparison.pairs
        if winner in (pair.a, pair.b) and {pair.a, pair.b} <= set(comparison.candidates)
    ]
    counts = Counter(
        pair.verdict if pair.a == winner else OPPOSITE[pair.verdict] for pair in with_winner
    )
    other = next(index for index in comparison.candidates if index != winner)
    rest = f"{others} others" if others > 1 else comparison.names[other]
    where = f"on the {comparison.compared_items} ({family})"
    undecided = counts["undecided"]
    if counts["better"] == others:
        yield f"{name} is the best of {others + 1} runs: it is better than each other run."
        yield f"This holds {where}{_these_trainings(comparison)}."
        return
    if undecided == others:
        yield f"{best}; {f'each of {rest}' if others > 1 else rest} may be as good."
        yield f"No difference between it and {rest} is decided {where}."
        yield from _in_these_trainings(with_winner)
        yield from _possible_best(comparison)
        return
    if undecided:
        yield f"{best}; {undecided} of the other {others} may be as good."
    else:
        yield f"{best}, but it is not better than {f'each of {rest}' if others > 1 else rest}."
    verdicts = ", ".join(
        f"{phrase} {counts[verdict] if others > 1 else rest}"
        for verdict, phrase in _PHRASES.items()
        if counts[verdict]
    )
    suffix = _these_trainings(comparison) if counts["better"] + counts["worse"] else ""
    yield f"{where[0].upper()}{where[1:]} it is {verdicts}{suffix}."
    yield from _in_these_trainings(with_winner)
    yield from _possible_best(comparison)


def _in_these_trainings(pairs: Sequence[Pair]) -> Iterator[str]:
    """How many differences are undecided for new trainings only."""
    if stated := [pair for pair in pairs if pair.these_trainings is not None]:
        undecided = sum(pair.verdict == "undecided" for pair in pairs)
        yield (
            f"Of {pluralize(undecided, 'undecided difference')}, {len(stated)} can be stated "
            f"for the {_count_trainings(stated)}, which say too little about new ones."
        )


def _these_trainings(comparison: PairwiseComparison) -> str:
    """What decisions about recipes take for granted, or those about the trainings leave open."""
    if not comparison.about_trainings:
        return ""
    about = [pair for pair in comparison.pairs if pair.is_about_these_trainings]
    if not about:
        scores = [p.test.interval.scores for p in comparison.pairs if p.test is not None]
        return f", as long as trainings like these {min(scores)} are the rule" if scores else ""
    intervals = [pair.test.interval.or_fallback for pair in about if pair.test is not None]
    cause = _cause(min(intervals, key=lambda interval: interval.scores))
    return f", for {_count_trainings(about)}: other {cause} may reverse it"


def _count_trainings(pairs: Sequence[Pair]) -> str:
    """ "5 trainings of each run", or "1 to 5 trainings of each run"."""
    counts = {n for pair in pairs if pair.differences for n in pair.differences.trainings}
    least = f"{min(counts)} to " if len(counts) > 1 else ""
    return f"{least}{pluralize(max(counts), 'training')} of each run"


def _possible_best(comparison: PairwiseComparison) -> Iterator[str]:
    """Which runs may be the best (Hsu), if that rules out any."""
    possible = [index for index in comparison.possible_best if index in comparison.candidates]
    ruled_out = len(comparison.candidates) - len(possible)
    if not possible or not ruled_out:
        return
    confidence = f"With {100 * comparison.settings.pair_level:g} % confidence"
    names = [comparison.names[index] for index in possible]
    others = "the other run is" if ruled_out == 1 else f"the other {ruled_out} are"
    if len(names) == 1:
        yield f"{confidence} no other run is better than {names[0]} (Hsu)."
    elif len(names) <= MAX_NAMED:
        yield (
            f"{confidence} the best run is {', '.join(names[:-1])} or {names[-1]}; "
            f"{others} not better than these (Hsu)."
        )
    else:
        yield f"{confidence} the best run is one of {len(names)}; {others} not better (Hsu)."


def _on_other_photos(comparison: Comparison) -> Iterator[str]:
    """The accuracies on the evaluation that runs are compared on, best first."""
    if (name := comparison.settings.on) is None:
        return
    runs = comparison.runs
    order = sorted(comparison.compared, key=lambda i: -mean_score(runs[i], name, "accuracy"))
    texts = [f"{comparison.names[i]} {_accuracy(comparison, i, name)}" for i in order[:MAX_NAMED]]
    more = f"; {len(order) - MAX_NAMED} others less" if len(order) > MAX_NAMED else ""
    label = comparison.accuracy_name.capitalize()
    yield f"{label} on {name}: {'; '.join(texts)}{more}."


def _winner(comparison: Comparison) -> Iterator[str]:
    winner, selection = comparison.winner, comparison.selection
    if selection is not None and selection.optimism is not None:
        more = ""
        if omitted := comparison.omitted_runs:
            tried = "run was" if omitted == 1 else "runs were"
            more = f"; {omitted} more {tried} tried, which this does not include"
        own = _value(comparison, winner, "validation", "accuracy")
        selected, accuracy = f"validation {comparison.accuracy_name}, {own}", ""
        if comparison.settings.metric != "accuracy":
            label = comparison.settings.described.label
            value = _value(comparison, winner, "validation", comparison.settings.metric)
            selected = f"validation {label}, {value}"
            accuracy = f" its validation {comparison.accuracy_name} is {own};"
        yield (
            f"{comparison.names[winner]} was selected from {selection.candidates} runs by its "
            f"{selected};{accuracy} allowing for being picked "
            f"as the best of {selection.candidates} (BBC-CV), it is "
            f"{percent(selection.interval.estimate)}{more}."
        )
    if comparison.runs[winner].is_test_evaluated:
        evaluations = max(run.result.test_evaluations for run in comparison.runs)
        yield (
            f"On the test images, which were not used to select it, its "
            f"{_scores(comparison, winner, 'test')}. Runs that used photos of this test set: "
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
        f"{percent(verdict.upper)} ({_BOUND_NAMES[verdict.method]}, "
        f"{photo_count(verdict.n, comparison.target.part)})."
    )

"""A study as the report that people read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_exp.comparison import audit, conclusions, factors
from fashion_exp.comparison.best_run import validation_score
from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.misclassified import photo_groups
from fashion_exp.comparison.pairs import OPPOSITE, Pair
from fashion_exp.comparison.run_data import RunData
from fashion_exp.evaluation.results import METHODS
from fashion_exp.reporting.formats import DASH, number, percent, span
from fashion_exp.reporting.report_content import (
    Cell,
    Confusion,
    Curve,
    Forest,
    ForestRow,
    Report,
    VerdictMatrix,
)
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.proportions import wilson

TEST_NAMES = {
    "mcnemar_midp": "McNemar's mid-p test with Tango's interval",
    "mcnemar_exact": "McNemar's exact test with Tango's interval",
    "paired_grouped_t": "t over groups of images, cluster-robust",
    "paired_crossed_t": "t with trainings and images crossed",
    "unpaired_crossed_t": "t with trainings and images crossed, trainings unpaired",
    "paired_corrected_t": "t with Nadeau and Bengio's correction",
    "5x2cv_F": "Alpaydin's 5x2cv F with Dietterich's t-interval",
}


def report(study: Comparison, command: str, cache: Path) -> Report:
    """Everything that the page, the tables and the figures show."""
    order = ranked(study)
    return Report(
        title=_title(study),
        created=time.strftime("%Y-%m-%d %H:%M"),
        answer=conclusions.sentences(study),
        audit=audit.audit(study.runs, study.names),
        runs=runs_table(study),
        accuracy=_forests(study, order),
        curves=[_curve(study, place) for place in order],
        verdicts=_matrix(study, order) if len(study.runs) > 1 else None,
        pairs=pairs_table(study) if len(study.runs) > 1 else None,
        effects=_effects(study),
        confounds=study.confounds,
        missing_cells=factors.missing_cells(study.runs, study.factors),
        plan=conclusions.plans(study),
        confusions=[_confusion(study, place) for place in order],
        photos=photo_groups(study.runs, study.winner, study.part, cache),
        reproduce=[command, *(member.command for member in study.runs)],
        methods=_methods(study),
    )


def ranked(study: Comparison) -> list[int]:
    """Places of the runs, best validation first."""
    metric = study.question.metric
    sign = 1 if METRICS[metric].lower_is_better else -1
    scores = [sign * validation_score(member, metric) for member in study.runs]
    return sorted(range(len(scores)), key=scores.__getitem__)


def _title(study: Comparison) -> str:
    if len(study.runs) == 1:
        return study.names[0]
    models = dict.fromkeys(str(member.knobs["model.name"]) for member in study.runs)
    return f"{len(study.runs)} runs of {', '.join(models)}"


COLUMNS: Mapping[str, str] = {
    "model": "model.name",
    "split": "split.name",
    "train ratio": "split.train_ratio",
    "epochs": "training.epochs",
    "depth": "model.depth",
    "head": "model.head",
    "hidden": "model.hidden",
    "optimizer": "optim.name",
    "lr": "optim.lr",
    "dropout": "model.dropout",
    "seed": "seed",
}
"""The paper's columns, by the knobs they show."""


def runs_table(study: Comparison) -> PlainTable:
    """The table of the paper's Figure 4 from the runs, with what it lacked."""
    swept = {knob for factor in study.factors for knob in factor.knobs}
    shown = {title: knob for title, knob in COLUMNS.items() if _told(study, knob)}
    more = {
        knob.rpartition(".")[2]: knob
        for knob in sorted(swept - set(COLUMNS.values()))
        if any(len(f.knobs) == 1 and knob in f.knobs for f in study.factors)
    }
    header = [
        "run", *shown, *more, "activation", "weights", "loss", "macro-F1", "validation",
        f"{100 * study.level:g} % interval", "t-interval", "n", "J", "test", "test n", "updates",
        "split manifest",
    ]  # fmt: skip
    rows = [_row(study, place, [*shown.values(), *more.values()]) for place in ranked(study)]
    notes = ["Best validation first. Test: sealed (–) unless it was opened."]
    return PlainTable(header, rows, notes=notes)


def _told(study: Comparison, knob: str) -> bool:
    return any(member.knobs.get(knob) is not None for member in study.runs)


def _row(study: Comparison, place: int, knobs: Sequence[str]) -> list[str]:
    member = study.runs[place]
    found = member.summary("validation")
    wilson_, t = found.accuracy, found.accuracy_t
    test = member.summary("test").accuracy if member.opened else None
    return [
        study.names[place],
        *(_value(member.knobs.get(knob)) for knob in knobs),
        "ReLU" if member.knobs["model.name"] == "basic_cnn" else "the network's own",
        _weights(member),
        number(found.loss.estimate),
        percent(found.macro_f1.estimate),
        percent(wilson_.estimate),
        _span(wilson_.low, wilson_.high),
        DASH if found.t_interval_omitted else _span(t.low, t.high),
        f"{found.images}",
        f"{wilson_.scores}",
        DASH if test is None else f"{percent(test.estimate)} ({_span(test.low, test.high)})",
        DASH if test is None else f"{member.summary('test').images}",
        f"{factors.updates(member):,}",
        member.result.facts["split_hash"][:8],
    ]


def _weights(member: RunData) -> str:
    """none, imagenet, or the beginning of the file's name."""
    source = member.result.facts["weights"].split(":")[0]
    return Path(source).stem if "/" in source else source


def _value(value: Any) -> str:
    if value is None:
        return DASH
    return f"{value:g}" if isinstance(value, float) else str(value)


def _span(low: float | None, high: float | None) -> str:
    return DASH if low is None or high is None else span(low, high)


def pairs_table(study: Comparison) -> PlainTable:
    """A row a pair: difference, interval, p, verdict, test, n, J."""
    metric = study.question.metric
    bootstrapped = any(pair.bootstrap is not None for pair in study.pairs)
    header = [
        "a", "b", "a minus b", f"{100 * study.level:g} % interval",
        *(["paired bootstrap"] if bootstrapped else []),
        "p", "p (Holm)", "verdict", "test", "about", "n", "J", "note",
    ]  # fmt: skip
    rows = []
    for pair in study.pairs:
        names = [study.names[pair.a], study.names[pair.b]]
        test = pair.test
        if test is None:
            empty = [DASH] * (5 if bootstrapped else 4)
            rows.append([*names, *empty, pair.verdict, *[DASH] * 4, pair.note])
            continue
        interval = test.interval.shown
        rows.append(
            [
                *names,
                conclusions.points(test.difference, metric),
                conclusions.limits(interval, metric),
                *([_bootstrap(pair, metric)] if bootstrapped else []),
                _p(test.p),
                _p(pair.p_holm),
                pair.verdict,
                TEST_NAMES.get(test.method, test.method),
                interval.target,
                DASH if interval.n is None else f"{interval.n:g}",
                f"{interval.scores}",
                pair.note,
            ]
        )
    return PlainTable(header, rows, notes=[_family(study), *_gate(study)])


def _bootstrap(pair: Pair, metric: str) -> str:
    return DASH if pair.bootstrap is None else conclusions.limits(pair.bootstrap, metric)


def _gate(study: Comparison) -> list[str]:
    """Cochran's Q in a sentence, where it was made."""
    gate = study.gate
    if gate is None or gate.p is None:
        return []
    differ = gate.p < study.question.alpha
    said = "some of them differ" if differ else "that any of them differ is not shown"
    return [
        f"Cochran's Q over {gate.models} runs on {gate.n} images: Q = {gate.statistic:.2f} with "
        f"{gate.df} degrees of freedom, p {_p(gate.p) if gate.p < 1e-4 else f'= {_p(gate.p)}'}: "
        f"{said}. No pair's p is taken below it."
    ]


def _p(p: float | None) -> str:
    if p is None:
        return DASH
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _family(study: Comparison) -> str:
    kind = "all pairs" if study.question.baseline is None else "all against the baseline"
    metric = METRICS[study.question.metric]
    rope = study.question.rope * metric.scale
    failed = f", {study.lost} of them with runs that failed or are not shown" if study.lost else ""
    narrower = f"{100 * (1 - 2 * study.question.alpha):g} % interval"
    return (
        f"{metric.words[0].upper()}{metric.words[1:]} on the {study.part} images; Holm over "
        f"{study.family} comparisons ({kind}{failed}), alpha = {study.question.alpha:g}; "
        f"equivalent: the {narrower} lies within ±{rope:g} {metric.unit}."
    )


def _forests(study: Comparison, order: Sequence[int]) -> list[Forest]:
    found = []
    if any(member.opened for member in study.runs):
        title = f"Test accuracy, {100 * study.level:g} % Wilson intervals"
        found.append(Forest(title, _forest_rows(study, order, "test"), True, *_lines(study)))
    title = f"Validation accuracy, {100 * study.level:g} % Wilson intervals"
    found.append(Forest(title, _forest_rows(study, order, "validation"), True, *_lines(study)))
    return found


def _forest_rows(study: Comparison, order: Sequence[int], part: str) -> list[ForestRow]:
    rows = []
    for place in order:
        member, best = study.runs[place], place == study.winner and len(order) > 1
        if part == "test" and not member.opened:
            continue
        interval = member.summary(part).accuracy
        chosen = best and part == "validation"
        note = "chosen on these images" if chosen else ""
        rows.append(
            ForestRow(
                study.names[place],
                interval.estimate,
                interval.low,
                interval.high,
                note,
                muted=chosen,
                winner=best,
            )
        )
        if chosen and study.optimism is not None and study.optimism.optimism is not None:
            corrected = study.optimism.interval
            rows.append(
                ForestRow(
                    f"{study.names[place]}, corrected",
                    corrected.estimate,
                    corrected.low,
                    corrected.high,
                    "BBC-CV: corrected for its choice; conservative",
                )
            )
    return rows


def _lines(study: Comparison) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    labels = study.runs[0].frame("validation").drop_duplicates("image_id")["label"]
    lines = {"commonest class": float(labels.value_counts(normalize=True).max())}
    bands: dict[str, tuple[float, float]] = {}
    if study.question.target is not None:
        lines["target"] = study.question.target
    if study.question.human is not None:
        accuracy, images = study.question.human
        if images is None:
            lines["human (assumed)"] = accuracy
        else:
            interval = wilson(accuracy * images, images, study.level, fractional=True)
            assert interval.low is not None and interval.high is not None
            bands[f"human, {images} images"] = (interval.low, interval.high)
    return lines, bands


def _curve(study: Comparison, place: int) -> Curve:
    history = study.runs[place].history
    watched = history[history["part"] == "validation"].sort_values("epoch")
    lines = [own["accuracy"].tolist() for _, own in watched.groupby(["repeat", "fold"])]
    return Curve(study.names[place], lines, place == study.winner and len(study.runs) > 1)


def _matrix(study: Comparison, order: Sequence[int]) -> VerdictMatrix:
    at = {place: row for row, place in enumerate(order)}
    cells: dict[tuple[int, int], Cell] = {}
    for pair in study.pairs:
        cells[at[pair.a], at[pair.b]] = _cell(pair, 1)
        cells[at[pair.b], at[pair.a]] = _cell(pair, -1)
    names = [study.names[place] for place in order]
    return VerdictMatrix(names, cells, _family(study), METRICS[study.question.metric].share)


def _cell(pair: Pair, sign: int) -> Cell:
    verdict = pair.verdict if sign == 1 else OPPOSITE[pair.verdict]
    if pair.test is None or pair.test.difference is None:
        return Cell(verdict, None, None, None, None, pair.note)
    interval = pair.test.interval.shown
    low, high = interval.low, interval.high
    if sign == -1:
        low, high = (None if x is None else -x for x in (high, low))
    return Cell(verdict, sign * pair.test.difference, low, high, pair.p_holm, pair.note)


def _effects(study: Comparison) -> list[Forest]:
    rope = study.question.rope
    by_factor: dict[factors.Factor, list[ForestRow]] = {}
    for effect in study.effects:
        interval = effect.interval.shown
        note = f"mean over {effect.pairs} pairs of runs" if effect.pairs > 1 else "one pair of runs"
        row = ForestRow(effect.name, interval.estimate, interval.low, interval.high, note)
        by_factor.setdefault(effect.factor, []).append(row)
    return [
        Forest(
            f"Effect of {', '.join(factor.knobs[:3])}{' …' if len(factor.knobs) > 3 else ''} on "
            f"{study.part} {METRICS[study.question.metric].words}",
            rows,
            METRICS[study.question.metric].share,
            {"no effect": 0.0},
            {"practically equal": (-rope, rope)},
        )
        for factor, rows in by_factor.items()
    ]


def _confusion(study: Comparison, place: int) -> Confusion:
    member: RunData = study.runs[place]
    found = member.summary("test" if member.opened else "validation")
    return Confusion(study.names[place], found.confusion.tolist(), found.classes, found.part)


def _methods(study: Comparison) -> list[str]:
    told = dict.fromkeys(
        f"Interval of a run: {METHODS[interval.method]}, {interval.scores} trainings, of "
        f"{interval.target}."
        for member in study.runs
        for interval in (member.summary("validation").accuracy,)
    )
    tests = dict.fromkeys(
        f"Pairs: {TEST_NAMES.get(pair.test.method, pair.test.method)}, J = "
        f"{pair.test.interval.scores}, about {pair.test.interval.target}."
        for pair in study.pairs
        if pair.test is not None
    )
    more = [
        _family(study),
        *_gate(study),
        "Equivalence is judged pair by pair, without a correction for their number.",
        "Photos are called wrong in a run if at most half of its models are right.",
        "Everything is computed from the stored predictions of each image, without training again.",
    ]
    return [*told, *tests, *(more if len(study.runs) > 1 else more[-1:])]

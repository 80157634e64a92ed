"""Builds the content of a report from a comparison."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.comparison.audit import audit
from fashion_exp.comparison.conclusions import conclusions
from fashion_exp.comparison.factors import Factor, missing_grid_commands
from fashion_exp.comparison.misclassified import Draw, photo_groups
from fashion_exp.comparison.pairs import OPPOSITE, TEST_NAMES, Pair, Verdict
from fashion_exp.comparison.plans import plans
from fashion_exp.comparison.report_tables import (
    multiplicity_notes,
    pairs_table,
    runs_table,
)
from fashion_exp.comparison.slice_tables import slice_report_tables
from fashion_exp.comparison.uncertainty import training_failures, uncertainty_table
from fashion_exp.evaluation.predictions import chance_accuracy, has_several_classes
from fashion_exp.evaluation.results import METHODS, class_table
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import outputs_of, run_commands
from fashion_exp.reporting.formats import pluralize
from fashion_exp.reporting.report_content import (
    Confusion,
    Curve,
    ForestPlot,
    ForestRow,
    Report,
    VerdictCell,
    VerdictMatrix,
)
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.interval import RECIPES
from fashion_exp.stats.proportions import wilson

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.comparison.slices import SliceAnalysis
    from fashion_exp.stats.interval import Interval


def build_report(
    comparison: Comparison, command: str, cache: Path, slices: SliceAnalysis | None = None,
    draw: Draw | None = None,
) -> Report:  # fmt: skip
    """All that the page, the tables and the figures show. `command` makes this report again, and
    `draw` the pictures of misclassified photos."""
    runs, ranking = comparison.runs, comparison.ranking
    is_several = len(runs) > 1
    return Report(
        title=_title(comparison),
        created=time.strftime("%Y-%m-%d %H:%M"),
        answer=[*conclusions(comparison), *training_failures(comparison)],
        audit=audit(runs, comparison.names),
        runs=runs_table(comparison),
        accuracy=_accuracy_forests(comparison),
        accuracy_name=comparison.accuracy_name,
        curves=[_curve(comparison, index) for index in ranking],
        verdicts=verdict_matrix(comparison),
        pairs=pairs_table(comparison) if is_several else None,
        effects=_effect_forests(comparison),
        confounds=comparison.confounds,
        missing_cells=missing_grid_commands(runs, comparison.factors),
        plan=plans(comparison),
        uncertainty=uncertainty_table(comparison),
        classes=_classes(comparison),
        confusions=[
            _confusion(comparison, index)
            for index in ranking
            if not has_several_classes(comparison.runs[index].predictions("validation"))
        ],
        photos=photo_groups(runs, comparison.winner, comparison.own_part, cache, draw),
        reproduce=[command, *(run.command for run in runs)],
        methods=_methods(comparison),
        best_run=_best_run_commands(comparison),
        slices=[] if slices is None else slice_report_tables(slices),
    )


def _classes(comparison: Comparison) -> PlainTable:
    run, name = comparison.runs[comparison.winner], comparison.names[comparison.winner]
    part = "test" if run.is_test_evaluated else "validation"
    return replace(class_table(run.summary(part)), title=f"Classes of {name}, {part}")


def _best_run_commands(comparison: Comparison) -> list[str]:
    """The folder of the best run, and the commands that train it again, report it and open it."""
    best = comparison.runs[comparison.winner]
    folder = best.result.output.absolute()
    outputs = outputs_of(folder)
    action = "import" if RunDir(folder).is_imported else "train"
    commands = {f"to {action} it again": best.command}
    commands |= run_commands(folder, outputs) if outputs else {}
    uses = [f"{command}  # {purpose}" for purpose, command in commands.items()]
    return [f"# files: {folder}", *uses]


def _title(comparison: Comparison) -> str:
    if len(comparison.runs) == 1:
        return comparison.names[0]
    models = dict.fromkeys(str(run.options["model.name"]) for run in comparison.runs)
    return f"{len(comparison.runs)} runs of {', '.join(models)}"


def _accuracy_forests(comparison: Comparison) -> list[ForestPlot]:
    is_test_evaluated = any(run.is_test_evaluated for run in comparison.runs)
    parts = ["test", "validation"] if is_test_evaluated else ["validation"]
    parts = sorted({name for run in comparison.runs for name in run.evaluations}) + parts
    level = f"{100 * comparison.settings.level:g} %"
    lines, bands = _references(comparison)
    return [
        ForestPlot(
            f"{part[0].upper()}{part[1:]} {comparison.accuracy_name}, {level} Wilson intervals",
            _accuracy_rows(comparison, part),
            True,
            lines,
            bands,
        )
        for part in parts
    ]


def _accuracy_rows(comparison: Comparison, part: str) -> list[ForestRow]:
    rows = []
    for index in comparison.ranking:
        run, name = comparison.runs[index], comparison.names[index]
        judged = ["validation", *(["test"] if run.is_test_evaluated else []), *run.evaluations]
        if part not in judged:
            continue
        is_winner = index == comparison.winner and len(comparison.runs) > 1
        is_selected = is_winner and part == "validation"
        note = "selected on these images" if is_selected else ""
        if index not in comparison.candidates:
            note = "smaller training share: not ranked"
        interval = run.summary(part).accuracy
        rows.append(_forest_row(name, interval, note, muted=is_selected, winner=is_winner))
        selection = comparison.selection
        if is_selected and selection is not None and selection.optimism is not None:
            note = f"allowing for being picked as the best of {selection.candidates}; conservative"
            rows.append(_forest_row(f"{name}, BBC-CV", selection.interval, note))
    return rows


def _forest_row(
    name: str, interval: Interval, note: str, muted: bool = False, winner: bool = False
) -> ForestRow:
    return ForestRow(
        name, interval.estimate, interval.low, interval.high, note, muted=muted, winner=winner
    )


def _references(comparison: Comparison) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Lines and bands of a plot of accuracies."""
    settings = comparison.settings
    is_several = comparison.accuracy_name != "accuracy"
    most_frequent = "most frequent set of classes" if is_several else "most frequent class"
    lines = {most_frequent: chance_accuracy(comparison.runs[0].predictions("validation"))}
    if settings.target is not None:
        lines["target"] = settings.target
    if settings.human is None:
        return lines, {}
    accuracy, images = settings.human
    if images is None:
        return lines | {"human (assumed)": accuracy}, {}
    interval = wilson(accuracy * images, images, settings.level, fractional=True)
    assert interval.low is not None and interval.high is not None
    return lines, {f"human, {images} images": (interval.low, interval.high)}


def _curve(comparison: Comparison, index: int) -> Curve:
    history = comparison.runs[index].history
    validation = history[history["part"] == "validation"].sort_values("epoch")
    lines = [rows["accuracy"].tolist() for _, rows in validation.groupby(["repeat", "fold"])]
    is_winner = index == comparison.winner and len(comparison.runs) > 1
    return Curve(comparison.names[index], lines, is_winner)


def verdict_matrix(comparison: PairwiseComparison) -> VerdictMatrix | None:
    """None unless every pair was compared; the table of pairs has the others."""
    shown = [*dict.fromkeys(index for pair in comparison.pairs for index in (pair.a, pair.b))]
    if not shown or len(comparison.pairs) < math.comb(len(shown), 2):
        return None
    shown.sort(key=comparison.ranking.index)
    position = {index: row for row, index in enumerate(shown)}
    cells: dict[tuple[int, int], VerdictCell] = {}
    for pair in comparison.pairs:
        a, b = position[pair.a], position[pair.b]
        cells[a, b], cells[b, a] = _cells(pair)
    names = [comparison.names[index] for index in shown]
    caption = " ".join(multiplicity_notes(comparison)[:2])
    return VerdictMatrix(names, cells, caption, comparison.settings.described.is_share)


def _cells(pair: Pair) -> tuple[VerdictCell, VerdictCell]:
    """Of a minus b, and of b minus a."""
    opposite = OPPOSITE[pair.verdict]
    if pair.test is None or pair.test.difference is None:
        nothing = (None, None, None, None, pair.note)
        return VerdictCell(pair.verdict, *nothing), VerdictCell(opposite, *nothing)
    assert pair.simultaneous is not None
    return (
        _cell(pair.verdict, pair.simultaneous, pair, pair.these_verdict),
        _cell(
            opposite,
            pair.simultaneous.negated,
            pair,
            pair.these_verdict and OPPOSITE[pair.these_verdict],
        ),
    )


def _cell(
    verdict: Verdict, difference: Interval, pair: Pair, conditional: Verdict | None
) -> VerdictCell:
    low, high = difference.low, difference.high
    less = "by less than matters" * pair.is_negligible
    note = "; ".join(
        filter(None, [less, conditional and f"these trainings {conditional}", pair.note])
    )
    return VerdictCell(verdict, difference.estimate, low, high, pair.p_holm, note)


def _effect_forests(comparison: Comparison) -> list[ForestPlot]:
    metric, rope = comparison.settings.described, comparison.settings.rope
    level = f"{100 * comparison.settings.level:g} %"
    rows_by_factor: dict[Factor, list[ForestRow]] = {}
    for effect in comparison.effects:
        note = f"mean over {effect.pairs} pairs of runs" if effect.pairs > 1 else "one pair of runs"
        interval = effect.interval.or_fallback
        note += "" if interval.target in RECIPES else ", of these trainings"
        row = _forest_row(effect.name, interval, note)
        rows_by_factor.setdefault(effect.factor, []).append(row)
    return [
        ForestPlot(
            f"Effect of {', '.join(factor.options[:3])}{' …' if len(factor.options) > 3 else ''} "
            f"on {comparison.part} {metric.label}, {level} interval of each effect alone",
            rows,
            metric.is_share,
            {"no effect": 0.0},
            {"practically equal": (-rope, rope)},
        )
        for factor, rows in rows_by_factor.items()
    ]


def _confusion(comparison: Comparison, index: int) -> Confusion:
    run = comparison.runs[index]
    summary = run.summary("test" if run.is_test_evaluated else "validation")
    return Confusion(
        comparison.names[index],
        summary.confusion,
        summary.classes,
        summary.part,
        summary.counts,
    )


def _methods(comparison: Comparison) -> list[str]:
    intervals = [run.summary("validation").accuracy for run in comparison.runs]
    notes = [
        f"Interval of a run: {METHODS[interval.method]}, {pluralize(interval.scores, 'training')}, "
        f"for {interval.claim}."
        for interval in intervals
    ]
    if len(comparison.runs) > 1:
        notes += pair_methods(comparison)
    notes.append(
        "A photo counts as wrong in a run if the prediction by the mean probability over its "
        "trainings is wrong. A prediction is one training's answer on one photo."
    )
    notes.append(
        "All numbers are computed from the stored predictions of each image, without training."
    )
    return list(dict.fromkeys(notes))


def pair_methods(comparison: PairwiseComparison) -> list[str]:
    """The test of each design of the pairs, and how the number of comparisons is allowed for."""
    tests = [pair.test for pair in comparison.pairs if pair.test is not None]
    notes = [
        f"Pairs: {TEST_NAMES.get(test.method, test.method)}, "
        f"{pluralize(test.interval.scores, 'pair')} of trainings, for {test.interval.claim}."
        for test in tests
    ]
    notes += [
        *multiplicity_notes(comparison),
        "Equivalence is decided for each pair, without a correction for the number of pairs.",
    ]
    return list(dict.fromkeys(notes))

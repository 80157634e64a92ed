"""The steps of a recipe as a table, as a page with a figure, and in the tracking store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.run_data import load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.paths import with_outputs_option
from fashion_exp.recipes.result import RESULT_FILE, RecipeResult, RecipeStep
from fashion_exp.reporting.formats import (
    DASH,
    difference_range,
    difference_text,
    duration,
    percent,
    with_limits,
)
from fashion_exp.reporting.page import write_report
from fashion_exp.reporting.report_content import ForestPlot, ForestRow
from fashion_exp.reporting.tables import PlainTable, markdown_table
from fashion_exp.sweeps.session import SweepContext
from fashion_exp.sweeps.state import REPORT_FOLDER


def recipe_table(result: RecipeResult) -> PlainTable:
    """One row per step: accuracy, gain, verdict and cost."""
    header = ["step", "validation (95 %)", "gain", "verdict", "time", "parameters", "trained", ""]
    header[1] = f"validation ({100 * (1 - result.alpha):g} %)"
    rows = [[step.title, *_cells(step), step.outcome] for step in result.steps]
    return PlainTable(header, rows, "", list(_notes(result)))


def _cells(step: RecipeStep) -> list[str]:
    if step.accuracy is None:
        return [DASH] * 6
    gain = DASH if step.gain is None else difference_text(step.gain)
    if step.gain_low is not None and step.gain_high is not None:
        gain += f" ({difference_range(step.gain_low, step.gain_high)})"
    return [
        with_limits(step.accuracy, step.low, step.high), gain, step.verdict or DASH,
        DASH if step.seconds is None else duration(step.seconds),
        f"{step.parameters:,}", f"{step.trainable:,}",
    ]  # fmt: skip


def _notes(result: RecipeResult) -> Iterator[str]:
    tested = sum(step.gain is not None for step in result.steps)
    if tested:
        yield (
            "Gain: against the last step that was kept, on the validation photos, with the "
            "interval for all steps of the recipe jointly. A step is kept if it is better by the "
            f"paired test and by what matters (±{100 * result.rope:g} points). It is equivalent if "
            "its interval is within that, and else undecided or worse."
        )
    yield "Time: of the whole run when it was first run; features that were stored then are reused."
    for step in result.steps:
        if step.outcome in ("skipped", "failed"):
            yield f"{step.title}: {step.outcome}: {step.reason}."
        elif step.verdict == "undecided":
            yield f"{step.title}: {step.reason}."
    if result.stopped:
        yield f"{result.stopped[0].upper()}{result.stopped[1:]}."
    if result.test is not None and result.chosen is not None:
        test = result.test
        accuracy = with_limits(test["test_acc"], test["test_lo"], test["test_hi"])
        yield (
            f"Test accuracy of the chosen step ({result.chosen.title}): {accuracy}. Runs that were "
            f"evaluated on these photos: {test['evaluations']}."
        )


def record_recipe(result: RecipeResult, sweep: SweepContext) -> None:
    """Writes the page, and records it, the table and the scores with the parent run."""
    table = recipe_table(result)
    notes = "\n".join(f"- {note}" for note in table.notes)
    tracker, parent = sweep.tracker, sweep.parent
    tracker.set_description(parent, f"{markdown_table(replace(table, notes=[]))}\n{notes}")
    failed = sum(step.outcome == "failed" for step in result.steps)
    scores: dict[str, float | None] = {"s_jobs": len(result.steps), "s_failed": failed}
    if (chosen := result.chosen) is not None and result.test is not None:
        scores |= {"s_val_acc": chosen.accuracy, "s_val_lo": chosen.low, "s_val_hi": chosen.high}
        scores["s_test_acc"] = result.test["test_acc"]
    tracker.log(parent, scores)
    tracker.log_artifact(parent, sweep.folder / RESULT_FILE, REPORT_FOLDER)
    if page := write_page(result, sweep):
        tracker.log_artifact(parent, page.parent, REPORT_FOLDER)


def write_page(result: RecipeResult, sweep: SweepContext) -> Path | None:
    """The report of the runs, with the gains of the steps as a figure; None without a run."""
    ran = [step for step in result.steps if step.accuracy is not None]
    if not ran:
        return None
    runs = [load_run(sweep.folder / step.folder) for step in ran]
    named = [
        replace(run, result=replace(run.result, name=step.title))
        for run, step in zip(runs, ran, strict=True)
    ]
    baseline = 0 if len(named) > 1 else None
    settings = ComparisonSettings(alpha=result.alpha, rope=result.rope, baseline=baseline)
    comparison = Comparison(named, settings)
    command = with_outputs_option(f"scripts/run report {sweep.folder.name}", sweep.outputs)
    report = build_report(comparison, command, sweep.outputs / "cache")
    table = recipe_table(result)
    answer = [_answer(result), *table.notes]
    report = replace(
        report, title="The steps of a recipe", answer=answer, runs=table,
        effects=[_gains(result)] if len(ran) > 1 else [],
    )  # fmt: skip
    return write_report(report, sweep.folder / REPORT_FOLDER)


def _answer(result: RecipeResult) -> str:
    chosen = result.chosen
    if chosen is None:
        return "No step was kept."
    accuracy = percent(chosen.accuracy)
    return f"Chosen: {chosen.title}, with a validation accuracy of {accuracy}."


def _gains(result: RecipeResult) -> ForestPlot:
    rows = [
        ForestRow(
            f"{step.title} against {step.against}", step.gain, step.gain_low, step.gain_high,
            note=step.reason, muted=step.outcome != "kept", winner=step == result.chosen,
        )
        for step in result.steps
        if step.gain is not None
    ]  # fmt: skip
    bands = {f"±{100 * result.rope:g} points": (-result.rope, result.rope)} if result.rope else {}
    return ForestPlot(
        f"Gain of each step, validation, {100 * (1 - result.alpha):g} % for all jointly", rows,
        bands=bands,
    )  # fmt: skip

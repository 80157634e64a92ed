"""Summarizes a sweep: leaderboard, test accuracy of the winner, report page, failures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.atomic_io import write_text
from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import OPPOSITE
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.run_data import load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.comparison.training_share import candidates_note, competes, largest_share
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.data.sources.load import load_images_cached
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import RunResult, draw_figures, evaluate_test, load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.tracked_runs import end_on_error
from fashion_exp.paths import run_commands, with_outputs_option
from fashion_exp.reporting import tables
from fashion_exp.reporting.page import write_report
from fashion_exp.sweeps.recording import record_lost, report_failure
from fashion_exp.sweeps.state import LEADERBOARD_FILE, REPORT_FOLDER

if TYPE_CHECKING:
    from fashion_exp.sweeps.jobs import SweepJob
    from fashion_exp.sweeps.session import SweepContext

log = logging.getLogger(__name__)

WINNER_COMMAND = "to train the winner again"
METRIC_COLUMNS = ["val_acc", "val_lo", "val_hi", "test_acc"]
FILE_COLUMNS = [*METRIC_COLUMNS, "folder", "command"]
"""Columns of the leaderboard that only its file has: numbers for programs, and what is too wide."""
MAX_ROWS_SHOWN = 40
"""Rows of the leaderboard on the terminal and in the tracked note."""

ACCURACY = METRICS["accuracy"]

STATUSES = {"finished": "FINISHED", "failed": "FAILED", "pruned": "PRUNED"}


@dataclass(frozen=True)
class SweepSummary:
    board: tables.PlainTable
    """Best validation accuracy first."""
    winner: SweepJob | None
    """None if no job finished."""
    page: Path | None
    """The report."""
    sweep: SweepContext
    """With the tracker and the parent run that are in force at the end."""

    @property
    def shown(self) -> tables.PlainTable:
        """The leaderboard without the columns that only its file has."""
        return without_file_columns(self.board)


def summarize_sweep(
    sweep: SweepContext, jobs: Sequence[SweepJob], evaluate_all: bool
) -> SweepSummary:
    """Writes the leaderboard and the report, and records both with the parent run.

    The winner is the best by validation of those with the largest training share. Evaluates the
    test set for the winner, or for all jobs. Compares all finished jobs: the effects of options
    and the correction for the selection would be biased by a choice of the best ones. The others
    count in the correction for multiple comparisons. What the tracking store has lost is recorded
    again. Ends the parent run.
    """
    sweep = record_lost(sweep, jobs)
    with end_on_error(sweep.tracker):
        summary = _summarize(sweep, jobs, evaluate_all)
        sweep.tracker.end(sweep.parent, "FINISHED")
    report_failure(sweep)
    return summary


def _summarize(sweep: SweepContext, jobs: Sequence[SweepJob], evaluate_all: bool) -> SweepSummary:
    finished = [job for job in jobs if job.state == "finished"]
    options = [_options(job) for job in finished]
    largest = largest_share(options)
    candidates = {job.hash for job in jobs if competes(_options(job), largest)}
    results = sorted(
        (load_result(job.folder) for job in finished),
        key=lambda result: (result.output.name in candidates, _accuracy(result)),
        reverse=True,
    )
    for result in results if evaluate_all else results[:1]:
        evaluate_test(result, sweep.outputs, sweep.tracker)
    compared = [load_run(result.output) for result in results]
    others = len(jobs) - len(compared)
    comparison = Comparison(compared, ComparisonSettings(), others) if compared else None
    comparison = comparison and comparison.counted_in(sweep.outputs)
    differences = _differences_to_winner(comparison) if comparison else {}
    rows = [
        _leaderboard_row(job, sweep, differences.get(job.hash, ""))
        | {"is_candidate": job.hash in candidates}
        for job in jobs
    ]
    comparisons = comparison.family_size if comparison else 0
    board = tables.leaderboard(
        rows, evaluate_all, comparisons, candidates_note(options),
        comparison.accuracy_name if comparison else "accuracy",
    )  # fmt: skip
    board = _with_file_columns(board, rows, jobs)
    winner = next((job for job in jobs if results and job.folder == results[0].output), None)
    if winner is not None:
        _draw_winner(results[0], winner, sweep)
    page = _write_page(comparison, sweep) if comparison else None
    _record_summary(sweep, board, winner, jobs=len(jobs), failed=len(unfinished_jobs(jobs)))
    return SweepSummary(board, winner, page, sweep)


def winner_lines(winner: SweepJob, outputs: Path) -> dict[str, str]:
    """Where the winner's files are, and the commands that use them."""
    return {
        "winner": f"{winner.folder} ({winner.name})",
        WINNER_COMMAND: winner.command,
        **run_commands(winner.folder, outputs),
    }


def without_file_columns(board: tables.PlainTable) -> tables.PlainTable:
    names = [name for name in board.header if name not in FILE_COLUMNS]
    return tables.select_columns(board, names)


def unfinished_jobs(jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """Jobs that failed or were not run. Pruned jobs have ended as planned."""
    return [job for job in jobs if job.state not in ("finished", "pruned")]


def failure_table(jobs: Sequence[SweepJob]) -> tables.PlainTable:
    """The unfinished jobs with their reasons."""
    rows = [
        [job.name, RunDir(job.folder).failure if job.state == "failed" else "did not finish"]
        for job in unfinished_jobs(jobs)
    ]
    return tables.PlainTable(["failed", "reason"], rows)


def _accuracy(result: RunResult) -> float:
    return result.summary("validation").accuracy.estimate or 0.0


def _with_file_columns(
    board: tables.PlainTable, rows: Sequence[dict[str, Any]], jobs: Sequence[SweepJob]
) -> tables.PlainTable:
    """The leaderboard with the metrics, the folder and the command of each job."""
    added = [
        [*(f"{row[name]:.6f}" if name in row else "" for name in METRIC_COLUMNS), str(job.folder),
         job.command]
        for row, job in zip(rows, jobs, strict=True)
    ]  # fmt: skip
    order = tables.ranked_order(rows)
    extended = [[*row, *added[index]] for row, index in zip(board.rows, order, strict=True)]
    return replace(board, header=[*board.header, *FILE_COLUMNS], rows=extended)


def _differences_to_winner(comparison: Comparison) -> dict[str, str]:
    """By job hash: the verdict, and its accuracy minus that of the winner in percentage points."""
    texts: dict[str, str] = {}
    for pair in comparison.pairs:
        if pair.a != comparison.winner:  # the winner is first in all of its pairs
            continue
        text = f"{OPPOSITE[pair.verdict]}{', by less than matters' * pair.is_negligible}"
        if pair.simultaneous is not None and pair.simultaneous.estimate is not None:
            difference = pair.simultaneous.negated
            text += f": {ACCURACY.format_difference(difference.estimate, unit=False)}"
            if difference.low is not None:
                text += f" ({ACCURACY.format_limits(difference)})"
        texts[comparison.runs[pair.b].result.output.name] = text
    return texts


def _options(job: SweepJob) -> dict[str, Any]:
    return dict(flatten_options(to_plain(job.cfg)))


def _leaderboard_row(job: SweepJob, sweep: SweepContext, difference: str) -> dict[str, Any]:
    options = _options(job)
    diverged = RunDir(job.folder).has_diverged
    row: dict[str, Any] = {
        "options": {name: options[name] for name in sweep.swept},
        "status": "DIVERGED" if diverged else STATUSES.get(job.state, "UNFINISHED"),
    }
    if job.state != "finished":
        return row
    result = load_result(job.folder)
    row |= result.summary("validation").metrics()
    if result.test_evaluations:
        row |= result.summary("test").metrics()
    return row | {"seconds": result.seconds, "against": difference}


def _draw_winner(result: RunResult, job: SweepJob, sweep: SweepContext) -> None:
    """Draws the figures of the winner; `report` draws those of other jobs on demand."""
    try:
        cfg = job.cfg
        images = load_images_cached(cfg.dataset, sweep.outputs / "cache", cfg.training.targets)
        draw_figures(result, images, sweep.tracker)
    except InputError as error:  # the data set has changed since
        log.warning("no figures of the winner: %s", error)


def _write_page(comparison: Comparison, sweep: SweepContext) -> Path:
    command = with_outputs_option(f"scripts/run report {sweep.folder.name}", sweep.outputs)
    data = build_report(comparison, command, sweep.outputs / "cache")
    page = write_report(data, sweep.folder / REPORT_FOLDER)
    sweep.tracker.log_artifact(sweep.parent, page.parent, REPORT_FOLDER)
    return page


def _record_summary(
    sweep: SweepContext, board: tables.PlainTable, winner: SweepJob | None, jobs: int, failed: int
) -> None:
    file = sweep.folder / LEADERBOARD_FILE
    shown = without_file_columns(board)
    note = tables.markdown_table(tables.first_rows(shown, MAX_ROWS_SHOWN, file))
    scores: dict[str, float | None] = {}
    if winner is not None:
        # The winner comes first, because the store cuts off the end of long notes.
        lines = winner_lines(winner, sweep.outputs).items()
        note = "\n".join([*(f"- {purpose}: `{text}`" for purpose, text in lines), "", note])
        result = load_result(winner.folder)
        metrics = result.summary("validation").metrics() | result.summary("test").metrics()
        names = ("val_acc", "val_lo", "val_hi", "test_acc")
        scores = {f"s_{name}": metrics[name] for name in names}
    sweep.tracker.set_description(sweep.parent, note)
    sweep.tracker.log(sweep.parent, {**scores, "s_jobs": jobs, "s_failed": failed})
    write_text(file, tables.csv_table(board))
    sweep.tracker.log_artifact(sweep.parent, file, REPORT_FOLDER)

"""What a sweep ends with: the leaderboard, the winner's test, the page, what failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import write_text
from fashion_exp.comparison.comparison import Comparison, Question
from fashion_exp.comparison.pairs import OPPOSITE
from fashion_exp.comparison.report_data import report
from fashion_exp.comparison.run_data import load_run
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.data.sources.load import load_images_once
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import RunResult, draw_figures, evaluate_test, load_result
from fashion_exp.paths import with_outputs_option
from fashion_exp.reporting import tables
from fashion_exp.reporting.page import write_report
from fashion_exp.sweeps.job_state import failure
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.state import BOARD
from fashion_exp.tracking import Tracker

log = logging.getLogger(__name__)

AGAIN = "to train the winner again"
MOST_ROWS = 40
"""Of more jobs, the best are shown to people."""
MOST_COMPARED = 40
"""Of more jobs the pairs are too many to read, and in time to compute."""


@dataclass(frozen=True)
class Sweep:
    """A multirun: its folder, its tracked parent, and the knobs that its jobs differ in."""

    folder: Path
    parent: str
    swept: tuple[str, ...]
    outputs: Path
    tracker: Tracker
    common: tuple[str, ...]
    """The overrides that tell a job of it."""
    commit: str
    """Of the code that runs it; empty where nobody knows."""


@dataclass(frozen=True)
class Conclusion:
    """What the jobs of a sweep came to."""

    board: tables.PlainTable
    """Best by validation first."""
    winner: SweepJob | None
    """None where no job finished."""
    page: Path | None


def conclude(sweep: Sweep, jobs: Sequence[SweepJob], open_all: bool) -> Conclusion:
    """The leaderboard by validation and the report, both kept at the parent too.

    Opens the winner's test. The best `MOST_COMPARED` are compared, and the others count in the
    family.
    """
    finished = sorted(
        (load_result(job.folder) for job in jobs if job.state == "finished"),
        key=lambda result: -_accuracy(result),
    )
    for result in finished if open_all else finished[:1]:
        evaluate_test(result, sweep.outputs, sweep.tracker)
    others = len(jobs) - len(finished[:MOST_COMPARED])
    members = [load_run(result.output) for result in finished[:MOST_COMPARED]]
    study = Comparison(members, Question(), others) if members else None
    against = _against_the_best(study) if study else {}
    rows = [_row(job, sweep, against.get(job.hash, "")) for job in jobs]
    board = tables.leaderboard(rows, open_all, study.family if study else 0)
    winner = next((job for job in jobs if finished and job.folder == finished[0].output), None)
    if winner is not None:
        _draw(finished[0], winner, sweep)
    page = _page(study, sweep) if study else None
    _record(sweep, board, winner, len(jobs), len(unfinished(jobs)))
    return Conclusion(board, winner, page)


def _accuracy(result: RunResult) -> float:
    return result.summary("validation").accuracy.estimate or 0.0


def _against_the_best(study: Comparison) -> dict[str, str]:
    """Of each job by its hash: the verdict, its difference to the winner, and the interval."""
    told: dict[str, str] = {}
    for pair in study.pairs:
        if study.winner not in (pair.a, pair.b):
            continue
        turned = pair.a == study.winner
        other = study.runs[pair.b if turned else pair.a].result.output.name
        verdict: str = OPPOSITE[pair.verdict] if turned else pair.verdict
        test = pair.test
        if test is None or test.difference is None:
            told[other] = verdict
            continue
        interval = test.interval.shown
        sign = -1 if turned else 1
        told[other] = f"{verdict}: {_points(sign * test.difference)}"
        if interval.low is not None and interval.high is not None:
            low, high = sorted((sign * interval.low, sign * interval.high))
            told[other] += f" ({_points(low)} to {_points(high)})"
    return told


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"  # never "-0.0"


def _record(
    sweep: Sweep, board: tables.PlainTable, winner: SweepJob | None, jobs: int, failed: int
) -> None:
    note = tables.markdown_table(tables.head(board, MOST_ROWS, sweep.folder / BOARD))
    scores: dict[str, float | None] = {}
    if winner is not None:  # first: of a long note the store keeps the beginning
        note = f"{AGAIN}: `{winner.command}`\n\n{note}"
        result = load_result(winner.folder)
        own = result.summary("validation").metrics() | result.summary("test").metrics()
        scores = {f"s_{name}": own[name] for name in ("val_acc", "val_lo", "val_hi", "test_acc")}
    sweep.tracker.note(sweep.parent, note)
    sweep.tracker.log(sweep.parent, {**scores, "s_jobs": jobs, "s_failed": failed})
    write_text(sweep.folder / BOARD, tables.csv_table(board))
    sweep.tracker.artifact(sweep.parent, sweep.folder / BOARD)


def _draw(result: RunResult, job: SweepJob, sweep: Sweep) -> None:
    """The winner's pictures; those of others are drawn by `report`, on demand."""
    try:
        draw_figures(
            result, load_images_once(job.cfg.dataset, sweep.outputs / "cache"), sweep.tracker
        )
    except InputError as error:  # the photos have moved since
        log.warning("no pictures of the winner: %s", error)


def _page(study: Comparison, sweep: Sweep) -> Path:
    command = with_outputs_option(f"scripts/run report {sweep.folder.name}", sweep.outputs)
    page = write_report(report(study, command, sweep.outputs / "cache"), sweep.folder / "report")
    sweep.tracker.artifact(sweep.parent, page.parent, page.parent.name)
    return page


def unfinished(jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """Those that came to no end of their own; a pruned one did."""
    return [job for job in jobs if job.state not in ("finished", "pruned")]


def failures(jobs: Sequence[SweepJob]) -> tables.PlainTable:
    """The jobs that are `unfinished`, and why."""
    rows = [
        [job.cell, failure(job.folder) if job.state == "failed" else "did not finish"]
        for job in unfinished(jobs)
    ]
    return tables.PlainTable(["failed", "why"], rows)


_STATUSES = {"finished": "FINISHED", "failed": "FAILED", "pruned": "PRUNED"}


def _row(job: SweepJob, sweep: Sweep, against: str) -> dict[str, Any]:
    """A row of the leaderboard."""
    chosen = dict(flatten_options(to_plain(job.cfg)))
    row: dict[str, Any] = {"knobs": {name: chosen[name] for name in sweep.swept}}
    row["status"] = _STATUSES.get(job.state, "UNFINISHED")
    if job.state != "finished":
        return row
    result = load_result(job.folder)
    row |= result.summary("validation").metrics()
    if result.test_evaluations:
        row |= result.summary("test").metrics()
    return row | {"seconds": result.seconds, "against": against}

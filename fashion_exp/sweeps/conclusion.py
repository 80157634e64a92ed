"""What a sweep ends with: the leaderboard, the winner's test, the page, what failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_exp.config import knobs, plain
from fashion_exp.data.sources import load_images_once
from fashion_exp.errors import InputError
from fashion_exp.reporting import tables
from fashion_exp.reporting.page import write_report
from fashion_exp.results import Result, draw, load_result, open_test
from fashion_exp.study.members import load_member
from fashion_exp.study.report import report
from fashion_exp.study.study import Question, Study
from fashion_exp.sweeps.jobs import SweepJob, failure
from fashion_exp.tracking import Tracker

log = logging.getLogger(__name__)

AGAIN = "to train the winner again"


@dataclass(frozen=True)
class Sweep:
    """A multirun: its folder, its tracked parent, and the knobs that its jobs differ in."""

    folder: Path
    parent: str
    swept: tuple[str, ...]
    outputs: Path
    tracker: Tracker


@dataclass(frozen=True)
class Conclusion:
    """What the jobs of a sweep came to."""

    board: tables.PlainTable
    """Best by validation first."""
    failed: int
    winner: SweepJob | None
    """None where no job finished."""


def conclude(sweep: Sweep, planned: Sequence[SweepJob], open_all: bool) -> Conclusion:
    """The leaderboard by validation, recorded at the parent; opens the winner's test."""
    jobs = [_row(job, sweep) for job in planned]
    finished = [job for job in jobs if job["status"] == "FINISHED"]
    failed = len(jobs) - len(finished)
    scores: dict[str, float] = {}
    winner: SweepJob | None = None
    if finished:
        best = max(finished, key=lambda job: job["val_acc"])
        winner = next(job for job, row in zip(planned, jobs, strict=True) if row is best)
        for job in finished if open_all else [best]:
            result: Result = job["result"]
            open_test(result, sweep.outputs, sweep.tracker)
            job |= result.evidence("test").metrics()
        _draw(best["result"], winner, sweep)
        scores = {f"s_{name}": best[name] for name in ("val_acc", "val_lo", "val_hi", "test_acc")}
    board = tables.leaderboard(jobs, open_test=open_all)
    note = tables.markdown_table(board)
    if winner is not None:
        note += f"\n\n{AGAIN}: `{winner.command}`"
    sweep.tracker.note(sweep.parent, note)
    sweep.tracker.log(sweep.parent, {**scores, "s_jobs": len(jobs), "s_failed": failed})
    return Conclusion(board, failed, winner)


def _draw(result: Result, job: SweepJob, sweep: Sweep) -> None:
    """The winner's pictures; those of others are drawn by `report`, on demand."""
    try:
        draw(result, load_images_once(job.cfg.dataset, sweep.outputs / "cache"), sweep.tracker)
    except InputError as error:  # the photos have moved since
        log.warning("no pictures of the winner: %s", error)


def write_page(sweep: Sweep, jobs: Sequence[SweepJob]) -> Path | None:
    """The report on the jobs that finished, also kept at the parent; None if there is none."""
    finished = [job.folder for job in jobs if job.state == "finished"]
    if not finished:
        return None
    members = [load_member(folder) for folder in finished]
    study = Study(members, Question(), failed=len(jobs) - len(finished))
    command = f"scripts/run report {sweep.folder.name}"
    page = write_report(report(study, command, sweep.outputs / "cache"), sweep.folder / "report")
    for file in page.parent.rglob("*"):
        if file.is_file():
            below = file.parent.relative_to(page.parent.parent)
            sweep.tracker.artifact(sweep.parent, file, below.as_posix())
    return page


def failures(jobs: Sequence[SweepJob]) -> tables.PlainTable:
    """The jobs that did not finish, and why."""
    rows = [
        [job.cell, failure(job.folder) if job.state == "failed" else "did not finish"]
        for job in jobs
        if job.state != "finished"
    ]
    return tables.PlainTable(["failed", "why"], rows)


def _row(job: SweepJob, sweep: Sweep) -> dict[str, Any]:
    """A row of the leaderboard."""
    chosen = dict(knobs(plain(job.cfg)))
    row: dict[str, Any] = {"knobs": {name: chosen[name] for name in sweep.swept}}
    if job.state != "finished":
        return row | {"status": "FAILED"}
    result = load_result(job.folder)
    scores = result.evidence("validation").metrics()
    return row | scores | {"status": "FINISHED", "seconds": result.seconds, "result": result}

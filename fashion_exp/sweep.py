"""What a multirun adds: one parent, decisions made once, one answer at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fashion_exp.compose import CommandLine, quoted
from fashion_exp.config import Config, knobs, plain
from fashion_exp.errors import InputError
from fashion_exp.experiment import ending
from fashion_exp.job import DONE, FAILURE_FILE, KNOBS_FILE, SOME_FAILED, show_places
from fashion_exp.models.weights import find_weights
from fashion_exp.places import checkout, fresh_name, outputs_folder
from fashion_exp.reporting import tables
from fashion_exp.reporting.page import write_report
from fashion_exp.results import Result, load_result, open_test
from fashion_exp.study.find import failed_beside
from fashion_exp.study.members import load_member
from fashion_exp.study.report import report
from fashion_exp.study.study import Question, Study
from fashion_exp.tracking import Tracker, open_tracker, provenance


@dataclass(frozen=True)
class Sweep:
    """A multirun: its folder, its tracked parent, and the knobs that its jobs differ in."""

    folder: Path
    parent: str
    swept: tuple[str, ...]
    outputs: Path
    tracker: Tracker


def run_sweep(line: CommandLine, open_all: bool, launch: Callable[[list[str]], object]) -> int:
    """Runs the jobs through `launch`, which takes further overrides; gives the exit code.

    The test is opened for the winner by validation only, unless `open_all`: what chose the winner
    may not judge the others, and each look at the test is counted.
    """
    cfg = line.jobs[0]
    if cfg.resume is not None:
        raise InputError("resume: acts in single runs")
    console = Console()
    outputs = outputs_folder(cfg.outputs)
    weights = decide_weights(line.jobs, console)
    tracker = open_tracker(cfg.tracking, outputs)
    folder = outputs / "sweeps" / fresh_name(cfg.model.name)
    name = f"{cfg.model.name}: {' '.join(line.swept)}"[:200]
    parent = tracker.start(name, parent=None, params={}, tags=provenance(checkout() or Path.cwd()))
    sweep = Sweep(folder, parent, swept_knobs(line.jobs), outputs, tracker)
    tracker.view(parent, sweep.swept)
    console.print(f"{len(line.jobs)} jobs, into {folder}", soft_wrap=True, highlight=False)
    with ending(tracker, parent):
        launch(
            [
                f"hydra.sweep.dir={quoted(str(folder))}",
                "hydra.sweep.subdir=${hydra.job.num}",
                f"sweep.parent={quoted(parent)}",
                f"sweep.swept=[{','.join(key.partition('=')[0] for key in line.swept)}]",
                f"sweep.open_test={str(open_all).lower()}",
                *(f"++sweep.weights.{model}={source}" for model, source in weights.items()),
            ]
        )
        board, failed = conclude(sweep, open_all)
        page = write_page(sweep)
    console.print(tables.rich_table(board))
    if page is not None:
        console.print(f"page:    {page}", soft_wrap=True, highlight=False)
    show_places(console, folder, tracker.view_address(parent))
    return SOME_FAILED if failed else DONE


def decide_weights(jobs: Sequence[Config], console: Console) -> dict[str, str]:
    """What `model.weights=auto` means for each model of the sweep: imagenet or none.

    Asked once, so that a hub that comes or goes between two jobs cannot make them differ.
    """
    models = {job.model.name for job in jobs if job.model.weights == "auto"}
    found = {model: find_weights(model, "auto") for model in sorted(models)}
    for model, weights in found.items():
        console.print(f"weights of {model}: {weights.source}", soft_wrap=True, highlight=False)
    return {model: "imagenet" if weights.path else "none" for model, weights in found.items()}


def swept_knobs(jobs: Sequence[Config]) -> tuple[str, ...]:
    """The knobs in which the jobs differ; more than were typed if a group is swept."""
    flat = [dict(knobs(plain(job))) for job in jobs]
    return tuple(name for name in flat[0] if any(other[name] != flat[0][name] for other in flat))


def conclude(sweep: Sweep, open_all: bool) -> tuple[tables.PlainTable, int]:
    """The leaderboard by validation, recorded at the parent, and how many jobs failed."""
    jobs = [_job(folder, sweep) for folder in job_folders(sweep.folder)]
    finished = [job for job in jobs if job["status"] == "FINISHED"]
    failed = len(jobs) - len(finished)
    scores: dict[str, float] = {}
    if finished:
        best = max(finished, key=lambda job: job["val_acc"])
        for job in finished if open_all else [best]:
            result: Result = job["result"]
            open_test(result, sweep.outputs, sweep.tracker, None)
            job |= result.evidence("test").metrics()
        scores = {f"s_{name}": best[name] for name in ("val_acc", "val_lo", "val_hi", "test_acc")}
    board = tables.leaderboard(jobs, open_test=open_all)
    sweep.tracker.note(sweep.parent, tables.markdown_table(board))
    sweep.tracker.log(sweep.parent, {**scores, "s_jobs": len(jobs), "s_failed": failed})
    return board, failed


def write_page(sweep: Sweep) -> Path | None:
    """The report on the jobs that finished, also kept at the parent; None if there is none."""
    finished = [folder for folder in job_folders(sweep.folder) if (folder / "result.json").exists()]
    if not finished:
        return None
    members = [load_member(folder) for folder in finished]
    study = Study(members, Question(), failed_beside(finished))
    command = f"scripts/run report {sweep.folder.name}"
    page = write_report(report(study, command, sweep.outputs / "cache"), sweep.folder / "report")
    for file in page.parent.rglob("*"):
        if file.is_file():
            below = file.parent.relative_to(page.parent.parent)
            sweep.tracker.artifact(sweep.parent, file, below.as_posix())
    return page


def job_folders(sweep: Path) -> list[Path]:
    """The folders of a sweep's jobs, by their numbers."""
    numbered = [folder for folder in sweep.iterdir() if folder.name.isdigit()]
    return sorted(numbered, key=lambda folder: int(folder.name))


def _job(folder: Path, sweep: Sweep) -> dict[str, Any]:
    """A row of the leaderboard."""
    chosen = json.loads((folder / KNOBS_FILE).read_text())
    row: dict[str, Any] = {"knobs": {name: chosen[name] for name in sweep.swept}}
    if (folder / FAILURE_FILE).exists() or not (folder / "result.json").exists():
        return row | {"status": "FAILED"}
    result = load_result(folder)
    scores = result.evidence("validation").metrics()
    return row | scores | {"status": "FINISHED", "seconds": result.seconds, "result": result}

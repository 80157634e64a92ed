"""One job, whatever comes of it: named, tracked, shown, and its failure kept."""

from __future__ import annotations

import atexit
import gc
import io
import json
import logging
import shutil
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from fashion_exp.atomic_io import DiskFullError, is_locked, write_text
from fashion_exp.configuration.schema import Config, flatten_options, to_plain
from fashion_exp.errors import InputError, Pruned
from fashion_exp.experiment.distributed import in_team, leads, run_in_processes
from fashion_exp.paths import checkout_root, outputs_dir, with_outputs_option
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.tracking.tracker import Tracker
from fashion_exp.tracking.urls import without_passwords

log = logging.getLogger(__name__)

DONE, FAILED, MISTAKE, SOME_FAILED = 0, 1, 2, 3

FAILURE_FILE = "failure.json"
PRUNED_FILE = "pruned.json"
LOCK_FILE = ".lock"
KNOBS_FILE = "knobs.json"

LOCK_PATIENCE = 5.0
"""Seconds: somebody may be looking whether the lock is held, by taking it for a moment."""

UNNAMED = (
    "model.name", "model.weights", "outputs", "resume", "tracking", "sweep", "cache", "hydra",
    "dataset.root", "training.workers",
)  # fmt: skip
"""Beginnings of keys that tell a reader nothing new, or nothing about the experiment."""


def run_job(cfg: Config, output: Path, overrides: Sequence[str], sealed: bool) -> int:
    """Runs one experiment into its folder and shows what it came to; gives the exit code.

    Whatever fails is told in one line and kept in `failure.json`; only an interruption is raised.
    The folder is this process's own for as long: of two, the second is refused.
    """
    lock = FileLock(output / LOCK_FILE, timeout=LOCK_PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        print(f"fashion_exp: {output}: another process is at work there", file=sys.stderr)
        return MISTAKE
    try:
        return _locked(cfg, output, overrides, sealed)
    finally:
        _hide_log()
        lock.release()


def is_running(output: Path) -> bool:
    """Whether a process is at work in a run's folder."""
    return is_locked(output / LOCK_FILE)


def _locked(cfg: Config, output: Path, overrides: Sequence[str], sealed: bool) -> int:
    try:
        told = json.dumps(dict(flatten_options(to_plain(cfg))))
        write_text(output / KNOBS_FILE, without_passwords(told))  # it is tracked too
        for told_before in (FAILURE_FILE, PRUNED_FILE):
            (output / told_before).unlink(missing_ok=True)
        raise_if_interrupted()
        if cfg.training.processes > 1 and not in_team():
            run_in_processes(cfg, output, job_name(cfg, overrides), sealed)
        else:
            run_here(cfg, output, job_name(cfg, overrides), sealed)
        return DONE
    except InputError as error:
        print(f"fashion_exp: {error}", file=sys.stderr)
        if not (sealed or _has_begun(output)):
            logging.shutdown()
            shutil.rmtree(output)
            return MISTAKE
        return note_failure(output, error, MISTAKE)
    except Pruned as enough:
        (epochs,) = enough.args
        print(f"pruned after {epochs} epochs: others were better by then")
        write_text(output / PRUNED_FILE, json.dumps({"epochs": epochs}))
        return DONE
    except KeyboardInterrupt:
        if not sealed:
            print(f"\nstopped; to go on: scripts/run resume={output}", file=sys.stderr)
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        kind, where = getattr(error, "kind", type(error).__name__), output / FAILURE_FILE
        print(f"fashion_exp: failed: {kind}: {reason} ({where})", file=sys.stderr)
        return note_failure(output, error, FAILED)


def job_name(cfg: Config, overrides: Sequence[str]) -> str:
    """What a person would call it: `resnet50 lr=2e-4 dropout=0.5`."""
    told = [line.lstrip("+").partition("=") for line in overrides]
    swept = cfg.sweep.swept
    short = [
        f"{key.rpartition('.')[2]}={value}"
        for key, _, value in told
        if (key in swept if swept else not key.startswith(UNNAMED)) and key != "model"
    ]
    return " ".join([cfg.model.name, *short])[:200]


def run_here(cfg: Config, output: Path, name: str, sealed: bool) -> None:
    """The experiment in this process, or this one's part in it where a team trains."""
    # Each import as late as it can be: a typo, a wrong folder need not wait for what comes after.
    from fashion_exp.data.sources.load import load_images_once

    console = Console(markup=False) if leads() else Console(file=io.StringIO())
    _show_log(console)
    outputs = outputs_dir(cfg.outputs)
    table = load_images_once(cfg.dataset, outputs / "cache")

    gc.disable()  # what imports make stays: looking for garbage among it takes most of a second
    from fashion_exp.comparison.audit import problems
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.evaluation.results import result_table
    from fashion_exp.experiment.experiment import Job, help_train, run_experiment
    from fashion_exp.reporting import tables
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tracking import open_tracker
    from fashion_exp.training.process_group import ProcessGroup, join_process_group

    if gc.get_freeze_count() == 0:  # later it would keep the garbage of the job before
        gc.freeze()
        atexit.register(gc.unfreeze)
    gc.enable()
    team = join_process_group() if in_team() else ProcessGroup()
    if not team.is_main_process:
        with Progress(console) as progress:
            help_train(cfg, table, Job(name, output, sealed, team), progress)
        return
    tracker = open_tracker(cfg.tracking, outputs, cfg.sweep.experiment)
    tags = {**_made_with(), **_seed_tags(cfg)}
    watch = None
    if cfg.sweep.trial is not None:
        from fashion_exp.experiment.pruning import open_watch

        watch = open_watch(cfg.sweep)
    with Progress(console) as progress:
        job = Job(name, output, sealed, team, tags, watch)
        result = run_experiment(cfg, table, job, tracker, progress)
    if sealed:
        return
    console.print(tables.rich_table(result_table(result, problems(load_run(output)))))
    show_places(console, output, tracker.address(result.run) or how_to_look(tracker, outputs))


class _ConsoleHandler(logging.Handler):
    """Prints through the console that draws the progress line, so that neither writes past it."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), soft_wrap=True, highlight=False, markup=False)


def _show_log(console: Console) -> None:
    ours = logging.getLogger("fashion_exp")
    ours.setLevel(logging.INFO)
    ours.addHandler(_ConsoleHandler(console))


def _hide_log() -> None:
    ours = logging.getLogger("fashion_exp")
    for handler in [h for h in ours.handlers if isinstance(h, _ConsoleHandler)]:
        ours.removeHandler(handler)


def how_to_look(tracker: Tracker, outputs: Path, sweep: str = "") -> str:
    """The line that shows what a tracker without a server has recorded."""
    if not tracker.uri:
        return "not recorded (tracking=none)"
    return with_outputs_option(f"scripts/run ui {sweep}".strip(), outputs)


def show_places(console: Console, output: Path, address: str) -> None:
    """Where the files lie, and where or how to look at the results."""
    console.print(f"files:   {output}", soft_wrap=True, highlight=False)
    console.print(f"results: {address}", soft_wrap=True, highlight=False)


@cache
def _made_with() -> dict[str, str]:
    """Of the code that this process began with, whatever is committed while a sweep runs."""
    from fashion_exp.tracking import provenance

    return provenance(checkout_root() or Path.cwd())


def _seed_tags(cfg: Config) -> dict[str, str]:
    own = {f"seed_{name}": str(value) for name, value in asdict(cfg.seeds).items()}
    return {"seed": str(cfg.seed), "seed_split": str(cfg.split.seed), **own}


def _has_begun(output: Path) -> bool:
    return (output / "unfinished").exists() or (output / "tracked.json").exists()


def note_failure(output: Path, error: Exception, code: int) -> int:
    """Keeps what a job failed of in its folder; gives the exit code."""
    story = {
        "kind": getattr(error, "kind", type(error).__name__),
        "reason": str(error),
        "traceback": getattr(error, "story", traceback.format_exc()),
    }
    try:
        write_text(output / FAILURE_FILE, json.dumps(story, indent=1))
    except (DiskFullError, OSError) as worse:  # a full disk has no room for the story either
        print(f"fashion_exp: {worse}", file=sys.stderr)
    log.debug("failed", exc_info=True)
    return code

"""The part of a job that runs in each of its processes: the experiment, its log and its output."""

from __future__ import annotations

import atexit
import gc
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from rich.console import Console

from fashion_exp.configuration.schema import Config
from fashion_exp.evaluation.own_code import use_training_code
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.evaluation.targets import measures
from fashion_exp.paths import checkout_root, outputs_dir, with_outputs_option
from fashion_exp.process import is_distributed, is_main_process
from fashion_exp.reporting.console import plain_console
from fashion_exp.tracking.tracker import NullTracker, Tracker

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def train_job(cfg: Config, run: RunDir, name: str, hold_out_test: bool) -> None:
    """The experiment in this process, or this process's part of it in distributed training."""
    # Imports are late, so that a mistake in an option or a path is reported at once.
    from fashion_exp.data.sources.load import load_images_cached

    outputs = outputs_dir(cfg.outputs)
    console = plain_console() if is_main_process() else plain_console(file=io.StringIO())
    with log_to_console(console):
        use_training_code(cfg, run)
        dataset = resolve_paths(cfg, run).dataset
        table = load_images_cached(dataset, outputs / "cache", cfg.training.targets)
        with imports_without_garbage_collection():
            from fashion_exp.experiment.experiment import JobInfo, run_experiment
            from fashion_exp.experiment.pruning import open_epoch_report
            from fashion_exp.experiment.record_again import record_missed
            from fashion_exp.experiment.setup import check_names
            from fashion_exp.experiment.tracked_runs import missed_by_store
            from fashion_exp.reporting.progress import Progress
            from fashion_exp.tracking import open_tracker
            from fashion_exp.training.process_group import ProcessGroup, join_process_group

            check_names(cfg)  # before a database is made
            # Opening a tracker imports MLflow, so it is part of the imports.
            group = join_process_group() if is_distributed() else ProcessGroup()
            tracker: Tracker = NullTracker()
            report_epoch = None
            if group.is_main_process:
                # A thread must not be amid its imports when the workers are forked.
                deferred = cfg.training.workers == 0
                tracker = open_tracker(
                    cfg.tracking, outputs, cfg.sweep.experiment, deferred=deferred
                )
                if cfg.sweep.trial is not None:
                    report_epoch = open_epoch_report(cfg.sweep)
        job = JobInfo(name, run, hold_out_test, group, code_version(), report_epoch)
        with Progress(console) as progress:
            progress.measure, _ = measures({"targets": cfg.training.targets.value})
            result = run_experiment(cfg, table, job, tracker, progress)
        if result is not None and missed_by_store(run):
            record_missed(cfg, run, outputs)
        if result is not None and not hold_out_test:
            print_result(run, console, tracker.run_url(result.run) or ui_command(tracker, outputs))


def print_result(run: RunDir, console: Console, address: str) -> None:
    """Prints the table that a run ends with, and where its files and its tracked run are."""
    from fashion_exp.comparison.audit import find_problems
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.evaluation.results import load_result, result_table

    table = result_table(load_result(run.path), find_problems(load_run(run.path)))
    console.print(table)
    print_locations(console, run.path, address)


def print_locations(console: Console, folder: Path, address: str) -> None:
    console.print(f"files:   {folder}", soft_wrap=True)
    console.print(f"results: {address}", soft_wrap=True)


def ui_command(tracker: Tracker, outputs: Path, sweep: str = "") -> str:
    """The command that shows what was tracked in a local database."""
    if not tracker.uri:
        return "not tracked (tracking=none)"
    return with_outputs_option(f"scripts/run ui {sweep}".strip(), outputs)


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Logs our messages from INFO on, and warnings of libraries, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    with (
        log_level(root, logging.WARNING),
        log_level(logging.getLogger("fashion_exp"), logging.INFO),
    ):
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            handler.close()


@contextmanager
def log_level(logger: logging.Logger, level: int) -> Iterator[None]:
    """Sets a level and restores it afterwards: a notebook may use the same logger."""
    earlier = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(earlier)


class _ConsoleHandler(logging.Handler):
    """Prints through the console that draws the progress line, so that the two do not mix."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), soft_wrap=True)


@contextmanager
def log_to_console(console: Console) -> Iterator[None]:
    ours, handler = logging.getLogger("fashion_exp"), _ConsoleHandler(console)
    with log_level(ours, logging.INFO):
        ours.addHandler(handler)
        try:
            yield
        finally:
            ours.removeHandler(handler)


@contextmanager
def imports_without_garbage_collection() -> Iterator[None]:
    """Imported objects stay: looking for garbage among them takes most of a second."""
    gc.disable()
    try:
        yield
    finally:
        _freeze_objects()
        gc.enable()


@cache  # once: a later job of this process would freeze garbage
def _freeze_objects() -> None:
    gc.freeze()
    atexit.register(gc.unfreeze)


@cache
def code_version() -> dict[str, str]:
    """The version of the code. Cached, since commits during the process do not count."""
    from fashion_exp.tracking import provenance

    return provenance(checkout_root() or Path.cwd())

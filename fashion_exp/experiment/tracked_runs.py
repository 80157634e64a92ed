"""The tracked runs of an experiment: one for the experiment, and one per fold if there are several.

A tracked run is found again after an interruption, and it ends with the status of what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.data.split import Fold
from fashion_exp.errors import Pruned
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.context import ExperimentContext
from fashion_exp.paths import new_run_token, outputs_dir
from fashion_exp.tracking.tracker import Status, Tracker, TrackingError

UNTRACKED_OPTIONS = ("outputs", "resume", "cache.", "sweep.", "tracking.")
"""Beginnings of option names that are not tracked as parameters."""


@contextmanager
def track_experiment(
    context: ExperimentContext, name: str, tags: Mapping[str, str], tracker: Tracker
) -> Iterator[str]:
    """The tracked run of an experiment; yields its id, or an empty one in other processes."""
    if not context.group.is_main_process:
        yield ""
        return
    cfg, table = context.cfg, context.table

    def start(token: str) -> str:
        params = {
            option: value
            for option, value in flatten_options(to_plain(cfg))
            if value is not None and not option.startswith(UNTRACKED_OPTIONS)
        }
        run = tracker.start(
            name, parent=cfg.sweep.parent, params=params, tags={**tags, "begun_as": token}
        )
        tracker.log_dataset(
            run,
            name=table.name,
            digest=table.fingerprint,
            source=cfg.dataset.root or cfg.dataset.manifest or table.name,
            profile={"images": len(table), **table.class_counts},
            context="training",
        )
        return run

    outputs = outputs_dir(cfg.outputs)
    run = resume_or_start(context.run.tracked_file, tracker, outputs, start)
    with end_with_status(tracker, run):
        end_finished_folds(context.run, tracker)
        yield run


@contextmanager
def track_fold(
    context: ExperimentContext, fold: Fold, name: str, tracker: Tracker, parent: str
) -> Iterator[str]:
    """The tracked run of a fold, below the `parent`; the parent itself if it is the only fold."""
    if len(context.split.folds) == 1 or not context.group.is_main_process:
        yield parent
        return
    saved = context.run.fold(fold.name).tracked

    def start(token: str) -> str:
        tags = {"fold": fold.name, "begun_as": token}
        return tracker.start(name, parent=parent, params={}, tags=tags)

    run = resume_or_start(saved, tracker, outputs_dir(context.cfg.outputs), start)
    with end_with_status(tracker, run):
        yield run
    saved.unlink()


def resume_or_start(
    saved: Path, tracker: Tracker, outputs: Path, start: Callable[[str], str]
) -> str:
    """Resumes the tracked run whose id is in the file `saved`, or starts one and saves its id.

    The token is saved before the run is started, so that a crash in between can be recovered.
    """
    content = _read(saved)
    if content.get("uri") != tracker.uri and not _was_moved(content, tracker):
        content = {}
    token = content.get("begun_as") or new_run_token(outputs)
    if run := content.get("run") or (tracker.find_by_token(token) if content else None):
        tracker.resume(run)
    else:
        write_json(saved, {"uri": tracker.uri, "begun_as": token})
        run = start(token)
    write_json(saved, {"uri": tracker.uri, "begun_as": token, "run": run})
    return run


def _was_moved(content: Mapping[str, str], tracker: Tracker) -> bool:
    """Whether the saved run is in this store, which then has another address now."""
    token = content.get("begun_as")
    return bool(token and tracker.uri) and tracker.find_by_token(str(token)) is not None


@contextmanager
def end_with_status(tracker: Tracker, run: str) -> Iterator[None]:
    """Ends a tracked run as FINISHED, FAILED or KILLED, by how the block ends."""
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, (KeyboardInterrupt, Pruned))
        status: Status = "KILLED" if interrupted else "FAILED"
        with suppress(TrackingError):  # the first error is the one to report
            tracker.end(run, status)
        raise
    tracker.end(run, "FINISHED")


def end_finished_folds(run: RunDir, tracker: Tracker) -> None:
    """Ends the tracked runs of finished folds whose process was killed before it could."""
    for saved in run.unfinished.glob("*-tracked.json"):
        if run.fold(saved.name.removesuffix("-tracked.json")).is_finished:
            tracker.end(_read(saved)["run"], "FINISHED")
            saved.unlink()


def open_runs(run: RunDir) -> list[str]:
    """Ids of the tracked runs of an unfinished experiment, its own last."""
    files = [
        file
        for file in sorted(run.unfinished.glob("*-tracked.json"))
        if not run.fold(file.name.removesuffix("-tracked.json")).is_finished
    ]
    ids = [_read(file).get("run", "") for file in [*files, run.tracked_file]]
    return [run_id for run_id in ids if run_id]


def _read(path: Path) -> dict[str, str]:
    return read_json(path) if path.exists() else {}

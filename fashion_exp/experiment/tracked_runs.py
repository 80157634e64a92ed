"""The tracked runs of an experiment: one for the experiment, and one per fold if there are several.

A tracked run is found again after an interruption, and it ends with the status of what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import DiskFullError, read_json, write_json
from fashion_exp.configuration.schema import Config, flatten_options, to_plain
from fashion_exp.errors import Pruned
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import new_run_token, outputs_dir
from fashion_exp.tracking.tracker import Status, Tracker
from fashion_exp.tracking.urls import redact_uri

if TYPE_CHECKING:  # PyTorch, which `doctor` need not wait for
    from fashion_exp.data.split import Fold
    from fashion_exp.experiment.context import ExperimentContext

UNTRACKED_OPTIONS = ("outputs", "resume", "extend", "cache.", "sweep.", "tracking.")
"""Beginnings of option names that are not tracked as parameters."""


MISSED = "missed"
"""Key of the file with a tracked run's id: why the store lacks something that the run computed."""


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
        run = tracker.start(
            name,
            parent=cfg.sweep.parent,
            params=tracked_params(cfg),
            tags={**tags, "begun_as": token},
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

    saved, outputs = context.run.tracked_file, outputs_dir(cfg.outputs)
    with end_on_error(tracker, saved):
        run = resume_or_start(saved, tracker, outputs, start)
        end_finished_folds(context.run, tracker)
        yield run
        tracker.end(run, "FINISHED")
        note_failure(saved, tracker)


def tracked_params(cfg: Config) -> dict[str, object]:
    return {
        option: value
        for option, value in flatten_options(to_plain(cfg))
        if value is not None and not option.startswith(UNTRACKED_OPTIONS)
    }


def fold_title(repeat: int, fold: int, one_fold_each: bool) -> str:
    """The name of a training's tracked run; `one_fold_each`: whether every repeat has one fold."""
    return f"repeat {repeat + 1}" + ("" if one_fold_each else f" fold {fold + 1}")


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
    yield run
    tracker.end(run, "FINISHED")
    note_failure(context.run.tracked_file, tracker)
    saved.unlink(missing_ok=True)


def resume_or_start(
    saved: Path, tracker: Tracker, outputs: Path, start: Callable[[str], str]
) -> str:
    """Resumes the tracked run whose id is in the file `saved`, or starts one and saves its id.

    The token is saved before the run is started, so that a crash in between can be recovered.
    """
    content = _read(saved)
    missed = {MISSED: content[MISSED]} if MISSED in content else {}
    is_elsewhere = redact_uri(content.get("uri", "")) != tracker.uri  # older: with passwords
    if is_elsewhere and not _was_moved(content, tracker):
        if content.get("uri") and tracker.uri:
            missed = {MISSED: f"begun in {redact_uri(content['uri'])}"}
        content = {}
    token = content.get("begun_as") or new_run_token(outputs)
    run = content.get("run") or (tracker.find_by_token(token) if content else None) or ""
    if run and not tracker.resume(run) and not tracker.failure:  # the store has lost it
        missed, run = {MISSED: "the store had lost the run"}, ""
        token = new_run_token(outputs)
    begun = {"uri": tracker.uri, "begun_as": token, **missed}
    if not run:
        write_json(saved, begun)
        run = start(token)
    tracker.when_started(run, lambda run_id: write_json(saved, {**begun, "run": run_id}))
    return run


def _was_moved(content: Mapping[str, str], tracker: Tracker) -> bool:
    """Whether the saved run is in this store, which then has another address now."""
    token = content.get("begun_as")
    return bool(token and tracker.uri) and tracker.find_by_token(str(token)) is not None


@contextmanager
def end_on_error(tracker: Tracker, saved: Path | None = None) -> Iterator[None]:
    """If the block raises, ends all runs of the tracker as FAILED or KILLED.

    This includes a run whose start was interrupted. `saved` notes what the store has missed.
    """
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, (KeyboardInterrupt, Pruned))
        status: Status = "KILLED" if interrupted else "FAILED"
        with suppress(DiskFullError):  # the first error is the one to report
            tracker.end_active(status)
        with suppress(DiskFullError, OSError):
            if saved is not None:
                note_failure(saved, tracker)
        raise


def note_failure(saved: Path, tracker: Tracker) -> None:
    """Notes in the file with the run's id that the store lacks something."""
    if tracker.failure and saved.exists():
        write_json(saved, _read(saved) | {MISSED: tracker.failure})


def missed_by_store(run: RunDir) -> str:
    """Why the store lacks something of this run; empty if it has all."""
    return _read(run.tracked_file).get(MISSED, "")


def end_finished_folds(run: RunDir, tracker: Tracker) -> None:
    """Ends the tracked runs of finished folds whose process was killed before it could."""
    for saved in run.unfinished.glob("*-tracked.json"):
        if run.fold(saved.name.removesuffix("-tracked.json")).is_finished:
            if run_id := _read(saved).get("run"):
                tracker.end(run_id, "FINISHED")
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

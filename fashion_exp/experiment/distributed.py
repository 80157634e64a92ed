"""One job in several processes of this machine: started, watched, and their end told as one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError, Pruned

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

GRACE = 20
"""Seconds that the processes have to end when one has failed, or when they are asked to."""

PATIENCE = 3.0
"""Seconds in which the process that failed first is noticed before those that failed with it."""

LogFile = tuple[str, str | None]
"""A log's path and format."""


class RankFailed(Exception):
    """A process of the job failed; `kind` is what it raised, or LostProcess if it was killed."""

    def __init__(self, kind: str, reason: str, story: str) -> None:
        super().__init__(reason)
        self.kind, self.story = kind, story


def in_team() -> bool:
    """Whether PyTorch's launcher has started this process, as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def leads() -> bool:
    """Whether it is this process that writes, tracks and shows."""
    return not in_team() or os.environ["RANK"] == "0"


def run_in_processes(cfg: Config, output: Path, name: str, sealed: bool) -> None:
    """Runs a job in `training.processes` processes and waits for all of them.

    Raises what one process on its own would: `InputError`, `Pruned`, an interruption, or
    `RankFailed`. The tracked runs then say so too, even where the process that keeps them was
    killed.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for logger in list(logging.root.manager.loggerDict):  # each has a level of its own
        if logger.startswith(("torch.distributed.elastic", "torch.multiprocessing")):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # what goes wrong, we tell
    with _own_signals(), tempfile.TemporaryDirectory() as told:
        launch = elastic_launch(
            LaunchConfig(
                min_nodes=1, max_nodes=1, nproc_per_node=cfg.training.processes, max_restarts=0,
                run_id=uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0",
                local_addr="127.0.0.1", logs_specs=DefaultLogsSpecs(log_dir=told),
                shutdown_timeout=GRACE,
            ),
            run_rank,
        )  # fmt: skip
        try:
            pruned = launch(cfg, output, name, sealed, _log_files())[0]
            if pruned is not None:
                raise Pruned(pruned)
            return
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            failed = _told(rank, failure)
        except SignalException as stopped:
            number = stopped.sigval
            failed = None
    _end_tracked(cfg, output, "FAILED" if failed else "KILLED")
    if failed:
        raise failed
    signal.raise_signal(number)  # as this process would have taken it
    raise KeyboardInterrupt


def run_rank(cfg: Config, output: Path, name: str, sealed: bool, logs: list[LogFile]) -> int | None:
    """What each of the processes does; gives the epochs after which a search has seen enough."""
    from fashion_exp.experiment.job import run_here
    from fashion_exp.training.process_group import (
        ProcessLostError,
        join_process_group,
        leave_process_group,
    )

    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nothing leaves this machine
    _stop_when_told()
    try:
        team = join_process_group()
        _log_to(logs if team.is_main_process else [])
        enough = None
        try:
            run_here(cfg, output, name, sealed)
        except Pruned as pruned:
            (enough,) = pruned.args
        leave_process_group()
        return enough
    except ProcessLostError:
        time.sleep(PATIENCE)
        raise
    finally:
        _ignore_stops()  # it is ending: libraries' last words are not to be interrupted


def _ignore_stops() -> None:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)


def _stop_when_told() -> None:
    """Has the first process stop at once, so that it ends its tracked runs; the others with it.

    They follow because it has gone: before, it would find them gone and call that a failure.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        _ignore_stops()
        if leads():
            raise KeyboardInterrupt
        if hasattr(signal, "alarm"):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(GRACE // 2)

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, stop)


def _log_files() -> list[LogFile]:
    """Where the run's log is written, by the handlers that Hydra has set up."""
    handlers = [*logging.getLogger().handlers, *logging.getLogger("fashion_exp").handlers]
    files = {h.baseFilename: h for h in handlers if isinstance(h, logging.FileHandler)}
    return [(path, h.formatter._fmt if h.formatter else None) for path, h in files.items()]


def _log_to(files: list[LogFile]) -> None:
    """The same logs in this process; without any, warnings of libraries are dropped."""
    logging.captureWarnings(True)
    root, ours = logging.getLogger(), logging.getLogger("fashion_exp")
    root.addHandler(logging.NullHandler())
    for path, form in files:
        handler = logging.FileHandler(path)
        handler.setFormatter(logging.Formatter(form))
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.INFO)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Puts back the handlers that the launcher replaces."""
    kept = {one: signal.getsignal(one) for one in _HANDLED}
    try:
        yield
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)


_HANDLED = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)  # not all systems have all
]


def _told(rank: int, failure: ProcessFailure) -> Exception:
    """What one process failed of, as if it had been the only one."""
    if failure.exitcode < 0:
        died = failure.signal_name()
        reason = f"process {rank} of the training was killed by {died}"
        reason += " (out of memory?)" if died == "SIGKILL" else ""
        return RankFailed("LostProcess", reason, "")
    message = failure.error_file_data.get("message", failure.message)
    if not isinstance(message, dict):
        reason = f"process {rank} of the training ended with {failure.exitcode}"
        return RankFailed("LostProcess", reason, "")
    kind, _, reason = str(message["message"]).partition(": ")
    if kind == InputError.__name__:
        return InputError(reason)
    return RankFailed(kind, reason, str(message["extraInfo"]["py_callstack"]))


def _end_tracked(cfg: Config, output: Path, status: str) -> None:
    """Ends the tracked runs of a job whose processes could not."""
    from fashion_exp.experiment.experiment import tracked_runs
    from fashion_exp.paths import outputs_dir
    from fashion_exp.tracking import TrackingError, open_tracker

    try:
        begun = tracked_runs(output)
        tracker = open_tracker(cfg.tracking, outputs_dir(cfg.outputs)) if begun else None
        for run in begun:
            assert tracker is not None
            tracker.end(run, "FAILED" if status == "FAILED" else "KILLED")
    except (TrackingError, InputError) as error:  # what failed first is what matters
        logging.getLogger(__name__).warning("%s", error)

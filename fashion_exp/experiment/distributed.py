"""One job in several processes of this machine, which end as one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import DiskFullError
from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError, Pruned
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.worker import log_to_file, train_job
from fashion_exp.process import is_main_process, protect_streams
from fashion_exp.signals import raise_after_destructors

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

SHUTDOWN_SECONDS = 20
"""Time for the processes to end after a failure or a stop signal."""

FIRST_FAILURE_SECONDS = 3.0
"""A process that lost its peers waits this long, so that the launcher reports the cause first."""

_HANDLED_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)  # Windows has two of them
]


class ProcessFailedError(Exception):
    """A process of the job failed. `kind` is the exception's type, or LostProcess if killed."""

    def __init__(self, kind: str, reason: str, traceback: str) -> None:
        super().__init__(reason)
        self.kind, self.traceback = kind, traceback


def run_in_processes(cfg: Config, run: RunDir, name: str, hold_out_test: bool) -> None:
    """Runs a job in `training.processes` processes and waits for all of them.

    Raises what a single process would: `InputError`, `Pruned`, an interruption; or
    `ProcessFailedError`. The tracked runs end with that status even if the main process was
    killed.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for logger in list(logging.root.manager.loggerDict):  # failures are reported below
        if logger.startswith(("torch.distributed.elastic", "torch.multiprocessing")):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
    with _restore_signal_handlers(), tempfile.TemporaryDirectory() as log_dir:
        launch = elastic_launch(
            LaunchConfig(
                min_nodes=1, max_nodes=1, nproc_per_node=cfg.training.processes, max_restarts=0,
                run_id=uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0",
                local_addr="127.0.0.1", logs_specs=DefaultLogsSpecs(log_dir=log_dir),
                shutdown_timeout=SHUTDOWN_SECONDS,
            ),
            run_rank,
        )  # fmt: skip
        try:
            pruned_after = launch(cfg, run, name, hold_out_test)[0]
            if pruned_after is not None:
                raise Pruned(pruned_after)
            return
        except ChildFailedError as error:
            failure = _to_exception(*error.get_first_failure())
        except SignalException as interruption:
            failure, number = None, interruption.sigval
    _end_tracked_runs(cfg, run, failed=failure is not None)
    if failure:
        raise failure
    signal.raise_signal(number)  # handled as in a single process
    raise KeyboardInterrupt


def run_rank(cfg: Config, run: RunDir, name: str, hold_out_test: bool) -> int | None:
    """The work of one process; returns the epochs after which a search pruned the job."""
    from fashion_exp.training.process_group import (
        ProcessLostError,
        join_process_group,
        leave_process_group,
    )

    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # no traffic leaves this machine
    _install_stop_handlers()
    protect_streams()
    logging.captureWarnings(True)
    try:
        group = join_process_group()
        pruned_after = None
        with ExitStack() as stack:
            if group.is_main_process:
                stack.enter_context(log_to_file(run.log_file))
            else:
                logging.getLogger().addHandler(logging.NullHandler())
            try:
                train_job(cfg, run, name, hold_out_test)
            except Pruned as pruned:
                (pruned_after,) = pruned.args
        leave_process_group()
        return pruned_after
    except ProcessLostError:
        time.sleep(FIRST_FAILURE_SECONDS)
        raise
    finally:
        _ignore_stop_signals()  # libraries clean up after this


def _ignore_stop_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "setitimer"):  # an interruption that waits for a destructor
        signal.setitimer(signal.ITIMER_REAL, 0)


def _install_stop_handlers() -> None:
    """Makes the main process stop at once and end its tracked runs; the others stop after it.

    They stop because they lose the main process. If they stopped first, the main process would
    report them as lost.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        _ignore_stop_signals()
        if is_main_process():
            raise KeyboardInterrupt
        if hasattr(signal, "alarm"):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SHUTDOWN_SECONDS // 2)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    raise_after_destructors()


@contextmanager
def _restore_signal_handlers() -> Iterator[None]:
    """Restores the handlers that PyTorch's launcher replaces."""
    handlers = {number: signal.getsignal(number) for number in _HANDLED_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _to_exception(rank: int, failure: ProcessFailure) -> Exception:
    """The failure of one process, as an exception of this one."""
    if failure.exitcode < 0:
        name = failure.signal_name()
        reason = f"process {rank} of the training was killed by {name}"
        reason += " (out of memory?)" if name == "SIGKILL" else ""
        return ProcessFailedError("LostProcess", reason, "")
    message = failure.error_file_data.get("message", failure.message)
    if not isinstance(message, dict):
        reason = f"process {rank} of the training ended with {failure.exitcode}"
        return ProcessFailedError("LostProcess", reason, "")
    kind, _, reason = str(message["message"]).partition(": ")
    if kind == InputError.__name__:
        return InputError(reason)
    return ProcessFailedError(kind, reason, str(message["extraInfo"]["py_callstack"]))


def _end_tracked_runs(cfg: Config, run: RunDir, failed: bool) -> None:
    """Ends the tracked runs of a job whose main process could not."""
    from fashion_exp.experiment.tracked_runs import open_runs
    from fashion_exp.paths import outputs_dir
    from fashion_exp.tracking import open_tracker

    try:
        run_ids = open_runs(run)
        tracker = open_tracker(cfg.tracking, outputs_dir(cfg.outputs)) if run_ids else None
        for run_id in run_ids:
            assert tracker is not None
            tracker.end(run_id, "FAILED" if failed else "KILLED")
    except (DiskFullError, InputError) as error:  # the first failure is the one to report
        logging.getLogger(__name__).warning("%s", error)

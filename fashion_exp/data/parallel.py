"""Parallel map over threads or forked processes; results keep the order of the items."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import cv2

# A forked process does not inherit OpenCV's threads and would wait for them forever. The processes
# here and the loaders of training images are forked, so OpenCV must never start threads.
cv2.setNumThreads(0)

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED_PER_THREAD = 8

USES_FORK = sys.platform == "linux"
"""Other platforms would import everything again in each process; they use threads."""


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Map for functions that wait for files or release the GIL.

    The first exception cancels all pending calls. Few calls are queued at a time: those of
    200,000 files would take 0.4 GB.
    """
    pool = ThreadPoolExecutor(threads)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > _QUEUED_PER_THREAD * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # Without this, an interrupt would wait for all queued calls.
        pool.shutdown(cancel_futures=True)


def map_in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    """Map for functions that hold the GIL; uses threads where processes are not forked.

    The first exception ends all processes. They end with this process, also if it is killed.
    """
    processes = min(processes, len(items) // 2)
    if not USES_FORK or processes < 2:
        yield from map_in_threads(function, items, max(1, processes))
        return
    context = multiprocessing.get_context("fork")
    pipes, workers = [], []
    try:
        for first in range(processes):
            receiver, sender = context.Pipe(duplex=False)
            worker = context.Process(
                target=_send_results,
                args=(function, items[first::processes], sender, os.getpid()),
                daemon=True,
            )
            worker.start()
            sender.close()  # then the pipe closes when the worker ends
            pipes.append(receiver)
            workers.append(worker)
        for index in range(len(items)):
            yield _receive_result(pipes[index % processes])
    finally:
        for pipe, worker in zip(pipes, workers, strict=True):
            worker.kill()
            worker.join()
            pipe.close()


def _send_results(
    function: Callable[[Any], Any], items: Sequence[Any], pipe: Connection, parent: int
) -> None:
    _end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles interrupts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for item in items:
        try:
            result = (True, function(item))
        except Exception as error:
            result = (False, error)
        try:
            pipe.send(result)
        except BrokenPipeError:
            return


def _end_with_parent(parent: int) -> None:
    """Have the system kill this process when its parent ends, even while it waits for a file."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG; only Linux forks here
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def _receive_result(pipe: Connection) -> Any:
    try:
        succeeded, result = pipe.recv()
    except EOFError:
        raise RuntimeError("a process that reads images was killed; out of memory?") from None
    if not succeeded:
        raise result
    return result

"""Work done by several threads or processes, its results in the order of the items."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import cv2

# OpenCV's own threads do not come along into a forked process, which then waits for them forever:
# loaders of training images and the processes here are forked, so that none are ever started.
cv2.setNumThreads(0)


Item = TypeVar("Item")
Result = TypeVar("Result")

CAN_FORK = sys.platform == "linux"  # elsewhere a process would import everything anew


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """For work that waits for files or runs outside Python's lock.

    What one of the items raises ends all.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(work, items)
    finally:
        # Without this an interrupt would wait for all that still queues.
        pool.shutdown(cancel_futures=True)


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    """For work that holds Python's lock; in threads where processes cannot be forked.

    Results travel through a pipe; what one of the items raises ends all. A process whose parent
    is killed ends with its next result, for nobody reads it.
    """
    processes = min(processes, len(items) // 2)
    if not CAN_FORK or processes < 2:
        yield from in_threads(work, items, max(1, processes))
        return
    context = multiprocessing.get_context("fork")
    pipes, workers = [], []
    try:
        for first in range(processes):
            ours, theirs = context.Pipe(duplex=False)
            worker = context.Process(
                target=_serve, args=(work, items[first::processes], theirs), daemon=True
            )
            worker.start()
            theirs.close()  # so that the end of the worker is the end of the pipe
            pipes.append(ours)
            workers.append(worker)
        for place in range(len(items)):
            yield _received(pipes[place % processes])
    finally:
        for pipe, worker in zip(pipes, workers, strict=True):
            worker.kill()
            worker.join()
            pipe.close()


def _serve(work: Callable[[Any], Any], items: Sequence[Any], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for item in items:
        try:
            result = (True, work(item))
        except Exception as error:
            result = (False, error)
        try:
            pipe.send(result)
        except BrokenPipeError:
            return


def _received(pipe: Connection) -> Any:
    try:
        fine, result = pipe.recv()
    except EOFError:
        raise RuntimeError("a process that reads images was killed; is memory short?") from None
    if not fine:
        raise result
    return result

"""Parallel map: ordered results, immediate errors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fashion_exp.data.parallel import USES_FORK, map_in_processes, map_in_threads

needs_fork = pytest.mark.skipif(not USES_FORK, reason="processes are forked only on Linux")


def test_thread_results_keep_item_order() -> None:
    def negate(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return -item

    assert list(map_in_threads(negate, range(20), 4)) == [-item for item in range(20)]


def test_uses_requested_number_of_threads() -> None:
    barrier = threading.Barrier(3, timeout=5)
    assert len(list(map_in_threads(lambda _: barrier.wait(), range(3), 3))) == 3


def test_items_are_taken_as_results_are_used() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = map_in_threads(lambda item: item, items(), 2)
    assert next(results) == 0 and len(taken) < 50
    assert list(results) == list(range(1, 1000))


def test_error_in_thread_cancels_pending_calls() -> None:
    done = []

    def fail(item: int) -> None:
        if item == 0:
            raise KeyboardInterrupt
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        list(map_in_threads(fail, range(1000), 2))
    assert len(done) < 100


@pytest.mark.slow
def test_process_results_equal_sequential_results() -> None:
    for processes in (1, 2, 3, 8):
        results = list(map_in_processes(lambda item: item**2, range(7), processes))
        assert results == [item**2 for item in range(7)]


@needs_fork
def test_uses_requested_number_of_processes() -> None:
    pids = set(map_in_processes(lambda _: os.getpid(), range(8), 2))
    assert len(pids) == 2 and os.getpid() not in pids


@needs_fork
def test_error_in_process_is_raised_and_ends_all_processes() -> None:
    def fail(item: int) -> int:
        if item == 3:
            raise ValueError("item 3")
        return os.getpid()

    pids = []
    with pytest.raises(ValueError, match="item 3"):
        for pid in map_in_processes(fail, range(100), 2):
            pids.append(pid)
    assert len(pids) == 3
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@needs_fork
def test_killed_process_raises_error() -> None:
    def kill_self(item: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="killed"):
        list(map_in_processes(kill_self, range(8), 2))


def write_pid_and_wait(folder: Path, item: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(300)


def is_running(pid: int) -> bool:
    """False also for a process that has ended and is still listed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@needs_fork
def test_processes_end_with_killed_parent_while_they_work(tmp_path: Path) -> None:
    parent = multiprocessing.get_context("fork").Process(
        target=lambda: list(map_in_processes(partial(write_pid_and_wait, tmp_path), range(8), 2))
    )
    parent.start()
    while len(files := list(tmp_path.iterdir())) < 2:
        time.sleep(0.01)
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 30
    while any(is_running(int(file.name)) for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.01)

"""Results in order, errors at once."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from fashion_exp.data import parallel
from fashion_exp.data.parallel import in_processes, in_threads


def test_results_come_in_the_order_of_the_items_whatever_takes_longest() -> None:
    def late(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return -item

    assert list(in_threads(late, range(20), 4)) == [-item for item in range(20)]


def test_work_is_done_by_as_many_threads_as_asked() -> None:
    together = threading.Barrier(3, timeout=5)
    assert len(list(in_threads(lambda _: together.wait(), range(3), 3))) == 3


def test_an_error_ends_all_that_still_waits() -> None:
    done = []

    def fail(item: int) -> None:
        if item == 0:
            raise KeyboardInterrupt
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        list(in_threads(fail, range(1000), 2))
    assert len(done) < 100


forking = pytest.mark.skipif(not parallel.CAN_FORK, reason="processes are forked on Linux only")


def test_processes_give_what_one_call_after_the_other_gives() -> None:
    for processes in (1, 2, 3, 8):
        assert list(in_processes(lambda item: item**2, range(7), processes)) == [
            item**2 for item in range(7)
        ]


@forking
def test_work_is_done_in_processes_of_its_own() -> None:
    used = set(in_processes(lambda _: os.getpid(), range(8), 2))
    assert len(used) == 2 and os.getpid() not in used


@forking
def test_what_an_item_raises_in_a_process_is_raised_here_and_ends_all() -> None:
    def fail(item: int) -> int:
        if item == 3:
            raise ValueError("the third")
        return os.getpid()

    seen = []
    with pytest.raises(ValueError, match="the third"):
        for pid in in_processes(fail, range(100), 2):
            seen.append(pid)
    assert len(seen) == 3
    for pid in set(seen):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@forking
def test_a_killed_process_is_told_and_not_waited_for() -> None:
    def killed(item: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match="killed"):
        list(in_processes(killed, range(8), 2))

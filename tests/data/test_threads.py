"""Results in order, errors at once."""

from __future__ import annotations

import threading
import time

import pytest

from fashion_exp.data.threads import in_threads


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

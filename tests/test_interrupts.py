"""A signal that a library swallows is not lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fashion_exp import interrupts
from fashion_exp.interrupts import Terminated, heed, stop_if_asked


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    interrupts._asked.clear()
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_what_was_swallowed_is_raised_again(
    number: signal.Signals, error: type[BaseException]
) -> None:
    heed(number)
    stop_if_asked()
    with suppress(BaseException):  # as libraries do around what may fail to import
        os.kill(os.getpid(), number)
    with pytest.raises(error) as raised:
        stop_if_asked()
    assert type(raised.value) is error

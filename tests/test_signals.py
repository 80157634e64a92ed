"""A signal that a library swallows is not lost."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fashion_exp import signals
from fashion_exp.signals import Terminated, install_handlers, raise_if_interrupted


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    signals._asked.clear()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_what_was_swallowed_is_raised_again(
    number: signal.Signals, error: type[BaseException]
) -> None:
    install_handlers(number)
    raise_if_interrupted()
    with suppress(BaseException):  # as libraries do around what may fail to import
        os.kill(os.getpid(), number)
    with pytest.raises(error) as raised:
        raise_if_interrupted()
    assert type(raised.value) is error


def test_one_that_comes_while_logging_holds_a_lock_waits_until_that_is_given_back() -> None:
    class Interrupted(logging.Handler):
        interrupted = False

        def acquire(self) -> None:
            super().acquire()
            if not self.interrupted:
                self.interrupted = True
                os.kill(os.getpid(), signal.SIGINT)

        def emit(self, record: logging.LogRecord) -> None:
            pass

    handler = Interrupted()
    install_handlers(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        handler.handle(logging.makeLogRecord({}))
        time.sleep(5)
    with ThreadPoolExecutor() as others:
        assert others.submit(handler.lock.acquire, timeout=1).result()

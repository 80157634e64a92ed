"""An interruption is not lost, even if a library swallows it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fashion_exp import signals
from fashion_exp.signals import Terminated, install_handlers, raise_if_interrupted


@pytest.fixture(autouse=True)
def restored_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    signals._received.clear()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_swallowed_interruption_is_raised_again(
    number: signal.Signals, error: type[BaseException]
) -> None:
    install_handlers(number)
    raise_if_interrupted()
    with suppress(BaseException):  # as some libraries do around imports
        os.kill(os.getpid(), number)
    with pytest.raises(error) as raised:
        raise_if_interrupted()
    assert type(raised.value) is error


def test_interruption_waits_until_logging_releases_its_lock() -> None:
    class InterruptedHandler(logging.Handler):
        interrupted = False

        def acquire(self) -> None:
            super().acquire()
            if not self.interrupted:
                self.interrupted = True
                os.kill(os.getpid(), signal.SIGINT)

        def emit(self, record: logging.LogRecord) -> None:
            pass

    handler = InterruptedHandler()
    install_handlers(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        handler.handle(logging.makeLogRecord({}))
        time.sleep(5)
    assert handler.lock is not None
    with ThreadPoolExecutor() as other_thread:
        assert other_thread.submit(handler.lock.acquire, timeout=1).result()


def test_interruption_in_a_destructor_is_raised_after_it(capfd: pytest.CaptureFixture[str]) -> None:
    """Python prints the traceback of an exception in a destructor, and goes on."""

    def abandoned() -> Iterator[None]:
        try:
            yield
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    install_handlers(signal.SIGTERM)
    generator = abandoned()
    next(generator)
    with pytest.raises(Terminated):
        del generator
        time.sleep(5)
    assert not capfd.readouterr().err

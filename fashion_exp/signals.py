"""Turns Ctrl-C and SIGTERM into exceptions, so that open files and runs are closed properly."""

from __future__ import annotations

import logging
import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM once `install_handlers` was called for it."""


_EXCEPTIONS = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
_RETRY_SECONDS = 0.01
_MAX_RETRIES = 100
_received: list[int] = []


def install_handlers(*signals: signal.Signals) -> None:
    """Makes SIGTERM or SIGINT raise an exception in the main thread."""
    for number in signals:
        signal.signal(number, _handle)


def raise_if_interrupted() -> None:
    """Raises the exception of an earlier signal again.

    A bare `except:` in a library may have swallowed it. Call this between two units of work.
    """
    if _received:
        raise _EXCEPTIONS[signal.Signals(_received[-1])]


def _handle(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if _is_logging(frame) and len(_received) < _MAX_RETRIES:
        signal.signal(signal.SIGALRM, lambda _, later: _handle(number, later))
        signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)
    else:
        raise _EXCEPTIONS[signal.Signals(number)]


def _is_logging(frame: FrameType | None) -> bool:
    """Whether the main thread may hold a lock of the logging module.

    An exception between acquiring that lock and entering the `try` that releases it would leave
    it locked, and the tracking thread would wait for it forever.
    """
    while frame is not None and frame.f_code.co_filename != logging.__file__:
        frame = frame.f_back
    return frame is not None and hasattr(signal, "setitimer")

"""Turns Ctrl-C and SIGTERM into exceptions, so that open files and runs are closed properly."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
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
    raise_after_destructors()


def raise_after_destructors() -> None:
    """Makes an interruption wait until no destructor is running.

    An exception cannot leave a destructor, such as the one that closes an abandoned generator:
    Python prints its traceback and forgets it.
    """
    report = sys.unraisablehook

    def retry_or_report(unraisable: sys.UnraisableHookArgs) -> None:
        error = unraisable.exc_value
        if isinstance(error, KeyboardInterrupt) and hasattr(signal, "setitimer"):
            _call_later(lambda _: _raise(type(error)))
        else:
            report(unraisable)

    sys.unraisablehook = retry_or_report


def raise_if_interrupted() -> None:
    """Raises the exception of an earlier signal again.

    A bare `except:` in a library may have swallowed it. Call this between two units of work.
    """
    if _received:
        raise _EXCEPTIONS[signal.Signals(_received[-1])]


def _handle(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if _is_logging(frame) and len(_received) < _MAX_RETRIES:
        _call_later(lambda later: _handle(number, later))
    else:
        _raise(_EXCEPTIONS[signal.Signals(number)])


def _raise(kind: type[BaseException]) -> None:
    raise kind


def _call_later(handle: Callable[[FrameType | None], None]) -> None:
    signal.signal(signal.SIGALRM, lambda _, frame: handle(frame))
    signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)


def _is_logging(frame: FrameType | None) -> bool:
    """Whether the main thread may hold a lock of the logging module.

    An exception between acquiring that lock and entering the `try` that releases it would leave
    it locked, and the tracking thread would wait for it forever.
    """
    while frame is not None and frame.f_code.co_filename != logging.__file__:
        frame = frame.f_back
    return frame is not None and hasattr(signal, "setitimer")

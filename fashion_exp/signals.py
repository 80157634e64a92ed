"""Ctrl-C and SIGTERM: what is open is closed and kept, wherever they come."""

from __future__ import annotations

import logging
import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises once it is heeded."""


_ERRORS = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
_asked: list[int] = []


def install_handlers(*signals: signal.Signals) -> None:
    """Has SIGTERM or SIGINT raise an error in the main thread, and be remembered."""
    for one in signals:
        signal.signal(one, _raise)


def raise_if_interrupted() -> None:
    """Raises once more what a library has swallowed: a bare `except:` takes any error for its own.

    For moments between two pieces of work.
    """
    if _asked:
        raise _ERRORS[signal.Signals(_asked[-1])]


def _raise(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    if _is_logging(frame) and len(_asked) < _PATIENCE:
        signal.signal(signal.SIGALRM, lambda _, later: _raise(number, later))
        signal.setitimer(signal.ITIMER_REAL, _A_MOMENT)
    else:
        raise _ERRORS[signal.Signals(number)]


_A_MOMENT = 0.01
"""Seconds."""
_PATIENCE = 100
"""Moments."""


def _is_logging(frame: FrameType | None) -> bool:
    """Whether the main thread may hold a lock of `logging`'s.

    An error raised between its taking and the `try` that gives it back would leave it taken, and
    the thread that speaks to the tracking store waiting for it for ever.
    """
    while frame is not None and frame.f_code.co_filename != logging.__file__:
        frame = frame.f_back
    return frame is not None and hasattr(signal, "setitimer")

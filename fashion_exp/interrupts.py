"""Ctrl-C and SIGTERM: what is open is closed and kept, wherever they come."""

from __future__ import annotations

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises once it is heeded."""


_ERRORS = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
_asked: list[int] = []


def heed(*signals: signal.Signals) -> None:
    """Has SIGTERM or SIGINT raise an error in the main thread, and be remembered."""
    for one in signals:
        signal.signal(one, _raise)


def stop_if_asked() -> None:
    """Raises once more what a library has swallowed: a bare `except:` takes any error for its own.

    For moments between two pieces of work.
    """
    if _asked:
        raise _ERRORS[signal.Signals(_asked[-1])]


def _raise(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    raise _ERRORS[signal.Signals(number)]

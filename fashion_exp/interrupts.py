"""SIGTERM, treated as Ctrl-C is."""

from __future__ import annotations

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises once it is heeded."""


def heed_sigterm() -> None:
    """Has SIGTERM end this process as Ctrl-C would: what is open is closed and kept."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated

"""A job in a process of its own, which ends when the sweep that started it does."""

from __future__ import annotations

import os
import signal
import sys
import threading

from fashion_exp.__main__ import console


def follow_the_sweep() -> None:
    """Stops this process, as Ctrl-C does, once the other end of its standard input is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    follow_the_sweep()
    console()

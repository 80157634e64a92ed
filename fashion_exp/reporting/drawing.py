"""Draws figures; a run does not fail because of them.

Matplotlib has its default settings, not those of the environment and the user's files. A figure
that cannot be drawn is a warning.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def optional_figure(file: Path) -> Iterator[Path]:
    """Yields `file` to be drawn within the block. An exception is logged, and removes the file.

    The numbers of a run are saved before its figures are drawn, and do not depend on them.
    """
    try:
        with default_settings():
            yield file
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        log.warning("figures/%s is missing: it cannot be drawn (%s)", file.name, reason[:300])
        log.debug("%s", file, exc_info=True)
        with suppress(OSError):
            file.unlink(missing_ok=True)


@contextmanager
def default_settings() -> Iterator[None]:
    """Matplotlib's default settings within the block."""
    import_matplotlib()
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def import_matplotlib() -> None:
    """Imports matplotlib even if MPLBACKEND names a backend that is not installed.

    Notebooks and IDEs set it for the processes that they start. The backend is only for windows,
    which figures here do not open; a valid one is kept for the user's own figures.
    """
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend

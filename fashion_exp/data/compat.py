"""A private convention of albumentations. The highest version checked is albumentations 2.0.8.

`tests/data/test_compat.py` fails when a later version no longer follows it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any


class _ImportedLater(ModuleType):
    """A module that is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


@cache
def import_albumentations() -> ModuleType:
    """albumentations, in half the time: without the client of the model hub, which nothing here
    uses, and without `scipy.special`, which one transform imports when it is applied."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise the import goes online
    with ExitStack() as stack:
        if "huggingface_hub" not in sys.modules:
            stack.enter_context(_not_installed("huggingface_hub"))
        if "scipy.special" not in sys.modules:
            stack.enter_context(_imported_later("scipy.special"))
        return importlib.import_module("albumentations")


@contextmanager
def _not_installed(name: str) -> Iterator[None]:
    """Inside, importing the module fails as if it were not installed."""
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _imported_later(name: str) -> Iterator[None]:
    """Inside, `from scipy import …` gives a stand-in of this module of SciPy."""
    import scipy

    attribute = name.removeprefix("scipy.")
    setattr(scipy, attribute, _ImportedLater(name))
    try:
        yield
    finally:
        delattr(scipy, attribute)  # SciPy imports it when it is asked for

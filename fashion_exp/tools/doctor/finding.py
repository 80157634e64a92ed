"""The result type of all checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A problem in the outputs."""

    what: str
    where: str
    remedy: str
    """What `fix` does, or what the user can do."""
    fix: Callable[[], object] | None = None
    """None if the user has to decide. It returns False if the problem remains."""

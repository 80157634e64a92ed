"""What the process of a job needs, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fashion_exp.configuration.schema import Config


@dataclass(frozen=True)
class JobSpec:
    folder: Path
    cfg: Config
    """Complete: no option is resolved later."""
    overrides: tuple[str, ...]
    """For the record of the run."""

"""Seconds of training of whole runs, each a command in a process of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.bench.runner import command


def training_seconds(*words: str) -> float:
    """Seconds that all trainings of one run took, start-up and conclusions apart."""
    with tempfile.TemporaryDirectory() as folder:
        command(*words, f"outputs={folder}", "cache.trainings=false")
        (result,) = Path(folder).glob("runs/*/result.json")
        return float(json.loads(result.read_text())["seconds"])

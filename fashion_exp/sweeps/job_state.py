"""How far a job has come, by the files that it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fashion_exp.atomic_io import read_json
from fashion_exp.experiment.job import FAILURE_FILE, PRUNED_FILE

State = Literal["finished", "failed", "pruned", "begun", "queued"]


def job_state(folder: Path) -> State:
    if (folder / FAILURE_FILE).exists():
        return "failed"
    if (folder / PRUNED_FILE).exists():
        return "pruned"
    if (folder / "unfinished").exists():
        return "begun"
    return "finished" if (folder / "result.json").exists() else "queued"


def failure(folder: Path) -> str:
    """Why a job failed, in a line."""
    told = read_json(folder / FAILURE_FILE)
    return " ".join(f"{told['kind']}: {told['reason']}".split())

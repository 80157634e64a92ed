"""How far a job has come, by the files that it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from fashion_exp.job import FAILURE_FILE, PRUNED_FILE

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
    told = json.loads((folder / FAILURE_FILE).read_text())
    return " ".join(f"{told['kind']}: {told['reason']}".split())

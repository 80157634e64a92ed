"""A sweep that is killed again and again, and what is left of it.

`python -m tests.sweeps.drill TIMES OVERRIDE …` kills the sweep of these overrides at TIMES random
moments (`scripts/bench sweeps`), and tells whether its end equals that of one left in peace.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fashion_exp.job import LOCK_FILE

TINY = ["dataset.per_class=20", "dataset.image_size=16", "training.epochs=2", "repeats=2",
        "training.threads=1"]  # fmt: skip
GRID = [*TINY, "optim.lr=1e-3,1e-4", "model.dropout=0,0.5"]


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass
class Drill:
    """A sweep's line with an output folder of its own, and what happened to it."""

    words: Sequence[str]
    outputs: Path
    finished: dict[str, int] = field(default_factory=dict)
    """When each job's result was written, to see that none is written twice."""
    repeated: set[str] = field(default_factory=set)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fashion_exp", "-m", *self.words, f"outputs={self.outputs}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> tuple[int, str]:
        """To the end: the exit code and what was said."""
        process = self.start()
        said, _ = process.communicate(timeout=1800)
        self.look()
        return process.returncode, said

    def kill_after(self, seconds: float, number: signal.Signals) -> bool:
        """Whether it was still running then; SIGKILL goes to the whole group."""
        process = self.start()
        try:
            process.communicate(timeout=seconds)
            alive = False
        except subprocess.TimeoutExpired:
            send = os.killpg if number == signal.SIGKILL else os.kill
            send(process.pid, number)
            process.communicate(timeout=120)
            alive = True
        self.look()
        return alive

    def look(self) -> None:
        """Notes which jobs are finished, and which were run again although they were."""
        for result in self.outputs.glob("sweeps/*/*/result.json"):
            if (result.parent / "unfinished").exists():
                continue
            written = result.stat().st_mtime_ns
            if self.finished.setdefault(result.parent.name, written) != written:
                self.repeated.add(result.parent.name)

    def outcome(self) -> dict[str, str]:
        """Of each job by its identity, a hash of its validation predictions."""
        files = self.outputs.glob("sweeps/*/*/validation_predictions.parquet")
        return {file.parent.name: _hash(pd.read_parquet(file)) for file in files}

    def statuses(self) -> dict[str, list[str]]:
        """Statuses in the tracking store, by the run's name."""
        with sqlite3.connect(self.outputs / "mlflow.db") as store:
            rows = store.execute("select name, status from runs").fetchall()
        told: dict[str, list[str]] = {}
        for name, status in rows:
            told.setdefault(name, []).append(status)
        return told


def at_work_in(job: Path) -> list[int]:
    """The processes that have the job's lock open."""
    found = []
    for file in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(file) == str(job / LOCK_FILE):
                found.append(int(file.parts[2]))
    return found


def _hash(frame: pd.DataFrame) -> str:
    text = frame.to_csv(index=False, float_format="%.9g")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main(times: int, words: Sequence[str]) -> int:
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        peace, war = Drill(words, Path(folder) / "peace"), Drill(words, Path(folder) / "war")
        began = time.monotonic()
        code, said = peace.run()
        took = time.monotonic() - began
        print(f"left in peace: {took:.0f} s, exit code {code}, {len(peace.outcome())} jobs")
        if not peace.outcome():
            print(said)
            return 1
        hits = 0
        for _ in range(times):
            wait, number = rng.uniform(3, max(6, took / 3)), rng.choice(SIGNALS)
            hit = war.kill_after(wait, number)
            hits += hit
            print(f"{number.name} after {wait:.1f} s: {len(war.finished)} finished", flush=True)
        code, said = war.run()
        same = war.outcome() == peace.outcome()
        running = [name for name, told in war.statuses().items() if "RUNNING" in told]
        print(f"killed {hits} times, then exit code {code}")
        print(f"same predictions: {same}; run twice: {len(war.repeated)}; RUNNING: {running}")
        return 0 if same and not war.repeated and not running else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

"""Sweeps under stress, by `scripts/bench sweeps WHAT …`:

kills TIMES OVERRIDE …   killed at TIMES random moments: does it end as one left in peace?
launchers OVERRIDE …     in-process, in processes, on Ray, by submitit, under Slurm: the same?
many COUNT               tiny jobs: do time and memory of a job stay as they are?
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
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fashion_exp.experiment.job import LOCK_FILE

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


def kills(times: int, words: Sequence[str], folder: Path) -> bool:
    """Whether a sweep killed so often ends as one left in peace."""
    rng = random.Random(0)
    peace, war = Drill(words, folder / "peace"), Drill(words, folder / "war")
    took = in_peace(peace)
    hits = 0
    for _ in range(times):
        wait, number = rng.uniform(3, max(6, took / 5)), rng.choice(SIGNALS)
        hits += war.kill_after(wait, number)
        print(f"{number.name} after {wait:.1f} s: {len(war.finished)} finished", flush=True)
    code, _ = war.run()
    same = war.outcome() == peace.outcome()
    running = [name for name, told in war.statuses().items() if "RUNNING" in told]
    print(f"killed {hits} times, then exit code {code}")
    print(f"same predictions: {same}; run twice: {len(war.repeated)}; RUNNING: {running}")
    return same and not war.repeated and not running


def launchers(words: Sequence[str], folder: Path) -> bool:
    """Whether a sweep comes to the same on every launcher; one of two Ray nodes is lost midway."""
    from tests.servers.slurm import slurm

    peace = Drill([*words, "training.threads=1"], folder / "inline")
    in_peace(peace)

    def told(name: str, drill: Drill, code: int, began: float) -> bool:
        same = code == 0 and drill.outcome() == peace.outcome()
        seconds = time.monotonic() - began
        print(f"{name}: {seconds:.0f} s, exit code {code}, same predictions: {same}", flush=True)
        return same

    def on(name: str, *more: str) -> bool:
        began = time.monotonic()
        drill = Drill([*peace.words, *more], folder / name.replace(" ", "-"))
        return told(name, drill, drill.run()[0], began)

    found = [
        on("two processes", "hydra/launcher=processes", "hydra.launcher.jobs=2"),
        on("submitit local", "hydra/launcher=slurm", "hydra.launcher.cluster=local"),
    ]
    (folder / "slurm").mkdir()
    with slurm(folder / "slurm"):
        found.append(on("a Slurm of one node", "hydra/launcher=slurm"))
    found.append(_two_ray_nodes(peace, folder / "ray", told))
    return all(found)


def _two_ray_nodes(peace: Drill, outputs: Path, told: Callable[..., bool]) -> bool:
    from ray.cluster_utils import Cluster

    began = time.monotonic()
    cluster = Cluster(True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        address = f"hydra.launcher.address='{cluster.address}'"
        drill = Drill([*peace.words, "hydra/launcher=ray", address], outputs)
        sweep = drill.start()
        while not drill.finished and sweep.poll() is None:
            time.sleep(0.5)
            drill.look()
        cluster.remove_node(second, allow_graceful=False)
        said, _ = sweep.communicate(timeout=1800)
    finally:
        cluster.shutdown()
    print(f"jobs that got lost: {said.count('got lost')}")
    return told("two Ray nodes, one lost", drill, sweep.returncode, began)


def many(count: int, folder: Path) -> bool:
    """Seconds and memory of the first and the last jobs of many tiny ones, as their logs tell."""
    rates = ",".join(f"{1e-3 * (1 + place / 1000):.6f}" for place in range(count))
    words = [*TINY, "repeats=1", "training.epochs=1", f"optim.lr={rates}"]
    drill = Drill(words, folder)
    sweep = drill.start()
    said = threading.Thread(target=sweep.communicate)
    said.start()
    memory = []
    status = Path(f"/proc/{sweep.pid}/status")
    while said.is_alive():
        with suppress(OSError, IndexError, ValueError):
            kilobytes = status.read_text().split("VmRSS:")[1].split()[0]
            ended = len(list(folder.glob("sweeps/*/*/result.json")))
            memory.append((ended, int(kilobytes) / 1024))
        time.sleep(2)
    ends = sorted(f.stat().st_mtime for f in folder.glob("sweeps/*/*/result.json"))
    tenth = max(2, len(ends) // 10)
    first, last = ((part[-1] - part[0]) / (tenth - 1) for part in (ends[:tenth], ends[-tenth:]))
    early = [size for ended, size in memory if tenth <= ended < 2 * tenth]
    late = [size for ended, size in memory if ended >= len(ends) - tenth]
    print(f"{len(ends)} of {count} jobs, exit code {sweep.returncode}")
    print(f"seconds a job: first tenth {first:.2f}, last tenth {last:.2f}")
    if early and late:
        print(f"memory: second tenth {max(early):.0f} MB, last tenth {max(late):.0f} MB")
    began = time.monotonic()
    command = [sys.executable, "-m", "fashion_exp", "sweep", "status", "--outputs", str(folder)]
    shown = subprocess.run(command, capture_output=True, text=True)
    lines = len(shown.stdout.splitlines())
    print(f"sweep status: {lines} lines in {time.monotonic() - began:.1f} s")
    return len(ends) == count and last < 1.5 * first


def in_peace(drill: Drill) -> float:
    """Seconds that the sweep takes; ends the program with what it said if it fails."""
    began = time.monotonic()
    code, said = drill.run()
    if not drill.outcome():
        sys.exit(said)
    took = time.monotonic() - began
    print(f"left in peace: {took:.0f} s, exit code {code}, {len(drill.outcome())} jobs", flush=True)
    return took


def main(what: str, *words: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        if what == "kills":
            return kills(int(words[0]), words[1:], Path(folder))
        if what == "launchers":
            return launchers(words, Path(folder))
        if what == "many":
            return many(int(words[0]), Path(folder))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))

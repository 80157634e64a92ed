"""Runs sweeps under stress. Usage: `scripts/bench sweeps COMMAND …`

kills COUNT OVERRIDE …   kills a sweep COUNT times at random; checks that the result is the same
launchers OVERRIDE …     runs a sweep with every launcher; checks that the results are the same
many COUNT               runs many tiny jobs; checks that time and memory per job stay constant
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
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fashion_exp.evaluation.run_dir import LOCK_FILE
from tests import warm_process

TINY = ["dataset.per_class=20", "dataset.image_size=16", "training.epochs=2", "repeats=2",
        "training.threads=1"]  # fmt: skip

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass
class SweepCommand:
    """The command line of a sweep with its own outputs folder, and the results it left there."""

    overrides: Sequence[str]
    outputs: Path
    results: dict[str, int] = field(default_factory=dict)
    """When the result of each finished job was written, in ns, by job hash."""
    rewritten: set[str] = field(default_factory=set)
    """Hashes of jobs whose result was written again although they were finished."""
    is_warm: bool = True
    """Whether its processes start with everything imported."""

    @property
    def arguments(self) -> list[str]:
        return ["-m", *self.overrides, f"outputs={self.outputs}"]

    def start(self) -> subprocess.Popen[str]:
        if self.is_warm:
            return warm_process.start(self.arguments, stderr=subprocess.STDOUT, new_session=True)
        return subprocess.Popen(
            [sys.executable, "-m", "fashion_exp", *self.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self) -> tuple[int, str]:
        """Runs to the end; returns the exit code and the output."""
        process = self.start()
        output, _ = process.communicate(timeout=1800)
        self.check_results()
        return process.returncode, output

    def kill_when(self, event: Callable[[], bool], number: signal.Signals) -> bool:
        """Starts the sweep and sends the signal at the event; whether it was still running.

        SIGKILL goes to all processes of the sweep, other signals to the first one.
        """
        process = self.start()
        while process.poll() is None and not event():
            time.sleep(0.02)
        is_running = process.poll() is None
        if is_running:
            send = os.killpg if number == signal.SIGKILL else os.kill
            send(process.pid, number)
        process.communicate(timeout=120)
        self.check_results()
        return is_running

    def finished_jobs(self) -> list[Path]:
        results = self.outputs.glob("sweeps/*/*/result.json")
        return [file.parent for file in results if not (file.parent / "unfinished").exists()]

    def has_begun_after(self, finished: int) -> bool:
        """Whether this many jobs are finished and another one is in training."""
        begun = any(self.outputs.glob("sweeps/*/*/unfinished"))
        return begun and len(self.finished_jobs()) >= finished

    def check_results(self) -> None:
        """Updates `results` and `rewritten` from the outputs folder."""
        for job in self.finished_jobs():
            written = (job / "result.json").stat().st_mtime_ns
            if self.results.setdefault(job.name, written) != written:
                self.rewritten.add(job.name)

    def outcome(self) -> dict[str, str]:
        """A hash of the validation predictions of each job, by job hash."""
        files = self.outputs.glob("sweeps/*/*/validation_predictions.parquet")
        return {file.parent.name: _hash(pd.read_parquet(file)) for file in files}

    def statuses(self) -> dict[str, list[str]]:
        """Statuses in the tracking store, by run name."""
        with sqlite3.connect(self.outputs / "mlflow.db") as store:
            rows = store.execute("select name, status from runs").fetchall()
        statuses = defaultdict(list)
        for name, status in rows:
            statuses[name].append(status)
        return dict(statuses)


def job_processes(job: Path) -> list[int]:
    """Ids of the processes that have the job's lock file open."""
    processes = []
    for file in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(file) == str(job / LOCK_FILE):
                processes.append(int(file.parts[2]))
    return processes


def _hash(frame: pd.DataFrame) -> str:
    text = frame.to_csv(index=False, float_format="%.9g")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _after(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


def check_kills(count: int, overrides: Sequence[str], folder: Path) -> bool:
    """Whether a sweep that is killed `count` times gives the result of an uninterrupted one."""
    rng = random.Random(0)
    reference = SweepCommand(overrides, folder / "reference", is_warm=False)
    killed = SweepCommand(overrides, folder / "killed", is_warm=False)
    seconds = _run_reference(reference)
    hits = 0
    for _ in range(count):
        delay, number = rng.uniform(3, max(6, seconds / 5)), rng.choice(SIGNALS)
        hits += killed.kill_when(_after(delay), number)
        print(f"{number.name} after {delay:.1f} s: {len(killed.results)} finished", flush=True)
    code, _ = killed.run()
    is_same = killed.outcome() == reference.outcome()
    running = [name for name, statuses in killed.statuses().items() if "RUNNING" in statuses]
    print(f"killed {hits} times, then exit code {code}")
    print(f"same predictions: {is_same}; rerun: {len(killed.rewritten)}; RUNNING: {running}")
    return is_same and not killed.rewritten and not running


def check_launchers(overrides: Sequence[str], folder: Path) -> bool:
    """Whether a sweep gives the same result with every launcher; one of two Ray nodes is lost."""
    from tests.servers.slurm import slurm

    reference = SweepCommand([*overrides, "training.threads=1"], folder / "inline", is_warm=False)
    _run_reference(reference)

    def check(name: str, run: Callable[[SweepCommand], int], *more: str) -> bool:
        start = time.monotonic()
        outputs = folder / name.replace(" ", "-")
        sweep = SweepCommand([*reference.overrides, *more], outputs, is_warm=False)
        code = run(sweep)
        is_same = code == 0 and sweep.outcome() == reference.outcome()
        seconds = time.monotonic() - start
        print(f"{name}: {seconds:.0f} s, exit code {code}, same predictions: {is_same}", flush=True)
        return is_same

    def run(sweep: SweepCommand) -> int:
        return sweep.run()[0]

    checks = [
        check("two processes", run, "hydra/launcher=processes", "hydra.launcher.jobs=2"),
        check("submitit local", run, "hydra/launcher=slurm", "hydra.launcher.cluster=local"),
    ]
    (folder / "slurm").mkdir()
    with slurm(folder / "slurm"):
        checks.append(check("a Slurm of one node", run, "hydra/launcher=slurm"))
    checks.append(check("two Ray nodes, one lost", _run_with_lost_node, "hydra/launcher=ray"))
    return all(checks)


def _run_with_lost_node(sweep: SweepCommand) -> int:
    """Runs a sweep on two Ray nodes, one of which is removed when the first job has finished."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)
        sweep.overrides = [*sweep.overrides, f"hydra.launcher.address='{cluster.address}'"]
        process = sweep.start()
        while process.poll() is None and not sweep.finished_jobs():
            time.sleep(0.5)
        cluster.remove_node(second, allow_graceful=False)
        output, _ = process.communicate(timeout=1800)
    finally:
        cluster.shutdown()
    print(f"lost jobs: {output.count('was lost')}")
    return process.returncode


def check_many(count: int, folder: Path) -> bool:
    """Whether the last of many tiny jobs are as fast as the first. Prints time and memory."""
    rates = ",".join(f"{1e-3 * (1 + index / 1000):.6f}" for index in range(count))
    overrides = [*TINY, "repeats=1", "training.epochs=1", f"optim.lr={rates}"]
    sweep = SweepCommand(overrides, folder, is_warm=False)
    process = sweep.start()
    reader = threading.Thread(target=process.communicate)
    reader.start()
    memory = []
    status = Path(f"/proc/{process.pid}/status")
    while reader.is_alive():
        with suppress(OSError, IndexError, ValueError):
            kilobytes = status.read_text().split("VmRSS:")[1].split()[0]
            memory.append((len(sweep.finished_jobs()), int(kilobytes) / 1024))
        time.sleep(2)
    ends = sorted((job / "result.json").stat().st_mtime for job in sweep.finished_jobs())
    tenth = max(2, len(ends) // 10)
    first, last = ((part[-1] - part[0]) / (tenth - 1) for part in (ends[:tenth], ends[-tenth:]))
    early = [size for finished, size in memory if tenth <= finished < 2 * tenth]
    late = [size for finished, size in memory if finished >= len(ends) - tenth]
    print(f"{len(ends)} of {count} jobs, exit code {process.returncode}")
    print(f"seconds per job: first tenth {first:.2f}, last tenth {last:.2f}")
    if early and late:
        print(f"memory: second tenth {max(early):.0f} MB, last tenth {max(late):.0f} MB")
    start = time.monotonic()
    command = [sys.executable, "-m", "fashion_exp", "sweep", "status", "--outputs", str(folder)]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    print(f"sweep status: {len(lines)} lines in {time.monotonic() - start:.1f} s")
    return len(ends) == count and last < 1.5 * first


def _run_reference(sweep: SweepCommand) -> float:
    """Runs a sweep without interruption; returns the seconds. Exits if no job finishes."""
    start = time.monotonic()
    code, output = sweep.run()
    if not sweep.outcome():
        sys.exit(output)
    seconds = time.monotonic() - start
    print(f"reference: {seconds:.0f} s, exit code {code}, {len(sweep.outcome())} jobs", flush=True)
    return seconds


def main(command: str, *arguments: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        if command == "kills":
            return check_kills(int(arguments[0]), arguments[1:], Path(folder))
        if command == "launchers":
            return check_launchers(arguments, Path(folder))
        if command == "many":
            return check_many(int(arguments[0]), Path(folder))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))

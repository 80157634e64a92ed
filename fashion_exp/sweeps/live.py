"""What a sweep in several processes shows while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fashion_exp.reporting.formats import duration, percent
from fashion_exp.results import load_result
from fashion_exp.sweeps.jobs import SweepJob, failure, job_state

MOST_RUNNING = 8
LOG = "console.log"
"""In a job's folder: what it said."""


class LiveTable:
    """Done, running, failed, queued, the best so far, the time left; a line a job where no
    terminal is."""

    def __init__(self, jobs: Sequence[SweepJob]) -> None:
        self._jobs = jobs
        self._console = Console()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._running: dict[str, tuple[SweepJob, float]] = {}
        self._ended: Counter[str] = Counter()
        self._best: tuple[float, SweepJob] | None = None
        self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=2)

    def __enter__(self) -> LiveTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def started(self, job: SweepJob, attempt: int) -> None:
        with self._lock:
            self._running[job.hash] = job, time.monotonic()
        if attempt:
            self._say(f"{job.cell}: its process died; trying again")

    def ended(self, job: SweepJob) -> None:
        state = job_state(job.folder)
        with self._lock:
            _, began = self._running.pop(job.hash)
            self._ended[state] += 1
            if state == "finished":
                accuracy = load_result(job.folder).evidence("validation").accuracy.estimate or 0.0
                if self._best is None or accuracy > self._best[0]:
                    self._best = accuracy, job
        if state == "finished":
            told = f"validation {percent(accuracy)}"
        else:
            told = f"failed: {failure(job.folder)}"
        count = f"{sum(self._ended.values())} of {len(self._jobs)}"
        self._say(f"{count}  {job.cell}  {told}  {duration(time.monotonic() - began)}")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def _table(self) -> Table:
        with self._lock:
            running = list(self._running.values())
            ended, best = Counter(self._ended), self._best
        table = Table.grid(padding=(0, 2))
        done, now = sum(ended.values()), time.monotonic()
        queued = len(self._jobs) - done - len(running)
        left = (now - self._began) / done * (len(self._jobs) - done) if done else None
        counts = [f"{ended['finished']} done", f"{len(running)} running", f"{queued} queued"]
        counts += [f"{ended['failed']} failed"] if ended["failed"] else []
        table.add_row(
            ", ".join(counts),
            f"best so far {percent(best[0])} ({best[1].cell})" if best else "",
            f"about {duration(left)} left" if left is not None else "",
        )
        for job, began in running[:MOST_RUNNING]:
            table.add_row(f"  {job.cell}", _last_line(job), duration(now - began))
        return table


def _last_line(job: SweepJob) -> str:
    """What a job said last."""
    try:
        with open(job.folder / LOG, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 500))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:100]

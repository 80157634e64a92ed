"""What a sweep shows while it runs."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fashion_exp.evaluation.results import load_result
from fashion_exp.experiment.job import is_running
from fashion_exp.reporting.formats import duration, percent
from fashion_exp.sweeps.job_state import failure, job_state
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Ended
from fashion_exp.sweeps.launchers.job_process import LOG

MOST_RUNNING = 8
_RATE = re.compile(r"([\d.,]+) images/s")


class LiveTable:
    """Done, running, failed, queued, the best so far, images a second, the time left.

    Below, a line for each running job with what it said last. Where no terminal is, each job's
    end is a line.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        # A job that runs in this process has its own output elsewhere for as long.
        self._console = Console(file=sys.stdout)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._handed: dict[str, tuple[SweepJob, float]] = {}
        self._ended: Counter[str] = Counter()
        self._best: tuple[float, SweepJob] | None = None
        self._live = Live(
            console=self._console, get_renderable=self._table, refresh_per_second=2,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

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

    def handed_over(self, job: SweepJob) -> None:
        with self._lock:
            self._handed[job.hash] = job, time.monotonic()

    def lost(self, end: Ended) -> None:
        with self._lock:
            self._handed.pop(end.job.hash)
        self._say(f"{end.job.cell}: {end.lost}; trying again")

    def ended(self, job: SweepJob) -> None:
        with self._lock:
            _, began = self._handed.pop(job.hash)
        self._count(job, duration(time.monotonic() - began))

    def known(self, job: SweepJob) -> None:
        """That it need not be run, because it was before."""
        self._count(job, "run before")

    def _count(self, job: SweepJob, when: str) -> None:
        state = job_state(job.folder)
        told = f"failed: {failure(job.folder)}" if state == "failed" else state
        with self._lock:
            self._ended[state] += 1
            if state == "finished":
                accuracy = load_result(job.folder).summary("validation").accuracy.estimate or 0.0
                told = f"validation {percent(accuracy)}"
                if self._best is None or accuracy > self._best[0]:
                    self._best = accuracy, job
        self._say(f"{sum(self._ended.values())} of {self._total}  {job.cell}  {told}  {when}")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def _table(self) -> Group:
        with self._lock:
            handed = list(self._handed.values())
            ended, best = Counter(self._ended), self._best
        running = [(job, began) for job, began in handed if is_running(job.folder)]
        said = [_last_line(job) for job, _ in running]
        rates = [float(rate[1].replace(",", "")) for line in said if (rate := _RATE.search(line))]
        done, now = sum(ended.values()), time.monotonic()
        left = (now - self._began) / done * (self._total - done) if done else None
        counts = [
            f"{ended['finished']} done", f"{len(running)} running",
            f"{self._total - done - len(running)} queued",
            *(f"{ended[state]} {state}" for state in ("failed", "pruned") if ended[state]),
        ]  # fmt: skip
        head = [
            ", ".join(counts),
            f"{sum(rates):,.0f} images/s" if rates else "",
            f"about {duration(left)} left" if left is not None else "",
            f"best so far {percent(best[0])} ({best[1].cell})" if best else "",
        ]
        table = Table.grid(padding=(0, 2), expand=True)
        for ratio in (2, 3, None):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for (job, began), line in zip(running[:MOST_RUNNING], said, strict=False):
            # Text, not str: a list of classes looks like markup.
            table.add_row(Text(f"  {job.cell}"), Text(line), duration(now - began))
        summary = Text("  ".join(filter(None, head)), no_wrap=True, overflow="ellipsis")
        return Group(summary, table)


def _last_line(job: SweepJob) -> str:
    """What a job said last."""
    try:
        with open(job.folder / LOG, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 500))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

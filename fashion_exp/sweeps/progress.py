"""The progress table of a running sweep."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fashion_exp.comparison.training_share import training_share
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.formats import duration, percent

if TYPE_CHECKING:
    from fashion_exp.sweeps.jobs import SweepJob
    from fashion_exp.sweeps.launchers import JobEnd

MAX_RUNNING_ROWS = 8
_IMAGE_RATE = re.compile(r"([\d.,]+) images/s")


class ProgressTable:
    """Shows counts by state, the best job, images per second and the remaining time.

    Each running job has a row with the last line of its log. Each job that ends prints a line;
    without a terminal, these lines are the only output.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        # Created now: a job that runs in this process redirects sys.stdout later.
        self._console = plain_console(file=sys.stdout)
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._submitted: dict[str, tuple[SweepJob, float]] = {}
        self._ended: Counter[str] = Counter()
        self._best: tuple[float, float, SweepJob] | None = None
        """Training share, validation accuracy, job: smaller shares do not compete."""
        self._live = Live(
            console=self._console, get_renderable=self._render, refresh_per_second=2,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> ProgressTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def job_submitted(self, job: SweepJob) -> None:
        with self._lock:
            self._submitted[job.hash] = job, time.monotonic()

    def job_crashed(self, end: JobEnd) -> None:
        """The job will be submitted again."""
        with self._lock:
            self._submitted.pop(end.job.hash)
        self._print(f"{end.job.name}: {end.crash}; trying again")

    def job_ended(self, job: SweepJob) -> None:
        with self._lock:
            _, start = self._submitted.pop(job.hash)
        self._count(job, duration(time.monotonic() - start))

    def job_reused(self, job: SweepJob) -> None:
        """The job had ended before and was not submitted."""
        self._count(job, "run before")

    def _count(self, job: SweepJob, note: str) -> None:
        state = job.state
        outcome = f"failed: {RunDir(job.folder).failure}" if state == "failed" else state
        with self._lock:
            self._ended[state] += 1
            if state == "finished":
                accuracy = load_result(job.folder).summary("validation").accuracy.estimate or 0.0
                outcome = f"validation {percent(accuracy)}"
                share = training_share(dict(flatten_options(to_plain(job.cfg)))) or 0.0
                if self._best is None or (share, accuracy) > self._best[:2]:
                    self._best = share, accuracy, job
        self._print(f"{sum(self._ended.values())} of {self._total}  {job.name}  {outcome}  {note}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _render(self) -> Group:
        with self._lock:
            submitted = list(self._submitted.values())
            ended, best = Counter(self._ended), self._best
        running = [(job, start) for job, start in submitted if RunDir(job.folder).is_running]
        lines = [_last_log_line(job) for job, _ in running]
        rates = [
            float(rate[1].replace(",", "")) for line in lines if (rate := _IMAGE_RATE.search(line))
        ]
        done, now = sum(ended.values()), time.monotonic()
        counts = [
            f"{ended['finished']} done", f"{len(running)} running",
            f"{self._total - done - len(running)} queued",
            *(f"{ended[state]} {state}" for state in ("failed", "pruned") if ended[state]),
        ]  # fmt: skip
        summary = [", ".join(counts)]
        if rates:
            summary.append(f"{sum(rates):,.0f} images/s")
        if done:
            remaining = (now - self._start) / done * (self._total - done)
            summary.append(f"about {duration(remaining)} left")
        if best:
            summary.append(f"best so far {percent(best[1])} ({best[2].name})")
        table = Table.grid(padding=(0, 2), expand=True)
        for ratio in (2, 3, None):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for (job, start), line in zip(running[:MAX_RUNNING_ROWS], lines, strict=False):
            # Text, because rich would read a list of classes as markup.
            table.add_row(Text(f"  {job.name}"), Text(line), duration(now - start))
        return Group(Text("  ".join(summary), no_wrap=True, overflow="ellipsis"), table)


def _last_log_line(job: SweepJob) -> str:
    """The last line that a job printed that is not blank."""
    try:
        with open(RunDir(job.folder).console_file, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 500))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

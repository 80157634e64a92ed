"""What a sweep knows of itself, beside its jobs' folders."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from fashion_exp.atomic_io import is_locked, read_json, write_text
from fashion_exp.errors import InputError
from fashion_exp.experiment.job import LOCK_FILE, LOCK_PATIENCE

if TYPE_CHECKING:  # it loads torch, for which a look at the sweeps need not wait
    from fashion_exp.sweeps.jobs import SweepJob

FILE = "sweep.json"
BOARD = "leaderboard.csv"


@dataclass
class Ledger:
    """`sweep.json`: the tracked parent, the line last typed, and the code of each job."""

    line: list[str]
    uri: str = ""
    parent: str = ""
    experiment: str = ""
    """MLflow id of the experiment that the parent stands in."""
    begun_as: str = ""
    """What the parent can be found by in the store, where its id could not be kept."""
    study: str = ""
    """What a search is called where its trials are kept: one for each time that it starts over."""
    threads: int | None = None
    """CPU threads of a job, as the launcher of the first line had it: they change last digits."""
    left: int | None = None
    """Jobs that the same line would run; None while it has not come to its end."""
    jobs: dict[str, str] = field(default_factory=dict)
    """The swept values of each job that a line has asked for, by its hash."""
    code: dict[str, str] = field(default_factory=dict)
    """The commit that a job was last run with, by its hash."""

    def write(self, sweep: Path) -> None:
        write_text(sweep / FILE, json.dumps(asdict(self), indent=1))


def read_ledger(sweep: Path) -> Ledger | None:
    """None where no sweep has begun."""
    file = sweep / FILE
    if not file.is_file():
        return None
    told = read_json(file)
    known = {one.name for one in fields(Ledger)}  # a newer version may keep more
    return Ledger(**{"line": []} | {name: told[name] for name in told if name in known})


def ledger_of(sweep: Path) -> Ledger:
    """Of one that has begun."""
    ledger = read_ledger(sweep)
    assert ledger is not None
    return ledger


@contextmanager
def held(sweep: Path) -> Iterator[None]:
    """The sweep is this process's own; raises `InputError` where another one drives it."""
    sweep.mkdir(parents=True, exist_ok=True)
    lock = FileLock(sweep / LOCK_FILE, timeout=LOCK_PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{sweep}: another process is running this sweep; wait for it, or give this one a "
            "name with sweep.name=…"
        ) from None
    try:
        yield
    finally:
        lock.release()


def note_jobs(sweep: Path, jobs: Sequence[SweepJob], commit: str | None = None) -> None:
    """Keeps which jobs there are, and the `commit` that those not finished are run with."""
    ledger = ledger_of(sweep)
    ledger.jobs |= {job.hash: job.cell for job in jobs}
    if commit is not None:
        ledger.code |= {job.hash: commit for job in jobs if job.state != "finished"}
    ledger.write(sweep)


def is_driven(sweep: Path) -> bool:
    """Whether a process is running the sweep."""
    return is_locked(sweep / LOCK_FILE)


def note_left(sweep: Path, count: int) -> None:
    """Keeps that the line came to its end, and how many jobs the same line would run."""
    ledger = ledger_of(sweep)
    ledger.left = count
    ledger.write(sweep)


def set_aside(sweep: Path) -> Path | None:
    """Moves what an earlier sweep of the same name left out of the way; None where nothing is.

    The lock stays where it is: who waits for it waits for this very folder. Raises `InputError`
    where jobs of the earlier sweep are at work still.
    """
    for lock in sweep.glob(f"*/{LOCK_FILE}"):
        if is_locked(lock):
            raise InputError(
                f"sweep.fresh: {lock.parent}: a process is at work there; wait for it, or stop it"
            )
    left = [path for path in sweep.iterdir() if path.name != LOCK_FILE]
    if not left:
        return None
    aside = sweep.with_name(f"{sweep.name}-until-{time.strftime('%Y%m%d-%H%M%S')}")
    aside.mkdir()
    for path in left:
        path.rename(aside / path.name)
    return aside


def changed_code(ledger: Ledger, finished: Sequence[str], commit: str) -> int:
    """How many of the finished jobs were run by another version of the code."""
    return sum(ledger.code.get(job, commit) != commit for job in finished)

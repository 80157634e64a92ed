"""Where things are written, and how often a test set has been looked at."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from filelock import FileLock

from fashion_exp.atomic_io import write_text
from fashion_exp.errors import InputError

OUTPUTS_ID = ".id"
PACKAGE = Path(__file__).resolve().parent


def checkout_root() -> Path | None:
    """The checkout this package is run from; None if it is installed."""
    root = PACKAGE.parent
    return root if (root / "conf").is_dir() and (root / "pyproject.toml").is_file() else None


def conf_dir() -> Path:
    """`conf/` of the checkout, or its copy inside of the installed package."""
    shipped = PACKAGE / "conf"
    return shipped if shipped.is_dir() else PACKAGE.parent / "conf"


def install_command(extra: str) -> str:
    """The line that adds an extra of pyproject.toml to what this runs with."""
    return f"scripts/setup {extra}" if checkout_root() else f"pip install 'fashion_exp[{extra}]'"


def outputs_dir(knob: str | None) -> Path:
    """The absolute folder that `outputs` means: the same for every run of a checkout."""
    if knob is not None:
        return Path(knob).expanduser().resolve()
    return (checkout_root() or Path.cwd()) / "outputs"


def new_run_token(outputs: Path) -> str:
    """A new word by which a tracked run is found again, and that it is of these outputs."""
    file = outputs / OUTPUTS_ID
    if not file.exists():
        outputs.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f"{OUTPUTS_ID}.lock")):
            if not file.exists():
                write_text(file, secrets.token_hex(8))
    return f"{outputs_id(outputs)}-{secrets.token_hex(8)}"


def outputs_id(outputs: Path) -> str:
    """What tells these outputs from all others, and from a copy of them; empty where nothing was
    begun in them."""
    file = outputs / OUTPUTS_ID
    if not file.exists():
        return ""
    own = f"{file.read_text(encoding='utf-8')}:{outputs.resolve()}"
    return hashlib.sha256(own.encode()).hexdigest()[:12]


def with_outputs_option(command: str, outputs: Path) -> str:
    """A line of ours, told where the outputs are if that is not where it would look."""
    if outputs == outputs_dir(None):
        return command
    return f"{command} --outputs {shlex.quote(str(outputs))}"


def check_writable(outputs: Path) -> None:
    """Raises `InputError` where nothing can be written there; makes nothing."""
    place = next(path for path in (outputs, *outputs.parents) if path.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        reason = "may not be written to" if place.is_dir() else "is a file"
        raise InputError(f"outputs={outputs}: {place} {reason}; outputs=FOLDER names another place")


def unique_name(name: str) -> str:
    """A folder's name that no other run has: time, a word, and chance."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


def record_test_evaluation(
    outputs: Path, test_hash: str, run: str, trainings: Collection[str] = ()
) -> int:
    """Notes that a run's results on a test set are read; gives how many different runs did.

    A result chosen after many looks at one test set is too good by chance: the count stands
    beside it. Reading the same run again is no new look, and neither is reading a run all of whose
    `trainings`, by their identities, were taken over from runs that have been read: it shows no
    prediction that nobody knows.
    """
    ledger = outputs / "test_looks.jsonl"
    outputs.mkdir(parents=True, exist_ok=True)
    with FileLock(ledger.with_name(".test_looks.lock")):
        lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
        looks = [look for look in map(_look, lines) if look.get("test_hash") == test_hash]
        runs = {look["run"] for look in looks}
        known = {one for look in looks for one in look.get("trainings", ())}
        if trainings and known.issuperset(trainings):
            return len(runs)
        if run not in runs:
            now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            entry = {"time": now, "test_hash": test_hash, "run": run, "trainings": [*trainings]}
            with open(ledger, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
                file.flush()
                os.fsync(file.fileno())
    return len(runs | {run})


def _look(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:  # a line cut off by a crash
        return {}

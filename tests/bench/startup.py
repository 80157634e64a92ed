"""Start-up: seconds of `--help`, and from a command to the end of the first epoch of basic_cnn.

The epoch has two training steps, and the pixels are cached. `import torch` is measured beside it,
because no training can start faster.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial

from tests.bench.runner import (
    COMMAND,
    ENVIRONMENT,
    REPOSITORY,
    Figure,
    alternate,
    check_exit_code,
    ratio_figure,
    run_command,
)


def measure(quick: bool) -> list[Figure]:
    turns = 2 if quick else 5
    help_seconds = tuple(run_command("--help") for _ in range(turns))
    first_epoch = "to the end of the first epoch, s"
    with tempfile.TemporaryDirectory() as outputs:
        overrides = (
            "dataset.per_class=20", "training.batch_size=32", "training.epochs=1", "repeats=1",
            "cache.trainings=false", f"outputs={outputs}",
        )  # fmt: skip
        run_command(*overrides)  # creates the database and caches the pixels
        parts = alternate(
            {
                first_epoch: partial(_seconds_to_first_epoch, *overrides),
                "import torch, s": _import_torch,
            },
            turns,
        )
    return [
        Figure("--help", help_seconds, "s", at_most=1),
        Figure(
            "from a command to the end of the first epoch of basic_cnn", parts[first_epoch], "s",
            at_most=2.5, parts=parts,
        ),
        ratio_figure("the same vs. `import torch`", parts),
    ]  # fmt: skip


def _seconds_to_first_epoch(*overrides: str) -> float:
    """Seconds until a run of one epoch prints the result of the epoch."""
    start = time.perf_counter()
    with subprocess.Popen(
        [*COMMAND, *overrides], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=REPOSITORY, env=ENVIRONMENT | {"PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [(line, time.perf_counter() - start) for line in process.stdout]
    check_exit_code(process.returncode, overrides, "".join(line for line, _ in lines))
    return next(seconds for line, seconds in lines if line.startswith("epoch 1/1"))


def _import_torch() -> None:
    """Imports torch in a new process, which then ends without freeing its memory, as ours do."""
    subprocess.run([sys.executable, "-c", "import os, torch; os._exit(0)"], check=True)

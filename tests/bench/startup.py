"""Start-up: seconds of `--help`, and from a command to the first training step of basic_cnn.

The pixels are cached. `import torch` is measured beside it, because no training can start faster.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial

from tests.bench.runner import (
    ENVIRONMENT,
    REPOSITORY,
    Figure,
    alternate,
    ratio_figure,
    run_command,
)

FIRST_STEP = """
import os
from contextlib import contextmanager
from fashion_exp.__main__ import main
from fashion_exp.experiment import worker

imports = worker.imports_without_garbage_collection

@contextmanager
def imports_and_patch():
    with imports():
        yield
        import torch
        torch.Tensor.backward = lambda *args, **options: os._exit(0)

worker.imports_without_garbage_collection = imports_and_patch
main()
"""
"""Ends at the first call of `loss.backward()`. The command imports torch itself, as it always does:
without looking for garbage meanwhile."""


def measure(quick: bool) -> list[Figure]:
    turns = 2 if quick else 5
    help_seconds = tuple(run_command("--help") for _ in range(turns))
    first_step = "to the first training step, s"
    with tempfile.TemporaryDirectory() as outputs:
        overrides = (
            "dataset.per_class=20", "training.batch_size=32", "training.epochs=1", "repeats=1",
            "cache.trainings=false", f"outputs={outputs}",
        )  # fmt: skip
        run_command(*overrides)  # creates the database and caches the pixels
        parts = alternate(
            {
                first_step: partial(_run_python, FIRST_STEP, *overrides),
                "import torch, s": partial(_run_python, "import os, torch; os._exit(0)"),
            },
            turns,
        )
    return [
        Figure("--help", help_seconds, "s", at_most=1),
        Figure(
            "from a command to the first training step of basic_cnn", parts[first_step], "s",
            at_most=2.5, parts=parts,
        ),
        ratio_figure("the same vs. `import torch`", parts, at_most=2.5 / 1.6),
    ]  # fmt: skip


def _run_python(code: str, *arguments: str) -> None:
    """Runs it in a new process, which ends without freeing its memory, as ours do."""
    subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True,
        cwd=REPOSITORY, env=ENVIRONMENT,
    )  # fmt: skip

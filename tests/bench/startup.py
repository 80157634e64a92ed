"""Seconds to `--help`, and from a warm command to the end of a training of two steps."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from tests.bench.runner import REPOSITORY, Figure, command


def measure(quick: bool) -> list[Figure]:
    turns = 2 if quick else 5
    helped = tuple(command("--help") for _ in range(turns))
    with tempfile.TemporaryDirectory() as folder:
        words = ("dataset.per_class=20", "training.batch_size=32", "training.epochs=1", "repeats=1",
                 "cache.trainings=false", f"outputs={folder}")  # fmt: skip
        command(*words)
        trained = tuple(_until_trained(*words) for _ in range(turns))
    return [
        Figure("--help", helped, "s", at_most=1),
        Figure("to the end of two steps of a warm basic_cnn", trained, "s", at_most=8),
    ]


def _until_trained(*words: str) -> float:
    """Seconds until the first epoch is told."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "fashion_exp", *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        told = next(line for line in process.stdout if line.startswith("epoch 1/1"))
        seconds = time.perf_counter() - began
        assert told and process.stdout.read() is not None
    return seconds

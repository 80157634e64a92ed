"""Parts of a long computation that are kept, so that the same call continues after a kill."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from fashion_exp.atomic_io import atomic_write
from fashion_exp.cache.provenance import library_versions, source_hash
from fashion_exp.data.parallel import map_in_processes
from fashion_exp.reporting.progress import Tick
from fashion_exp.signals import raise_if_interrupted

Task = TypeVar("Task")
SOURCE_DEPENDENCIES = (
    "active/features.py", "active/finished.py", "active/units.py", "seeding.py",
    "training/logistic.py", "training/logistic_problems.py", "training/standardize.py",
)  # fmt: skip
"""The source files that determine which heads are solved, and how."""


def digest_of(facts: object, arrays: Iterable[np.ndarray], sources: Sequence[str]) -> str:
    """A hash of facts, arrays, versions of libraries, and the source files in `SOURCE_DEPENDENCIES`
    and `sources`."""
    code = source_hash(*SOURCE_DEPENDENCIES, *sources), library_versions("torch", "numpy", "scipy")
    digest = hashlib.sha256(repr((facts, code)).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:12]


def finished_arrays(
    function: Callable[[Task], Mapping[str, np.ndarray]], tasks: Mapping[Path, Task], workers: int,
    tick: Tick,
) -> list[dict[str, np.ndarray]]:  # fmt: skip
    """What the function gives for each task, in order, from the task's file where it is there.

    The number of workers does not change the results.
    """
    missing = [(file, task) for file, task in tasks.items() if not file.exists()]
    done = len(tasks) - len(missing)
    tick(done)
    for _ in map_in_processes(partial(_compute_and_save, function), missing, workers):
        raise_if_interrupted()
        done += 1
        tick(done)
    return [_load(file) for file in tasks]


def _compute_and_save(
    function: Callable[[Task], Mapping[str, np.ndarray]], item: tuple[Path, Task]
) -> None:
    file, task = item
    with _one_thread():
        arrays = function(task)
    with atomic_write(file) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def _load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums do not depend on the number of threads, and workers do not compete for cores."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)

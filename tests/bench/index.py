"""Indexing and splitting: seconds and peak memory of 10⁴, 10⁵ and 10⁶ images, listed but not there.

From what a source has found, copies among them, to the table, its fingerprint, a split of five
repeats and that split's hash. Each size in a process of its own, for its peak memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.data.sources.assemble import assemble
from fashion_exp.data.split import make_split, manifest_hash
from tests.bench.runner import REPOSITORY, Figure

CLASSES = ("dress", "pullover", "shirt")


def measure(quick: bool) -> list[Figure]:
    figures = []
    for images in (10**4, 10**5) if quick else (10**4, 10**5, 10**6):
        runs = [_in_a_process(images) for _ in range(1 if images == 10**6 else 3)]
        bound = images == 10**6
        seconds, peaks = zip(*runs, strict=True)
        what = f"index and split of {images:,} images"
        figures.append(Figure(what, seconds, "s", at_most=60 if bound else None))
        figures.append(Figure(f"{what}: peak memory", peaks, "GB", at_most=2 if bound else None))
    return figures


def _in_a_process(images: int) -> tuple[float, float]:
    """Seconds, and the process's peak memory in GB."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.bench.index", str(images)],
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    seconds, peak = json.loads(told.stdout)
    return float(seconds), float(peak)


def found(images: int) -> pd.DataFrame:
    """A listing: every tenth image is a copy of another, every fifth shares its source."""
    rng = np.random.default_rng(0)
    numbers = np.arange(images)
    content = np.where(numbers % 10 == 9, numbers - 1, numbers)
    labels = np.array(CLASSES, dtype=object)[content // 2 % 3]
    ids = [f"{one:016x}" for one in rng.integers(0, 2**62, images)]
    names = np.array(ids, dtype=object)[content]
    paths = [f"{label}/{number:07}.jpg" for label, number in zip(labels, numbers, strict=True)]
    groups = np.where(content % 5 == 1, np.roll(names, 1), names)
    columns = {"path": paths, "file": paths, "label": labels, "image_id": names}
    return pd.DataFrame(columns | {"group_id": groups}, dtype=object).assign(part="")


def _read(row: int) -> np.ndarray:
    raise AssertionError("nothing is read")


def index_and_split(listed: pd.DataFrame) -> str:
    """The hash of the split."""
    cfg = parse_command_line([]).jobs[0]
    table = assemble("synthetic", listed, CLASSES, _read, 224)
    assert len(table.fingerprint) == 16
    split = make_split(table.rows, table.classes, cfg.split, repeats=5)
    return manifest_hash(split.manifest(table.rows))


if __name__ == "__main__":
    listed = found(int(sys.argv[1]))
    began = time.perf_counter()
    index_and_split(listed)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([seconds, peak]))

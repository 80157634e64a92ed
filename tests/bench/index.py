"""Time and peak memory of building an image table and splitting it, for 10⁴ to 10⁶ images.

Measures the way from a source's list of items, copies included, to the table, its fingerprint, a
split with five repeats and the hash of that split. The image files do not exist. Each measurement
has a process of its own, because the peak memory is that of a process.
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
from fashion_exp.data.sources.build_table import build_table
from fashion_exp.data.split import build_split, manifest_hash
from tests.bench.runner import REPOSITORY, Figure

CLASSES = ("dress", "pullover", "shirt")


def measure(quick: bool) -> list[Figure]:
    figures = []
    for images in (10**4, 10**5) if quick else (10**4, 10**5, 10**6):
        turns, max_seconds, max_memory = (1, 60, 2) if images == 10**6 else (3, None, None)
        seconds, memory = zip(*[_measure_in_process(images) for _ in range(turns)], strict=True)
        what = f"index and split of {images:,} images"
        figures += [
            Figure(what, seconds, "s", at_most=max_seconds),
            Figure(f"{what}: peak memory", memory, "GB", at_most=max_memory),
        ]
    return figures


def _measure_in_process(images: int) -> tuple[float, float]:
    """Seconds, and the peak memory of the process in GB."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.bench.index", str(images)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    seconds, peak = json.loads(process.stdout)
    return float(seconds), float(peak)


def list_items(images: int) -> pd.DataFrame:
    """The items of a source: every tenth is a copy, every fifth shares the group of another."""
    rng = np.random.default_rng(0)
    numbers = np.arange(images)
    content = np.where(numbers % 10 == 9, numbers - 1, numbers)
    labels = np.array(CLASSES, dtype=object)[content // 2 % 3]
    hashes = [f"{value:016x}" for value in rng.integers(0, 2**62, images)]
    image_ids = np.array(hashes, dtype=object)[content]
    group_ids = np.where(content % 5 == 1, np.roll(image_ids, 1), image_ids)
    paths = [f"{label}/{number:07}.jpg" for label, number in zip(labels, numbers, strict=True)]
    columns = {
        "path": paths, "file": paths, "label": labels, "image_id": image_ids,
        "group_id": group_ids,
    }  # fmt: skip
    return pd.DataFrame(columns, dtype=object).assign(part="")


def index_and_split(items: pd.DataFrame) -> str:
    """The hash of the split."""
    cfg = parse_command_line([]).jobs[0]
    table = build_table("synthetic", items, CLASSES, _read, 224)
    assert len(table.fingerprint) == 16
    split = build_split(table.rows, table.classes, cfg.split, repeats=5)
    return manifest_hash(split.manifest(table.rows))


def _read(row: int) -> np.ndarray:
    raise AssertionError("indexing and splitting must not read pixels")


if __name__ == "__main__":
    items = list_items(int(sys.argv[1]))
    start = time.perf_counter()
    index_and_split(items)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([seconds, peak]))

"""Time and peak memory of judging the predictions of 20 tools on 10⁴ to 10⁶ items.

Ten tools wrote Parquet and ten CSV, with probabilities of three classes. The measured process reads
all files, joins them by id, and tests the best tool against each other one.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.api.judging import judge
from tests.bench.runner import REPOSITORY, Figure

TOOLS = 20
CLASSES = ("dress", "pullover", "shirt")


def measure(quick: bool) -> list[Figure]:
    figures = []
    for items in (10**4, 10**5) if quick else (10**4, 10**5, 10**6):
        turns, max_seconds, max_memory = (1, 60, 4) if items == 10**6 else (3, None, None)
        with tempfile.TemporaryDirectory() as folder:
            write_tools(Path(folder), items)
            measured = [_measure_in_process(folder) for _ in range(turns)]
        seconds, memory = zip(*measured, strict=True)
        what = f"judge {TOOLS} tools on {items:,} items"
        figures += [
            Figure(what, seconds, "s", at_most=max_seconds),
            Figure(f"{what}: peak memory", memory, "GB", at_most=max_memory),
        ]
    return figures


def _measure_in_process(folder: str) -> tuple[float, float]:
    """Seconds, and the peak memory of the process in GB."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.bench.judge", folder],
        stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    seconds, peak = json.loads(process.stdout)
    return float(seconds), float(peak)


def write_tools(folder: Path, items: int) -> None:
    """Tools of 80 to 82 % accuracy; the rows of each have an order of their own."""
    rng = np.random.default_rng(0)
    names = np.array([f"images/{number:08}.jpg" for number in rng.permutation(items)], dtype=object)
    truth = rng.integers(len(CLASSES), size=items)
    for tool in range(TOOLS):
        right = rng.random(items) < 0.8 + tool / 1000
        top = np.where(right, truth, (truth + 1) % len(CLASSES))
        probabilities = np.full((items, len(CLASSES)), 0.15)
        probabilities[np.arange(items), top] = 0.7
        columns = {f"p_{name}": probabilities[:, i] for i, name in enumerate(CLASSES)}
        label = np.array(CLASSES, dtype=object)[truth]
        frame = pd.DataFrame({"id": names, "label": label, **columns}).iloc[rng.permutation(items)]
        if tool % 2:
            frame.to_parquet(folder / f"tool{tool:02}.parquet", index=False)
        else:
            frame.to_csv(folder / f"tool{tool:02}.csv", index=False)


if __name__ == "__main__":
    start = time.perf_counter()
    judgement = judge(sorted(Path(sys.argv[1]).iterdir()))
    assert len(judgement.pairs) == TOOLS - 1
    assert judgement.conclusions
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([seconds, peak]))

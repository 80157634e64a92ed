"""Search in indexes of 10⁴ to 10⁶ photos: build, size, memory, latency, recall.

The vectors are features with noise: those of the index in the folder BENCH_INDEX, reduced to 256
dimensions, or else drawn from 300 normal clusters. Each size has a process of its own, because the
peak memory is that of a process.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tests.bench.runner import REPOSITORY, Figure

WIDTH = 256
QUERIES, TOP = 40, 24
NOISE = 0.5
"""Standard deviation of the noise, as a share of that of the features."""


def measure(quick: bool) -> list[Figure]:
    figures = []
    for photos in (10**4, 10**5) if quick else (10**4, 10**5, 10**6):
        result = _measure_in_process(photos)
        what = f"search among {photos:,} photos"
        figures += [
            Figure(f"{what}: build", (result["build"],), "s"),
            Figure(f"{what}: on disk", (result["disk"],), "GB"),
            Figure(f"{what}: peak memory", (result["memory"],), "GB"),
            Figure(f"{what}: median latency", (result["p50"],), "s", at_most=0.5),
            Figure(f"{what}: 99 % of the latencies", (result["p99"],), "s"),
            Figure(f"{what}: median latency with a filter", (result["filtered"],), "s"),
            Figure(f"{what}: recall of the {TOP} nearest", (result["recall"],), "", at_least=0.95),
        ]
    return figures


def _measure_in_process(photos: int) -> dict[str, float]:
    process = subprocess.run(
        [sys.executable, "-m", "tests.bench.search", str(photos)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    return dict(json.loads(process.stdout))


def measure_size(photos: int) -> dict[str, float]:
    """build, p50, p99 and filtered in seconds, disk and memory in GB, recall."""
    from fashion_exp.retrieval.index import About, create_index, rows_as_arrow, unit_vectors

    rng = np.random.default_rng(0)
    vectors = unit_vectors(noisy_features(photos + QUERIES, rng), np.zeros(WIDTH, np.float32))
    vectors, queries = vectors[:photos], vectors[photos:]
    numbers = [f"{number:08}" for number in range(photos)]
    rows = pd.DataFrame({"image_id": numbers, "price": rng.uniform(0, 100, photos)})
    about = About(("bench",), [], (), [0.0] * WIDTH, (), ("price",), None, "")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        index = create_index(f"{folder}/index", rows_as_arrow(rows, vectors), about)
        build = time.perf_counter() - started
        disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        seconds, filtered, recall = [], [], []
        for query in queries:
            started = time.perf_counter()
            result = index.nearest(query, TOP, ["image_id"])
            seconds.append(time.perf_counter() - started)
            exact = np.argpartition(-(vectors @ query), TOP)[:TOP]
            recall.append(np.isin(result["image_id"].astype(int), exact).mean())
            started = time.perf_counter()
            index.nearest(query, TOP, ["image_id"], "price < 10")
            filtered.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    return {
        "build": build, "disk": disk / 1e9, "memory": peak, "p50": float(p50), "p99": float(p99),
        "filtered": float(np.median(filtered)), "recall": float(np.mean(recall)),
    }  # fmt: skip


def noisy_features(photos: int, rng: np.random.Generator) -> np.ndarray:
    """float32 (photos, WIDTH)."""
    if folder := os.environ.get("BENCH_INDEX"):
        from fashion_exp.retrieval.index import open_index

        features = open_index(folder).all_vectors()[1]
        components = np.linalg.svd(features - features.mean(0), full_matrices=False)[2][:WIDTH]
        features = features @ components.T
    else:
        features = rng.standard_normal((300, WIDTH)).astype(np.float32)
    noise = rng.standard_normal((photos, WIDTH), np.float32) * np.float32(NOISE * features.std())
    noise += features[rng.integers(0, len(features), photos)]
    return noise


if __name__ == "__main__":
    print(json.dumps(measure_size(int(sys.argv[1]))))

"""Predicting photo files with a run vs. the bare forward pass on pixels in memory.

The run is one of random weights: speed does not depend on them. The network, batch size and
precision are the same. The photos are JPEGs of 600 × 800 px. The peak memory is that of a process
of its own.
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
import torch
from PIL import Image

from fashion_exp.inference.predict import predict_paths
from fashion_exp.inference.trained_run import TrainedRun, load_run
from tests.bench.runner import ENVIRONMENT, REPOSITORY, Figure, alternate, ratio_figure, run_command

PHOTO_SIZE = (800, 600)


def measure(quick: bool) -> list[Figure]:
    models = ("resnet18",) if quick else ("resnet50", "mobilenetv1_100")
    photos, turns = (96, 2) if quick else (256, 3)
    with tempfile.TemporaryDirectory() as scratch:
        paths = _photos(Path(scratch), photos)
        figures = [_speed(name, Path(scratch), paths, turns) for name in models]
        return [*figures, _memory(Path(scratch), models[-1], paths)]


def _photos(folder: Path, count: int) -> list[str]:
    """Smooth noise: JPEG files of a usual size."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        path = folder / f"{number:04}.jpg"
        small.resize(PHOTO_SIZE, Image.Resampling.BICUBIC).save(path, quality=85)
        paths.append(str(path))
    return paths


def _trained(name: str, scratch: Path) -> TrainedRun:
    """A run of one epoch on few drawn images, at the usual input size."""
    outputs = scratch / name
    if not outputs.exists():
        run_command(
            "model=timm", f"model.name={name}", "model.weights=none", "dataset.per_class=6",
            "dataset.image_size=224", "training.epochs=1", "training.batch_size=4", "repeats=1",
            "augmentation=none", "tracking=none", f"outputs={outputs}",
        )  # fmt: skip
    return load_run(next((outputs / "runs").iterdir()), outputs)


def _speed(name: str, scratch: Path, paths: list[str], turns: int) -> Figure:
    run = _trained(name, scratch)
    pixels = [run.preprocess(run.decode(path)) for path in paths[: run.batch_size]]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    model = run.model(run.model_names[0])

    @torch.inference_mode()
    def forward() -> float:
        start = time.perf_counter()
        for _ in range(len(paths) // len(images)):
            with run.compute.precision(images):
                model(images)
        return len(paths) // len(images) * len(images) / (time.perf_counter() - start)

    def predict() -> float:
        start = time.perf_counter()
        count = sum(len(table) for table in predict_paths(run, paths, coverage=None))
        return count / (time.perf_counter() - start)

    forward()  # warm-up
    parts = alternate({"predict (photos/s)": predict, "forward pass (images/s)": forward}, turns)
    bound = 0.9 if name == "resnet50" else None
    return ratio_figure(f"predict photos with {name} vs. its forward pass", parts, at_least=bound)


def _memory(scratch: Path, name: str, paths: list[str]) -> Figure:
    """Peak memory for ten times as many photos, divided by that for few."""
    peaks = []
    for times in (1, 10):
        process = subprocess.run(
            [sys.executable, "-m", "tests.bench.predict", name, str(scratch), str(times)],
            input="\n".join(paths), stdout=subprocess.PIPE, text=True, check=True, cwd=REPOSITORY,
            env=ENVIRONMENT,
        )  # fmt: skip
        peaks.append(float(json.loads(process.stdout.splitlines()[-1])))
    parts: dict[str, tuple[float, ...]] = {
        "ten times the photos (GB)": (peaks[1],),
        "photos (GB)": (peaks[0],),
    }
    return ratio_figure("peak memory of predict", parts, at_most=1.1)


if __name__ == "__main__":
    names = sys.stdin.read().splitlines() * int(sys.argv[3])
    for _ in predict_paths(_trained(sys.argv[1], Path(sys.argv[2])), names, coverage=None):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps(peak))

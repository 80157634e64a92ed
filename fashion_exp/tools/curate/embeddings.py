"""Photos that a trained network finds alike: the cosine of what its head reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fashion_exp.configuration.composition import load_config
from fashion_exp.data.decode import decode
from fashion_exp.data.parallel import in_processes
from fashion_exp.data.pixels import Geometry, resize
from fashion_exp.errors import InputError
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.reporting.progress import Tick
from fashion_exp.tools.curate.duplicates import FEATURES, Found, Link
from fashion_exp.training.device import choose_compute, cpu_count
from fashion_exp.training.fit import extract

_BATCH = 64
_ROWS = 1024
"""Photos compared with all others at once, for the memory that it takes."""


def alike(
    found: Sequence[Found], run: str, cosine: float, max_megapixels: float, tick: Tick
) -> list[Link]:
    """Links between the files whose features in the network of a finished run have at least this
    cosine, or those of one and of the other's mirror image. Raises `InputError` for what is no
    such run."""
    model, geometry = network_of(run)
    compute = choose_compute("auto", "auto", cpu_count())
    firsts = list({one.sight.pixels: place for place, one in enumerate(found)}.values())
    read = partial(_pictures, geometry, max_megapixels)
    files = [found[place].place.file for place in firsts]
    tasks = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]

    def batches() -> Iterator[torch.Tensor]:
        done = 0
        for pictures in in_processes(read, tasks, compute.threads):
            yield torch.from_numpy(pictures).permute(0, 3, 1, 2)
            done += len(pictures)
            tick(done, len(files))

    with torch.inference_mode():
        model = model.to(compute.device)
        made = [
            [extract(model, seen, compute).float() for seen in (batch, batch.flip(-1))]
            for batch in batches()
        ]
    features, mirrored = (torch.cat(parts).numpy() for parts in zip(*made, strict=True))
    return [
        Link(firsts[one], firsts[other], FEATURES, 0, likeness)
        for one, other, likeness in close_features(features, mirrored, cosine)
    ]


def network_of(run: str) -> tuple[Classifier, Geometry]:
    """The network that a finished run kept, and how a picture comes into it."""
    folder = Path(run).expanduser()
    saved = folder / "config" / "config.yaml"
    if not saved.is_file():
        raise InputError(f"--embeddings {run}: no run's folder; give one of outputs/runs/")
    cfg = load_config(saved)
    weights = find_weights(cfg.model.name, str(folder))
    plain = replace(cfg.model, weights=str(folder), freeze="none")
    plan = plan_model(plain, cfg.dataset, cfg.optim, weights, native_size=0)
    model = build_model(plain, plan, classes=2, seed=0)  # the head is not used
    fit = cfg.dataset.fit.value
    return model, Geometry(plan.size, fit, plan.interpolation, plan.channels)


def _pictures(geometry: Geometry, max_megapixels: float, files: Sequence[str]) -> np.ndarray:
    return np.stack([resize(decode(file, max_megapixels), geometry) for file in files])


def close_features(
    features: np.ndarray, mirrored: np.ndarray, cosine: float
) -> Iterator[tuple[int, int, float]]:
    """(one, other, cosine), one < other, of pictures whose rows of (n, width) are that close, seen
    plainly or one of the two in the mirror."""
    centre = features.mean(0)
    plain, mirror = directions(features, centre), directions(mirrored, centre)
    for start in range(0, len(plain), _ROWS):
        rows = plain[start : start + _ROWS]
        cosines = np.maximum(rows @ plain[start:].T, rows @ mirror[start:].T)
        for row, column in np.argwhere(cosines >= cosine):
            if row < column:
                yield int(start + row), int(start + column), float(cosines[row, column])


def directions(features: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The rows of (n, width) seen from their mean, of unit length.

    After a rectifier all features are positive, and all their angles from zero small.
    """
    apart = features - centre
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    return np.asarray(apart / np.maximum(length, 1e-12))

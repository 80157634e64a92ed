"""Finds images with similar features in a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from fashion_exp.configuration.schema import PhotoViews, single_backbones
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.data.decode import decode
from fashion_exp.data.parallel import map_in_processes
from fashion_exp.data.pixels import Geometry, resize
from fashion_exp.errors import InputError
from fashion_exp.inspection.duplicates import FEATURES, DuplicatePair, InspectedImage
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Tick
from fashion_exp.training.device import choose_compute
from fashion_exp.training.fit import extract_features

_BATCH_SIZE = 64
_ROWS = 1024
"""Images compared with all others at once, which bounds memory."""


def find_similar_features(
    images: Sequence[InspectedImage], run: str, min_cosine: float, max_megapixels: float, tick: Tick
) -> list[DuplicatePair]:
    """Pairs whose features in the network of a finished run reach the cosine, as they are or with
    one image mirrored. Raises `InputError` if `run` is not the folder of a finished run."""
    model, geometry = load_network(run)
    compute = choose_compute("auto", "auto", cpu_count())
    distinct = list({image.stats.pixel_hash: image for image in images}.values())
    read = partial(_read_batch, geometry, max_megapixels)
    paths = [image.file.real_path for image in distinct]
    tasks = [paths[start : start + _BATCH_SIZE] for start in range(0, len(paths), _BATCH_SIZE)]
    plain, mirrored = [], []
    done = 0
    with torch.inference_mode():
        model = model.to(compute.device)
        for pixels in map_in_processes(read, tasks, compute.threads):
            batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            plain.append(extract_features(model, batch, compute).float())
            mirrored.append(extract_features(model, batch.flip(-1), compute).float())
            done += len(pixels)
            tick(done, len(paths))
    features = torch.cat(plain).numpy(), torch.cat(mirrored).numpy()
    return [
        DuplicatePair(distinct[first], distinct[second], FEATURES, similarity=cosine)
        for first, second, cosine in close_features(*features, min_cosine)
    ]


def load_network(run: str) -> tuple[Classifier, Geometry]:
    """The trained network of a finished run and the geometry of its input images."""
    folder = Path(run).expanduser()
    saved = folder / "config" / "config.yaml"
    if not saved.is_file():
        raise InputError(
            f"--embeddings {run}: not the folder of a run; name a folder of outputs/runs/"
        )
    cfg = load_config(saved)
    single, *others = single_backbones(cfg.model)
    if others:
        raise InputError(
            f"--embeddings {run}: has {len(others) + 1} networks side by side; name a run of one"
        )
    weights = find_weights(single.name, str(folder))
    model_cfg = replace(
        single, weights=str(folder), freeze="none", unfreeze={}, drop_path=0.0,
        test_views=PhotoViews.none,
    )  # fmt: skip
    plan = plan_model(model_cfg, cfg.dataset, cfg.optim, weights, native_size=0)
    model = build_model(model_cfg, plan, classes=2, seed=0)  # the head is not used
    fit = cfg.dataset.fit.value
    return model, Geometry(plan.size, fit, plan.interpolation, plan.channels)


def _read_batch(geometry: Geometry, max_megapixels: float, paths: Sequence[str]) -> np.ndarray:
    return np.stack([resize(decode(path, max_megapixels), geometry) for path in paths])


def close_features(
    features: np.ndarray, mirrored: np.ndarray, min_cosine: float
) -> Iterator[tuple[int, int, float]]:
    """(first, second, cosine) with first < second, for pairs that reach the cosine.

    `features` and `mirrored` (n, width) belong to the images and to their mirrored versions. The
    larger of the plain and the mirrored cosine counts.
    """
    center = features.mean(0)
    plain, mirror = unit_vectors(features, center), unit_vectors(mirrored, center)
    for start in range(0, len(plain), _ROWS):
        rows = plain[start : start + _ROWS]
        cosines = np.maximum(rows @ plain[start:].T, rows @ mirror[start:].T)
        for row, column in np.argwhere(cosines >= min_cosine):
            if row < column:
                yield int(start + row), int(start + column), float(cosines[row, column])


def unit_vectors(features: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Rows of (n, width) minus the center, at unit length.

    Features after a ReLU are nonnegative, so without centering all their angles are small.
    """
    centered = features - center
    norm = np.linalg.norm(centered, axis=1, keepdims=True)
    return np.asarray(centered / np.maximum(norm, 1e-12))

"""Nearest neighbors of images, by features of the run's network or by predicted probabilities."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from fashion_exp.comparison.misclassified import load_run_images
from fashion_exp.comparison.run_data import RunData
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.tools.curate.embeddings import unit_vectors

log = logging.getLogger(__name__)

COUNT = 5
BATCH_SIZE = 64


class Neighbor(NamedTuple):
    image_id: str
    similarity: float
    """Cosine of the centered features or probabilities."""


def find_neighbors(
    images: pd.DataFrame, features: np.ndarray, image_ids: Sequence[str]
) -> dict[str, list[Neighbor]]:
    """The `COUNT` nearest images of other groups for each of `image_ids`, nearest first.

    `images` is indexed by image id and has the column group_id; `features` (n, width) has one row
    per image.
    """
    unit = unit_vectors(features, features.mean(0))
    ids, groups = images.index.to_numpy(), images["group_id"].to_numpy()
    neighbors = {}
    for row in images.index.get_indexer(pd.Index(image_ids)):
        similarity = unit @ unit[row]
        similarity[groups == groups[row]] = -np.inf
        nearest = np.argsort(-similarity, kind="stable")[:COUNT]
        neighbors[str(ids[row])] = [
            Neighbor(str(ids[other]), float(similarity[other]))
            for other in nearest
            if np.isfinite(similarity[other])
        ]
    return neighbors


def neighbor_features(
    run: RunData, images: pd.DataFrame, progress: Progress
) -> tuple[np.ndarray, str]:
    """(features, their name): of the run's first model, or the probabilities if it is missing."""
    try:
        return _network_features(run, images, progress), "the features of the run's model"
    except (InputError, FileNotFoundError) as error:
        log.warning("finding neighbors by predicted probabilities instead of features: %s", error)
    return labels_and_probabilities(images)[1], "the predicted probabilities"


def _network_features(run: RunData, images: pd.DataFrame, progress: Progress) -> np.ndarray:
    """(n, width): input of the head of the run's first model for each image.

    Raises `InputError` or `FileNotFoundError` if the model or an image is no longer available.
    """
    import torch

    from fashion_exp.data.batches import ordered_batches
    from fashion_exp.evaluation.run_dir import RunDir
    from fashion_exp.experiment.context import fold_seed, trains_on_features
    from fashion_exp.experiment.fold import load_trained_model
    from fashion_exp.experiment.setup import set_up
    from fashion_exp.training.fit import extract_features
    from fashion_exp.training.process_group import ProcessGroup

    table = load_run_images(run, outputs_dir(run.config.outputs) / "cache")
    if table is None:
        raise InputError("the run's images are no longer available")
    folder = RunDir(run.result.output)
    context, _ = set_up(run.config, table, folder, ProcessGroup(), progress)
    if context.plan.weights_sha256 != run.result.facts["weights_sha256"]:
        raise InputError("the run's initial weights are no longer available")
    if context.table.classes != run.classes:
        raise InputError("the classes of the data have changed since the run")
    rows = pd.Index(context.table.rows["image_id"]).get_indexer(images.index)
    if (rows < 0).any():
        raise InputError(f"{int((rows < 0).sum())} of the run's images are no longer available")
    fold = context.split.folds[0]
    model = load_trained_model(context, fold).to(context.compute.device)
    if trains_on_features(context.cfg, context.plan):
        seed = fold_seed(context.cfg, "initialisation", fold)
        return context.features(model, seed)(rows).numpy()
    tick, features = progress.stage("features of the neighbors", len(rows)), list[torch.Tensor]()
    for batch in ordered_batches(rows, context.views.plain, BATCH_SIZE, 0):
        features.append(extract_features(model, batch, context.compute).float())
        tick(min(len(features) * BATCH_SIZE, len(rows)))
    return torch.cat(features).numpy()

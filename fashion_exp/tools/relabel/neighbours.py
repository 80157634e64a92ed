"""Which other images look most alike, to the network of a run or by what it says of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from fashion_exp.comparison.misclassified import images_of
from fashion_exp.comparison.run_data import RunData
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.tools.curate.embeddings import directions

if TYPE_CHECKING:
    from fashion_exp.data.table import ImageTable

log = logging.getLogger(__name__)

SHOWN = 5
BATCH = 64


class Neighbour(NamedTuple):
    image_id: str
    alike: float
    """Cosine of the two images' features, or of their probabilities, seen from the mean."""


def neighbours(
    images: pd.DataFrame, described: np.ndarray, of: Sequence[str]
) -> dict[str, list[Neighbour]]:
    """The nearest `images` (indexed by image id) of other groups for each image `of`.

    `described` is (n, width), a row an image; rows are compared by their angle at the mean of all.
    """
    unit = directions(described, described.mean(0))
    ids, groups = images.index.to_numpy(), images["group_id"].to_numpy()
    found = {}
    for place in images.index.get_indexer(pd.Index(of)):
        alike = unit @ unit[place]
        alike[groups == groups[place]] = -np.inf
        nearest = np.argsort(-alike, kind="stable")[:SHOWN]
        found[str(ids[place])] = [
            Neighbour(str(ids[other]), float(alike[other]))
            for other in nearest
            if np.isfinite(alike[other])
        ]
    return found


def descriptions(
    member: RunData, images: pd.DataFrame, progress: Progress
) -> tuple[np.ndarray, str]:
    """A row an image, and of what: the features of the run's first model, else probabilities."""
    try:
        return _features(member, images, progress), "the features of the run's model"
    except (InputError, FileNotFoundError) as error:
        log.warning("neighbours by predicted probabilities: %s", error)
    return labels_and_probabilities(images)[1], "the predicted probabilities"


def _features(member: RunData, images: pd.DataFrame, progress: Progress) -> np.ndarray:
    """(n, width) what the head of the run's first model reads of each image.

    Raises `InputError` or `FileNotFoundError` where the model or an image is no longer at hand.
    """
    import torch

    from fashion_exp.data.batches import in_order
    from fashion_exp.experiment.context import features_of, kept_model
    from fashion_exp.experiment.setup import prepare
    from fashion_exp.training.fit import extract
    from fashion_exp.training.process_group import ProcessGroup

    table = images_of(member, outputs_dir(member.config.outputs) / "cache")
    if table is None:
        raise InputError("its images are no longer at hand")
    trial, split = prepare(member.config, table, progress, member.result.output, ProcessGroup())
    if (trial.plan.weights.sha256 or "random") != member.result.facts["weights_sha256"]:
        raise InputError("the weights that it began with are no longer at hand")
    if trial.table.classes != member.classes:
        raise InputError("its classes are no longer those of the data")
    rows, first = _rows(images, trial.table), split.folds[0]
    model = kept_model(trial, first).to(trial.compute.device)
    if trial.trains_on_features:
        return features_of(trial, model, first, 0, progress)(rows).numpy()
    tick, made = progress.stage("features of the neighbours", len(rows)), list[torch.Tensor]()
    for batch in in_order(rows, trial.views.plain, BATCH, 0):
        made.append(extract(model, batch, trial.compute).float())
        tick(min(len(made) * BATCH, len(rows)))
    return torch.cat(made).numpy()


def _rows(images: pd.DataFrame, table: ImageTable) -> np.ndarray:
    rows = pd.Index(table.rows["image_id"]).get_indexer(images.index)
    if (rows < 0).any():
        raise InputError(f"{int((rows < 0).sum())} of its images are no longer at hand")
    return rows

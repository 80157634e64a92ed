"""Which other images look most alike, to the network of a run or by what it says of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.predictions import labels_and_probabilities
from fashion_exp.reporting.progress import Progress
from fashion_exp.study.members import Member

if TYPE_CHECKING:
    import torch

    from fashion_exp.data.table import ImageTable

log = logging.getLogger(__name__)

SHOWN = 5


class Neighbour(NamedTuple):
    image_id: str
    alike: float
    """Cosine of the two images' features, or of their probabilities."""


def neighbours(
    images: pd.DataFrame, described: np.ndarray, of: Sequence[str]
) -> dict[str, list[Neighbour]]:
    """The nearest `images` (indexed by image id) of other groups for each image `of`.

    `described` is (n, width), a row an image; those of one image are compared by their angle.
    """
    norms = np.linalg.norm(described, axis=1, keepdims=True)
    unit = described / np.maximum(norms, np.finfo(np.float32).tiny)
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
    member: Member, images: pd.DataFrame, table: ImageTable | None, progress: Progress
) -> tuple[np.ndarray, str]:
    """A row an image, and of what: the features of the run's first model, else probabilities."""
    if table is not None:
        from fashion_exp.data.table import UnreadableImage

        try:
            return _features(member, images, table, progress), "the features of the run's model"
        except (InputError, FileNotFoundError, UnreadableImage) as error:
            log.warning("neighbours by predicted probabilities: %s", error)
    return labels_and_probabilities(images)[1], "the predicted probabilities"


def _features(
    member: Member, images: pd.DataFrame, table: ImageTable, progress: Progress
) -> np.ndarray:
    """(n, width) what the head of the run's first model reads of each image.

    Raises `InputError` or `FileNotFoundError` where the model or an image is no longer at hand.
    """
    import torch
    from safetensors.torch import load_file

    from fashion_exp.data.augment import fixed_augmentation
    from fashion_exp.data.batches import in_order
    from fashion_exp.data.pixels import Geometry, resize
    from fashion_exp.fold import new_model
    from fashion_exp.models.plan import plan_model
    from fashion_exp.models.weights import find_weights
    from fashion_exp.training.device import choose_compute, cores
    from fashion_exp.training.fit import extract

    cfg = member.config
    checkpoint = member.result.output / "checkpoints" / f"r0f0-{cfg.training.keep.value}"
    learned = load_file(checkpoint.with_suffix(".safetensors"))
    wanted = cfg.model.weights
    if wanted == "auto":  # a sweep decides once for its jobs
        wanted = cfg.sweep.weights.get(cfg.model.name, wanted)
    weights = find_weights(cfg.model.name, wanted)
    if (weights.sha256 or "random") != member.result.facts["weights_sha256"]:
        raise InputError(f"the weights that it began with are no longer at hand ({wanted})")
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, weights, table.native_size)
    compute = choose_compute(cfg.training.device, cfg.training.precision.value, cores())
    model = new_model(cfg, plan, len(member.classes), compute)
    model.load_state_dict(learned, strict=False)
    geometry = Geometry(plan.size, cfg.dataset.fit.value, plan.interpolation, plan.channels)
    shape = (plan.size, plan.size, plan.channels)
    fixed = fixed_augmentation("augmentation.evaluation", cfg.augmentation.evaluation, shape)
    rows = _rows(images, table)
    tick = progress.stage("features of the neighbours", len(rows))

    def inputs() -> Iterator[torch.Tensor]:
        done = 0
        for batch in in_order(
            rows, lambda view: fixed(resize(table.read(view[1]), geometry), 0), 64, 0
        ):
            yield batch
            done += len(batch)
            tick(done)

    return torch.cat([extract(model, batch, compute).float() for batch in inputs()]).numpy()


def _rows(images: pd.DataFrame, table: ImageTable) -> np.ndarray:
    rows = pd.Index(table.rows["image_id"]).get_indexer(images.index)
    if (rows < 0).any():
        raise InputError(f"{int((rows < 0).sum())} of its images are no longer at hand")
    return rows

"""The features of a run's own images in its frozen backbone, from the cache where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.process_group import ProcessGroup

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun


def own_features(run: TrainedRun, image_ids: Sequence[str], progress: Progress) -> np.ndarray:
    """float32 (n, width), those that `predict_batch` gives, for images that the run was made of.

    Raises `InputError` if its models share no backbone, or if photos are not used any more.
    """
    # A saved calibration needs nothing of these.
    from fashion_exp.data.sources.load import load_images_cached
    from fashion_exp.experiment.setup import set_up

    if not run.shares_backbone:
        raise InputError(f"{run.run.path}: its models have no common features")
    cfg = run.config
    cache = outputs_dir(cfg.outputs) / "cache"
    table = load_images_cached(cfg.dataset, cache, cfg.training.targets)
    context, _ = set_up(cfg, table, run.run, ProcessGroup(), progress)
    rows = {image: row for row, image in enumerate(context.table.rows["image_id"])}
    if missing := sum(image not in rows for image in image_ids):
        raise InputError(
            f"{cfg.dataset.root}: {missing} of the {len(image_ids)} photos of {run.run.path} are "
            "not used any more: their files are gone or changed, or their labels exclude them"
        )
    features = context.features.evaluation(run.model(run.model_names[0]), 0)
    return features(np.array([rows[image] for image in image_ids])).numpy()

"""What all trainings of an experiment share, and what each takes from it: a model, features."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from fashion_exp.configuration.schema import Config, OnFrozen
from fashion_exp.data.augment import Views
from fashion_exp.data.split import Fold
from fashion_exp.data.table import ImageTable
from fashion_exp.experiment.features import (
    DEFAULT_VIEWS,
    Features,
    Source,
    features_about,
    gathered,
    kept_features,
    views_about,
)
from fashion_exp.experiment.pruning import Watch
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.reporting.progress import Progress
from fashion_exp.seeding import derive_seed
from fashion_exp.training.device import Compute, is_depthwise
from fashion_exp.training.process_group import ProcessGroup

log = logging.getLogger(__name__)


@dataclass
class Trial:
    """What all folds of an experiment share."""

    cfg: Config
    table: ImageTable
    plan: ModelPlan
    compute: Compute
    views: Views
    test: np.ndarray
    output: Path
    cache: Path
    team: ProcessGroup = field(default_factory=ProcessGroup)
    watch: Watch | None = None
    """What a search wants to hear after each epoch."""
    features: dict[str, Features] = field(default_factory=dict)
    """Of every image, by what they are of; one frozen backbone serves all folds."""
    reused: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How many pixels, features and views were kept from before, and of how many."""
    first_model: Classifier | None = None
    """The first fold's, where it has been built before."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """How many the model has, by what becomes of them."""

    def note_reuse(self, what: str, reused: int, count: int) -> None:
        log.info("%s: %s", what, from_cache(reused, count))
        before = self.reused.get(what, (0, 0))
        self.reused[what] = before[0] + reused, before[1] + count

    def model(self, fold: Fold) -> Classifier:
        """A fold's model before training, on the device; its own to train."""
        built, self.first_model = self.first_model, None
        if built is None or (fold.repeat, fold.fold) != (0, 0):
            classes = len(self.table.classes)
            built = new_model(self.cfg, self.plan, classes, self.compute, fold.repeat, fold.fold)
        self.compute = replace(self.compute, depthwise=is_depthwise(built.network))
        return built

    @property
    def trains_on_features(self) -> bool:
        return trains_on_features(self.cfg, self.plan)


def random_operations(cfg: Config, plan: ModelPlan) -> list[dict[str, object]]:
    """The augmentation that acts: none where it skips frozen backbones and there is one."""
    skipped = plan.freeze == "backbone" and cfg.augmentation.on_frozen.value == "skip"
    return [] if skipped else list(cfg.augmentation.operations)


def trains_on_features(cfg: Config, plan: ModelPlan) -> bool:
    """Whether the images before the head are the same in every epoch, or in turn."""
    return plan.freeze == "backbone" and (not random_operations(cfg, plan) or views_of(cfg) > 0)


def views_of(cfg: Config) -> int:
    """How many views of each image a frozen backbone sees; 0: a new one in every epoch, or none."""
    if cfg.augmentation.on_frozen is not OnFrozen.views:
        return 0
    return cfg.augmentation.views or DEFAULT_VIEWS


def seed_of(cfg: Config, what: str, fold: Fold) -> int:
    return derive_seed(what, getattr(cfg.seeds, what), fold.repeat, fold.fold)


def new_model(
    cfg: Config, plan: ModelPlan, classes: int, compute: Compute, repeat: int = 0, fold: int = 0
) -> Classifier:
    """A fold's model before training, on the device."""
    seed = derive_seed("initialisation", cfg.seeds.initialisation, repeat, fold)
    return build_model(cfg.model, plan, classes, seed).to(compute.device)


def kept_model(trial: Trial, fold: Fold) -> Classifier:
    """The trained model of a finished fold that its predictions were made with, on the CPU."""
    keep = trial.cfg.training.keep.value
    model = trial.model(fold)
    learned = load_file(trial.output / "checkpoints" / f"{fold.name}-{keep}.safetensors")
    model.load_state_dict(learned, strict=False)
    return model.cpu().eval()


def features_of(
    trial: Trial, model: Classifier, fold: Fold, views: int, progress: Progress
) -> Features:
    """Features of every image, plain where `views` is 0, else in so many views.

    Once for all folds, unless each has a random backbone of its own.
    """
    seed = seed_of(trial.cfg, "initialisation", fold)
    about = features_about(trial.cfg, trial.plan, trial.compute, trial.views.key, seed)
    ids = trial.table.rows["image_id"].to_list()
    if views:
        names = [f"{image}/{view}" for image in ids for view in range(views)]
        read = trial.views.augmented(trial.cfg.seeds.augmentation)
        source = Source(
            names, lambda i: read((i % views, i // views, 0)), about | views_about(trial.cfg)
        )
    else:
        source = Source(ids, lambda i: trial.views.plain((0, i, 0)), about)
    what = "views" if views else "features"
    known = json.dumps(source.about)
    if known not in trial.features:
        store, reused = kept_features(
            source, trial.cache, model, trial.compute, partial(progress.stage, what)
        )
        trial.note_reuse(what, reused, len(source.names))
        trial.features[known] = gathered(store, source.names, max(views, 1))
    return trial.features[known]


def from_cache(reused: int, count: int) -> str:
    return f"{reused:,} of {count:,} from cache"

"""What all trainings of an experiment share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.configuration.schema import Config, OnFrozen
from fashion_exp.data.augment import ImageViews
from fashion_exp.data.geometry import AnyGeometry, Geometry, joined_geometry
from fashion_exp.data.split import Fold, Split
from fashion_exp.data.table import ImageTable
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.pruning import EpochReport
from fashion_exp.seeding import derive_seed
from fashion_exp.training.device import Compute
from fashion_exp.training.process_group import ProcessGroup

if TYPE_CHECKING:
    from fashion_exp.experiment.features import FeatureProvider
    from fashion_exp.models.plan import ModelPlan
    from fashion_exp.models.side_by_side import StoredNetwork


DEFAULT_VIEWS = 8


@dataclass(frozen=True)
class ExperimentContext:
    """Built complete by `set_up`; nothing changes it afterwards."""

    cfg: Config
    table: ImageTable
    split: Split
    plan: ModelPlan
    compute: Compute
    views: ImageViews
    """The pixels of every image, plain or augmented; of several input formats, in the first."""
    features: FeatureProvider
    """What frozen backbones compute from the views."""
    run: RunDir
    cache: Path
    group: ProcessGroup
    parameter_counts: Mapping[str, int]
    """Total, trainable, frozen and head parameters of a model."""
    pixels_reused: int
    """Images whose pixels were in the cache before."""
    stored: Sequence[StoredNetwork] = ()
    """The frozen networks, if only their stored features are needed."""
    report_epoch: EpochReport | None = None
    """Reports the validation accuracy of each epoch to the search that this job belongs to."""


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs of a training in which the same part of the network is frozen."""

    epochs: range
    plan: ModelPlan
    """With the part that is frozen in these epochs."""


def training_phases(plan: ModelPlan, epochs: int, done: int = 0) -> list[Phase]:
    """The phases that are left of a training of `epochs`; the last one if none is."""
    starts = plan.phases or ((0, plan.freeze),)
    ends = [*(start for start, _ in starts[1:]), epochs]
    phases = [
        Phase(range(max(start, done), min(end, epochs)), replace(plan, freeze=freeze, phases=()))
        for (start, freeze), end in zip(starts, ends, strict=True)
    ]
    return [phase for phase in phases if phase.epochs] or phases[-1:]


def pixel_formats(plan: ModelPlan) -> tuple[tuple[int, str], ...]:
    """The sizes, px, and interpolations of all pixels that an experiment reads."""
    return tuple(dict.fromkeys((*plan.input_formats, *plan.photo_formats)))


def pixel_geometries(cfg: Config, plan: ModelPlan) -> tuple[Geometry, ...]:
    """The geometries of all pixels that an experiment reads."""
    return _geometries(cfg, plan, pixel_formats(plan))


def photo_geometry(cfg: Config, plan: ModelPlan) -> AnyGeometry:
    """How a photo is fitted into what a trained model takes."""
    return joined_geometry(_geometries(cfg, plan, plan.photo_formats))


def _geometries(
    cfg: Config, plan: ModelPlan, formats: Sequence[tuple[int, str]]
) -> tuple[Geometry, ...]:
    return tuple(
        Geometry(size, cfg.dataset.fit.value, interpolation, plan.channels)
        for size, interpolation in formats
    )


def random_operations(cfg: Config, plan: ModelPlan) -> list[dict[str, object]]:
    """The augmentation that acts: none if the backbone is frozen and `on_frozen=skip`."""
    skipped = plan.freeze == "backbone" and cfg.augmentation.on_frozen is OnFrozen.skip
    return [] if skipped else list(cfg.augmentation.operations)


def trains_on_features(cfg: Config, plan: ModelPlan) -> bool:
    """Whether the backbone's input is the same in every epoch, or in turn, so that its output is
    computed once."""
    return plan.freeze == "backbone" and (
        not random_operations(cfg, plan) or views_per_image(cfg) > 0
    )


def views_per_image(cfg: Config) -> int:
    """Augmented views of each image that a frozen backbone sees; 0 without `on_frozen=views`."""
    if cfg.augmentation.on_frozen is not OnFrozen.views:
        return 0
    return cfg.augmentation.views or DEFAULT_VIEWS


def fold_seed(cfg: Config, purpose: str, fold: Fold) -> int:
    """The seed for one purpose (a field of `SeedsConfig`) in one fold."""
    return derive_seed(purpose, getattr(cfg.seeds, purpose), fold.repeat, fold.fold)

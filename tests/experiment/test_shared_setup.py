"""Jobs share a set-up if they differ in nothing that it reads."""

from __future__ import annotations

from fashion_exp.configuration.schema import OptimConfig
from fashion_exp.experiment.shared_setup import can_share_set_up


def test_options_that_decide_what_is_frozen_are_not_shared() -> None:
    """`plan_model` reads them, and refuses them for a frozen backbone."""
    shared = {
        name for name in OptimConfig.__dataclass_fields__ if can_share_set_up(f"optim.{name}")
    }
    assert OptimConfig.__dataclass_fields__.keys() - shared == {"backbone_lr_factor", "layer_decay"}


def test_options_of_images_splits_and_models_are_not_shared() -> None:
    options = ("dataset.root", "split.train_ratio", "model.name", "model.head", "model.neighbors",
               "seeds.order", "augmentation.views", "training.batch_size", "repeats")  # fmt: skip
    assert not any(map(can_share_set_up, options))

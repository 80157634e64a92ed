"""An experiment that cannot fit into memory or on the disk is refused before it begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import Config
from fashion_exp.data.sources.load import load_images
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.experiment import resources as module
from fashion_exp.experiment.resources import check_resources, estimate_resources
from fashion_exp.models.build import build_model, measure_model
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights

CPU = torch.device("cpu")


def prepare(tmp_path: Path, *overrides: str) -> tuple[Config, ModelPlan, ImageTable]:
    data = ("dataset.per_class=10", "dataset.drawn_size=16", "model.weights=none")
    (cfg,) = parse_command_line([*data, *overrides]).jobs
    images = load_images(cfg.dataset, tmp_path)
    weights = find_weights(cfg.model.name, cfg.model.weights)
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, weights, images.native_size)
    return cfg, plan, images


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.width=4",),
        ("model.depth=2", "model.head=new", "model.hidden=[5,6]"),
        ("model=timm", "model.name=test_resnet", "model.freeze=backbone"),
    ],
)
def test_measured_model_has_the_parameters_of_the_built_one(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    cfg, plan, images = prepare(tmp_path, *overrides)
    size = measure_model(cfg.model, plan, len(images.classes))
    counts = build_model(cfg.model, plan, len(images.classes), 0).parameter_counts()
    assert (size.parameters, size.trainable) == (counts.total, counts.trainable)
    assert size.activations >= size.largest_activation > 0


def test_activations_are_the_results_of_the_layers(tmp_path: Path) -> None:
    cfg, plan, images = prepare(tmp_path, "model.width=4", "training.batch_size=8")
    size = measure_model(cfg.model, plan, len(images.classes))
    assert size.activations == 4 * 14 * 14, "one convolution; its ReLU changes it in place"
    need = estimate_resources(cfg, plan, images)
    assert need.activations == 8 * size.activations * np.dtype("float32").itemsize
    large, *_ = prepare(tmp_path, "model.width=4", "training.batch_size=60000")
    assert estimate_resources(large, plan, images).activations == 30 * size.activations * 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model.width=4096", "model.depth=8"),
            r"needs about [\d,.]+ GB of memory .*model [\d,.]+ GB",
        ),
        (("dataset.image_size=4096", "model.width=512"), r"activations of a batch [\d,.]+ GB"),
        (
            ("model.width=1024", "repeats=1000", "dataset.image_size=512"),
            r"writes about [\d,.]+ GB",
        ),
    ],
)
def test_experiment_that_cannot_fit_is_refused_with_the_figures(
    tmp_path: Path, overrides: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "memory_bytes", lambda: 64 * 10**9)
    cfg, plan, images = prepare(tmp_path, "training.precision=fp32", *overrides)
    with pytest.raises(InputError, match=message):
        check_resources(cfg, plan, images, CPU, tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()


def test_usual_experiment_is_accepted(tmp_path: Path) -> None:
    cfg, plan, images = prepare(tmp_path)
    check_resources(cfg, plan, images, CPU, tmp_path)

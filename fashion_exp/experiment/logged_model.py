"""Logs the trained models of a run to MLflow as one model that takes photos."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from fashion_exp.configuration.schema import Config
from fashion_exp.data.geometry import AnyGeometry
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.program import Program, trace
from fashion_exp.tracking.tracker import Tracker

MAX_MEGAPIXELS = 40.0
"""For runs whose own data set has no limit, 10⁶ px."""


def log_ensemble(
    tracker: Tracker, run_id: str, models: Sequence[Classifier], temperatures: Sequence[float],
    cfg: Config, geometry: AnyGeometry, classes: Sequence[str], artifacts: str = "",
) -> None:  # fmt: skip
    """Stores the mean of the models' probabilities as the artifact `model` of a tracked run, in
    the folder `artifacts`."""
    about = {
        "classes": list(classes),
        "geometry": asdict(geometry),
        "max_megapixels": cfg.dataset.max_megapixels or MAX_MEGAPIXELS,
        "operations": cfg.augmentation.evaluation,
    }
    with tempfile.TemporaryDirectory() as folder:
        program, file = Program(models, temperatures, nn.Identity()).eval(), Path(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, about its own exporter
            torch.export.save(trace(program, geometry.shape), file / "program.pt2")
        script = Path(__file__).with_name("photo_model.py")
        tracker.log_model(run_id, script, file / "program.pt2", about, artifacts)

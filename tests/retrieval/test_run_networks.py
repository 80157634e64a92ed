"""Indexes by runs of unusual kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lancedb")

from fashion_exp.inference.trained_run import load_run
from fashion_exp.retrieval.embedding import embedder_of_run
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def test_frozen_random_backbone_gives_the_features_of_the_run(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    frozen = tiny("model.weights=none", "model.freeze=backbone")
    run = load_run(str(frozen.output), tmp_path)
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    model = run.model(run.model_names[0])
    embedder = embedder_of_run(run)
    assert embedder.identity[0]["weights"]
    for own, other in zip(model.backbones, embedder.model.backbones, strict=True):
        for name, tensor in own.network.state_dict().items():
            if name in other.network.state_dict() and "classifier" not in name and "fc" not in name:
                assert tensor.equal(other.network.state_dict()[name].cpu()), name
    assert np.isfinite(embedder.of_images([photo])).all()

"""Runs with a solved head are used as any other: predicted, exported, refitted, described."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fashion_exp.comparison.audit import find_problems
from fashion_exp.comparison.run_data import load_run as load_run_data
from fashion_exp.errors import InputError
from fashion_exp.inference.card import build_card
from fashion_exp.inference.explain import Source, explain
from fashion_exp.inference.export import export
from fashion_exp.inference.predict import predict
from fashion_exp.inference.refit import describe, refit
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.reporting.photo_page import markdown
from fashion_exp.reporting.progress import Progress
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


@pytest.fixture(params=["logistic", "knn"])
def trained(
    request: pytest.FixtureRequest, tiny: Callable[..., TinyRun], tmp_path: Path
) -> TrainedRun:
    run = tiny(
        f"model.head={request.param}", "model.weights=none", "model.freeze=backbone",
        "training.epochs=8", "training.batch_size=32", "repeats=2",
    )  # fmt: skip
    return load_run(run.output, tmp_path / "outputs")


def test_run_with_a_solved_head_is_used_as_any_other(
    trained: TrainedRun, photos: Path, tmp_path: Path
) -> None:
    progress = Progress(Console(quiet=True))
    test = trained.run.predictions("test")
    columns = [f"p_{name}" for name in trained.classes]
    files = [photos / path for path in test.loc[test["repeat"] == 0, "path"]]
    expected = test.groupby("path")[columns].mean().loc[[str(f.relative_to(photos)) for f in files]]
    answers = pd.concat(predict(trained, files)).set_index("path").loc[[str(f) for f in files]]
    assert np.allclose(answers[columns], expected, atol=1e-5)

    proof = export(trained, "onnx", tmp_path / "model.onnx", progress).proof
    assert proof.changed == 0 < proof.photos

    problems = find_problems(load_run_data(trained.run.path))
    assert not any("Still learning" in str(problem) for problem in problems)
    card = markdown(build_card(trained))
    assert trained.result.facts["head"] in card and "learning rate" not in card
    assert ("C of each training" in card) == (trained.config.model.head.value == "logistic")

    refitted = refit(trained, progress, models=1)
    assert trained.result.facts["head"] in describe(refitted)[0]
    predicted = pd.concat(predict(refitted, files)).set_index("path")["predicted"]
    right = [predicted[str(file)] == file.parent.name for file in files]
    before = expected.idxmax(axis=1) == [f"p_{file.parent.name}" for file in files]
    assert np.mean(right) > before.mean() - 0.2


@pytest.mark.parametrize("trained", ["knn"], indirect=True)
def test_nearest_neighbors_have_occlusion_maps_and_no_linear_layer(
    trained: TrainedRun, photos: Path, tmp_path: Path
) -> None:
    source = Source("photo", next(photos.rglob("*.png")))
    (item,) = explain(trained, [source], check=False)
    assert list(item.maps) == ["occlusion"] and np.isfinite(item.maps["occlusion"]).all()
    with pytest.raises(InputError, match=r"have no gradient.*use method=occlusion"):
        list(explain(trained, [source], methods=["activation"]))
    with pytest.raises(InputError, match="head=knn does not; export it with"):
        export(trained, "timm", tmp_path / "folder", Progress(Console(quiet=True)), model="r0f0")
    assert not (tmp_path / "folder").exists()

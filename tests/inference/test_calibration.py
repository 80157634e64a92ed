"""Calibrated ensembles, sets and unfamiliar photos of a run, from its validation predictions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.inference.calibration import (
    ARRAYS,
    FILE,
    Calibration,
    Novelty,
    ValidationRows,
    fit_novelty,
    load_calibration,
    validation_rows,
)
from fashion_exp.inference.own_features import own_features
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.models.basic_cnn import basic_cnn
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.calibration import fit_temperature
from fashion_exp.stats.novelty import entropy
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def test_temperature_of_each_model_is_fitted_to_its_own_validation(trained: TrainedRun) -> None:
    calibration, rows = load_calibration(trained), validation_rows(trained)
    assert tuple(calibration.temperature) == trained.model_names
    for index, name in enumerate(trained.model_names):
        own = rows.models == index
        expected = fit_temperature(rows.labels[own], rows.raw[own])
        assert calibration.temperature[name] == pytest.approx(expected)


def test_saved_calibration_equals_computed_one(trained_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "runs" / "tiny"
    shutil.copytree(trained_folder, folder)
    for name in (FILE, ARRAYS):
        (folder / name).unlink(missing_ok=True)
    run = load_run(folder, tmp_path / "outputs")
    first = load_calibration(run)
    assert (folder / FILE).exists() and (folder / ARRAYS).exists()
    probabilities = random_probabilities(2, 40)
    for again in (load_calibration(run), reloaded_after(folder, run, damage=b"{}")):
        assert again.temperature == first.temperature
        assert np.array_equal(
            again.set_members(probabilities, 0.8), first.set_members(probabilities, 0.8)
        )
        assert np.array_equal(
            again.unfamiliar(None, probabilities)[0], first.unfamiliar(None, probabilities)[0]
        )


def reloaded_after(folder: Path, run: TrainedRun, damage: bytes) -> Calibration:
    (folder / FILE).write_bytes(damage)
    return load_calibration(run)


def random_probabilities(models: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.dirichlet([0.5] * 3, (models, n)).astype(np.float32)


def test_ensemble_is_mean_of_calibrated_models(trained: TrainedRun) -> None:
    calibration, probabilities = load_calibration(trained), random_probabilities(2, 10)
    calibration = replace(calibration, temperature={"r0f0": 1.0, "r1f0": 2.0})
    roots = np.sqrt(probabilities[1].astype(np.float64))
    expected = (probabilities[0] + roots / roots.sum(axis=1, keepdims=True)) / 2
    assert calibration.apply(probabilities) == pytest.approx(expected, abs=1e-6)
    single = calibration.apply(probabilities[1:], ["r1f0"])
    assert single == pytest.approx(roots / roots.sum(axis=1, keepdims=True), abs=1e-6)


def test_sets_grow_with_coverage_and_start_with_most_probable_class(trained: TrainedRun) -> None:
    calibration, probabilities = load_calibration(trained), random_probabilities(2, 50)
    ensemble = calibration.apply(probabilities)
    narrow, wide = (calibration.set_members(probabilities, level) for level in (0.5, 0.9))
    assert (wide >= narrow).all() and wide.sum() > narrow.sum()
    for row, classes in zip(ensemble, calibration.prediction_sets(probabilities, 0.9), strict=True):
        assert classes[0] == trained.classes[int(row.argmax())]
        order = [row[trained.classes.index(name)] for name in classes]
        assert order == sorted(order, reverse=True)


def test_single_model_is_compared_with_its_own_validation(trained: TrainedRun) -> None:
    calibration, probabilities = load_calibration(trained), random_probabilities(2, 20)
    alone = replace(calibration, scores=calibration.scores.of_models([1]))
    expected = alone.scores.p_values(calibration.scaled(probabilities[1:], ["r1f0"]))
    members = calibration.set_members(probabilities[1:], 0.8, models=["r1f0"])
    assert np.array_equal(members.sum(axis=1) > 1, (expected > 0.2).sum(axis=1) > 1)


def test_stored_predictions_have_covering_sets(trained: TrainedRun) -> None:
    """On the test photos: 90 % in expectation, of 14 photos."""
    frame = trained.predictions("test").sort_values(["repeat", "image_id"])
    labels, probabilities = labels_and_probabilities(frame)
    members = load_calibration(trained).set_members(probabilities.reshape(2, -1, 3), coverage=0.9)
    n = len(labels) // 2
    assert members[np.arange(n), labels[:n]].mean() > 0.7


def test_run_without_common_features_uses_entropy(trained: TrainedRun) -> None:
    calibration = load_calibration(trained)
    assert not calibration.uses_features
    sure, unsure = np.full((2, 1, 3), [0.9999, 5e-5, 5e-5]), np.full((2, 1, 3), 1 / 3)
    assert calibration.unfamiliar(None, sure)[0] < calibration.unfamiliar(None, unsure)[0]


def novelty_of(rows: int, seed: int) -> tuple[Novelty, Callable[[int, float], np.ndarray]]:
    rng = np.random.default_rng(seed)

    def features(n: int, shift: float) -> np.ndarray:
        centers = 8 * np.eye(6)[np.arange(n) % 3]
        return (centers + rng.normal(size=(n, 6)) + shift).astype(np.float32)

    labels = np.arange(rows) % 3
    probabilities = rng.dirichlet([5, 0.5, 0.5], rows)
    validation = ValidationRows(
        np.arange(rows), labels, np.arange(rows), np.zeros(rows), np.arange(rows) % 5,
        probabilities, probabilities,
    )  # fmt: skip
    return fit_novelty(validation, features(rows, 0.0)), features


def test_strange_features_are_unfamiliar_and_familiar_ones_rarely() -> None:
    rng, rates, result = np.random.default_rng(1), [], []
    for seed in range(10):
        novelty, features = novelty_of(500, seed)
        entropies = entropy(rng.dirichlet([5, 0.5, 0.5], 300))
        rates.append(np.mean(novelty.score(features(300, 0.0), entropies) > novelty.threshold))
        result.append(np.mean(novelty.score(features(300, 9.0), entropies) > novelty.threshold))
    assert np.mean(rates) == pytest.approx(0.05, abs=0.025) and np.mean(result) > 0.9


def test_frozen_backbone_gives_its_own_features(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    torch.manual_seed(3)
    backbone = tmp_path / "backbone.safetensors"
    save_file(basic_cnn(3, width=2).state_dict(), backbone)
    output = tiny(
        "model.width=2", f"model.weights={backbone}", "split=kfold", "split.folds=2",
        "training.epochs=1",
    ).output  # fmt: skip
    run = load_run(output, tmp_path)
    calibration = load_calibration(run)
    assert calibration.uses_features
    frame = run.predictions("validation").head(4)
    computed = own_features(run, list(frame["image_id"]), Progress(plain_console()))
    root = Path(str(run.config.dataset.root))
    images = np.stack([run.preprocess(run.read(root / path)) for path in frame["path"]])
    output_now = run.predict_batch(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert output_now.features is not None
    assert computed == pytest.approx(output_now.features)
    score, _ = calibration.unfamiliar(output_now.features, output_now.probabilities)
    assert score.shape == (4,) and (score >= 0).all() and (score <= 1).all()


@pytest.mark.parametrize("images", [2, 4])
def test_single_image_has_no_distance(images: int) -> None:
    rows = ValidationRows(
        np.arange(images), np.zeros(images, np.int64), np.arange(images),
        np.zeros(images, np.int64), np.array([0, *[1] * (images - 1)]), np.full((images, 2), 0.5),
        np.full((images, 2), 0.5),
    )  # fmt: skip
    assert fit_novelty(rows, np.ones((images, 3), np.float32)).distance is None

"""A finished run gives its stored predictions again, bit for bit, wherever its folder is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import Annotations, save_annotations
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.models.basic_cnn import basic_cnn
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

SMALL = ("model.width=2", "training.epochs=1")
RunTiny = Callable[..., TinyRun]


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """Weights of a small network, to be frozen."""
    torch.manual_seed(3)
    file = tmp_path / "backbone.safetensors"
    save_file(basic_cnn(3, width=2).state_dict(), file)
    return file


def stored(run: TrainedRun, name: str, part: str = "test") -> pd.DataFrame:
    frame = run.predictions(part)
    return frame[("r" + frame["repeat"].astype(str) + "f" + frame["fold"].astype(str)) == name]


def batch(run: TrainedRun, frame: pd.DataFrame) -> torch.Tensor:
    root = Path(str(run.config.dataset.root))
    images = [run.preprocess(run.read(root / path)) for path in frame["path"]]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


KINDS = {
    "trained completely": (),
    "frozen backbone": ("model.weights=BACKBONE",),
    "frozen backbone, augmented": ("model.weights=BACKBONE", "augmentation=light",
                                   "augmentation.on_frozen=apply"),
    "binary cross-entropy": ("training.loss=bce",),
    "frozen random backbone": ("model.weights=none", "model.freeze=backbone"),
    "folds and an evaluation transform": (
        "split=kfold", "split.folds=2", "training.keep=best",
        "augmentation.evaluation=[{name: ToGray, p: 1.0}]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_test_photos_equal_the_stored_ones(
    kind: str, tiny: RunTiny, backbone: Path, tmp_path: Path
) -> None:
    options = [option.replace("BACKBONE", str(backbone)) for option in KINDS[kind]]
    output = tiny(*SMALL, "repeats=2", "training.precision=auto", *options).output
    run = load_run(output, tmp_path)
    frame = stored(run, run.model_names[0])
    columns = [f"p_{name}" for name in run.classes]
    result = run.predict_batch(batch(run, frame))
    assert len(run.model_names) == (4 if "folds" in kind else 2)
    assert run.shares_backbone == (kind == "frozen backbone")
    for name, probabilities in zip(run.model_names, result.probabilities, strict=True):
        assert np.array_equal(probabilities, stored(run, name)[columns].to_numpy())
    (single,) = run.predict_batch(batch(run, frame), [run.model_names[1]]).probabilities
    assert np.array_equal(single, result.probabilities[1])


def test_models_share_their_frozen_backbone(tiny: RunTiny, backbone: Path, tmp_path: Path) -> None:
    run = load_run(tiny(*SMALL, "repeats=2", f"model.weights={backbone}").output, tmp_path)
    images = batch(run, stored(run, "r0f0").head(3))
    first, second = run.model("r0f0"), run.model("r1f0")
    assert first.network is second.network and first.head is not second.head
    features = run.predict_batch(images).features
    assert features is not None
    assert np.array_equal(features, first.features(images).detach().float().numpy())


def test_copied_run_says_which_file_is_missing(
    tiny: RunTiny, backbone: Path, tmp_path: Path
) -> None:
    output = tiny(*SMALL, f"model.weights={backbone}").output
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(output, elsewhere / "runs" / "copy")
    backbone.unlink()
    with pytest.raises(InputError, match=r"frozen backbone is missing.*copy it there as"):
        load_run(elsewhere / "runs" / "copy", elsewhere)
    shutil.copytree(tmp_path / "outputs" / "weights", elsewhere / "weights")
    run = load_run("copy", elsewhere)
    assert run.predict_batch(batch(run, stored(run, "r0f0"))).probabilities.shape[0] == 1
    next((elsewhere / "runs" / "copy" / "checkpoints").glob("*-last.*")).unlink()
    with pytest.raises(InputError, match="1 of its 1 models are missing"):
        load_run("copy", elsewhere)


def test_sweep_stands_for_its_winner(tiny: RunTiny, tmp_path: Path) -> None:
    """The best by validation, not the first: the other job learns nothing."""
    sweep = tmp_path / "elsewhere" / "sweeps" / "grid"
    for job, lr in enumerate(("1e-9", "1e-2")):
        output = tiny(*SMALL, "training.epochs=6", f"optim.lr={lr}", hold_out_test=True).output
        shutil.copytree(output, sweep / str(job))
    run = load_run("grid", tmp_path / "elsewhere")
    assert run.run.path.name == "1"
    with pytest.raises(InputError, match="held out"):
        run.predictions("test")


def test_a_part_of_the_name_means_a_refit(trained_folder: Path, tmp_path: Path) -> None:
    for name in ("20260101-1200-refit-4b2a", "20260102-1300-refit-3468"):
        shutil.copytree(trained_folder, tmp_path / "refits" / name)
    for part in ("refit-4b2a", "20260101", "1200-refit"):
        assert load_run(part, tmp_path).run.path.name == "20260101-1200-refit-4b2a"
    with pytest.raises(InputError, match="matches 2 refits"):
        load_run("refit", tmp_path)
    shutil.copytree(trained_folder, tmp_path / "runs" / "20260101-tiny")
    assert load_run("20260101", tmp_path).run.path.name == "20260101-tiny"
    with pytest.raises(InputError, match=r"valid: no predictions.*did you mean validation"):
        load_run("tiny", tmp_path).predictions("valid")


def test_bad_references_are_refused(tiny: RunTiny, tmp_path: Path) -> None:
    output = tiny(*SMALL).output
    save_annotations(output, Annotations(name="mine"))
    run = load_run(output, tmp_path)
    with pytest.raises(InputError, match=r"r9f0: no model of this run; choices: r0f0"):
        run.model("r9f0")
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(InputError, match=r"notes.txt: not a JPEG"):
        run.read(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="no such run"):
        load_run("another", tmp_path)
    (output / "unfinished").mkdir()
    with pytest.raises(InputError, match=r"not a finished run; finish it"):
        load_run(output, tmp_path)

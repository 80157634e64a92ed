"""An exported file gives the answers of its run, or is not written."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from fashion_exp.errors import InputError
from fashion_exp.inference import export as exporting
from fashion_exp.inference.export import export
from fashion_exp.inference.proof import ExportError, compare_answers, require_equal
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.models.program import Program
from fashion_exp.reporting.progress import Progress
from tests.command_line import documented_keys
from tests.conftest import TinyRun

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=io.StringIO()))


@pytest.fixture
def trained(tiny: Callable[..., TinyRun], tmp_path: Path) -> TrainedRun:
    """Two small networks of timm on 32 px."""
    run = tiny(
        "model=timm", "model.name=test_resnet", "model.weights=none", "repeats=2",
        "training.epochs=1", "dataset.image_size=32", "dataset.fit=crop",
    )  # fmt: skip
    return load_run(run.output, tmp_path / "outputs")


@pytest.mark.slow
def test_exported_files_answer_as_the_run(
    trained: TrainedRun, tmp_path: Path, progress: Progress
) -> None:
    file = tmp_path / "ensemble.onnx"
    done = export(trained, "onnx", file, progress, temperatures={"r0f0": 2.0})
    assert done.as_json().keys() == documented_keys("export")
    assert done.proof.changed == 0 < done.proof.resized and "any size" in done.input
    assert str(done.proof).startswith(f"0 of {done.proof.photos} answers changed (at most ")
    session = onnxruntime.InferenceSession(file)
    for shape in ((1, 32, 32, 3), (5, 60, 41, 3)):
        photos = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        (given,) = session.run(["probabilities"], {"photos": photos})
        inputs = np.stack([trained.preprocess(photo) for photo in photos]).transpose(0, 3, 1, 2)
        with torch.no_grad():
            logits = [trained.model(name)(torch.from_numpy(inputs)) for name in ("r0f0", "r1f0")]
        expected = ((logits[0] / 2).softmax(1) + logits[1].softmax(1)) / 2
        assert np.allclose(given, expected.numpy(), atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == list(trained.classes)
    assert about["run"] == trained.run.path.name and "Wilson" in about["validation_accuracy"]

    done = export(trained, "timm", tmp_path / "folder", progress, model="r1f0")
    assert done.proof.changed == 0
    assert sorted(os.listdir(done.path)) == ["config.json", "model.safetensors"]
    config = json.loads((done.path / "config.json").read_text())["pretrained_cfg"]
    assert config["crop_mode"] == "center" and config["crop_pct"] == 1.0
    assert done.transform is not None and done.transform.largest_difference < 0.05
    for kind, name in (("onnx", "x.foo"), ("pt2", "x"), ("timm", trained.run.path.name)):
        with pytest.raises(InputError, match=r"must end in|is a folder, named"):
            export(trained, kind, tmp_path / name, progress, model="r0f0")
    done = export(trained, "pt2", tmp_path / "one.pt2", progress, model="r0f0", any_size=False)
    assert done.proof.changed == 0 and "(n, 32, 32, 3)" in done.input
    level = logging.getLogger().level
    done = export(trained, "onnx", tmp_path / "int8.onnx", progress, int8=True)
    assert logging.getLogger().level == level
    assert done.quantization is not None
    assert done.quantization.low <= done.quantization.accuracy_difference <= done.quantization.high
    with pytest.raises(InputError, match="one model and the run has 2; choose one: --model r0f0"):
        export(trained, "timm", tmp_path / "other", progress)
    with pytest.raises(InputError, match="exists already"):
        export(trained, "onnx", file, progress)
    with pytest.raises(InputError, match="/proc is not writable"):
        export(trained, "onnx", Path("/proc/x.onnx"), progress)


@pytest.mark.slow
def test_file_with_other_answers_is_not_written(
    trained: TrainedRun, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Swapped(Program):
        def forward(self, photos: torch.Tensor) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
            probabilities, *others = super().forward(photos)
            return probabilities.flip(1), *others

    monkeypatch.setattr(exporting, "Program", Swapped)
    folder = tmp_path / "place"
    with pytest.raises(ExportError, match=r"other answers .*: \d+ of .*; no file was written"):
        export(trained, "pt2", folder / "model.pt2", progress, any_size=False)
    assert not list(folder.iterdir())


def test_largest_difference_decides_where_no_answer_changed() -> None:
    expected = np.array([[0.2, 0.8], [0.6, 0.4]])
    proof = compare_answers(expected, expected + np.array([[0.001, -0.001], [0, 0]]), 0)
    assert proof.changed == 0 and proof.upper_bound == pytest.approx(1 - 0.05**0.5)
    with pytest.raises(ExportError):
        require_equal(proof)
    require_equal(compare_answers(expected, expected + 1e-6, 0))

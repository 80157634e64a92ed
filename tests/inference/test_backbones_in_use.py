"""A run with several backbones and views of a photo in use: exported, served, fitted again."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from fashion_exp.data.geometry import geometry_of, pack, unpack
from fashion_exp.errors import InputError
from fashion_exp.inference.card import write_card
from fashion_exp.inference.explain import METHODS, QuickMaps, Source, explain
from fashion_exp.inference.export import export
from fashion_exp.inference.images import decoded
from fashion_exp.inference.predict import predict
from fashion_exp.inference.refit import refit
from fashion_exp.inference.serving.predictor import Decoders
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.reporting.progress import Progress
from tests.backbone_runs import SIZES, RunTiny, load, options

pytestmark = pytest.mark.slow


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=io.StringIO()))


@pytest.fixture
def both(tiny: RunTiny, backbone_files: dict[str, Path], tmp_path: Path) -> TrainedRun:
    """Two backbones of 24 and 32 px on five crops."""
    made = tiny(*options(backbone_files, *SIZES), "model.test_views=five_crops", "repeats=2")
    shutil.move(made.output, tmp_path / "outputs" / "runs" / "both")
    return load_run("both", tmp_path / "outputs")


def test_packed_photo_has_the_pixels_of_each_format(both: TrainedRun) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    packed = both.preprocess(photo)
    assert packed.shape == both.geometry.shape == (1, 27**2 + 37**2, 3)
    parts = unpack(packed, both.geometry)
    assert [part.shape for part in parts] == [(27, 27, 3), (37, 37, 3)]
    assert np.array_equal(pack(parts), packed)
    assert geometry_of(json.loads(json.dumps(asdict(both.geometry)))) == both.geometry


def test_exported_files_answer_as_the_run(
    both: TrainedRun, tmp_path: Path, progress: Progress
) -> None:
    pytest.importorskip("onnxruntime")
    done = export(both, "onnx", tmp_path / "both.onnx", progress, temperatures={"r0f0": 2.0})
    assert done.proof.changed == 0 < done.proof.resized and "any size" in done.input
    with pytest.raises(InputError, match="one network, and the run has 2 side by side"):
        export(both, "timm", tmp_path / "both-timm", progress, model="r0f0")


def test_service_decodes_to_the_input_of_the_run(both: TrainedRun) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    decoders = Decoders(both, 1, 40.0)
    try:
        decoded = asyncio.run(decoders(buffer.getvalue()))
    finally:
        decoders.close()
    assert np.array_equal(decoded, both.preprocess(pixels))


def test_refit_and_card_have_all_backbones(
    both: TrainedRun, photos: Path, progress: Progress, tmp_path: Path
) -> None:
    again = refit(both, progress, models=1)
    assert [plan.size for plan in again.plan.networks] == [24, 32]
    (table,) = predict(again, [photos], coverage=None)
    assert np.isfinite(table["probability"]).all()
    write_card(both, tmp_path / "card")
    text = "".join(file.read_text() for file in (tmp_path / "card").rglob("*.md"))
    assert "+".join(SIZES) in text and both.plan.weights_sha256 in text


def test_explain_maps_several_networks_on_one_view(
    tiny: RunTiny, backbone_files: dict[str, Path], photos: Path
) -> None:
    run = load(tiny(*options(backbone_files, *SIZES), "repeats=2"))
    source = Source("photo", next(photos.rglob("*.png")))
    (item,) = explain(run, [source], methods=METHODS)
    image = run.preprocess(decoded(run, source.photo))
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = run.predict_batch(batch).probabilities.mean(axis=0)
    assert item.probability == pytest.approx(expected.max(), abs=1e-5)
    assert item.image.shape == (*[min(SIZES.values())] * 2, 3)
    assert np.isfinite(item.maps["activation"]).all() and np.ptp(item.maps["occlusion"]) > 0
    with Image.open(io.BytesIO(QuickMaps(run).png(image))) as picture:
        assert picture.format == "PNG"


def test_explain_covers_places_where_views_are_added_up(both: TrainedRun, photos: Path) -> None:
    source = Source("photo", next(photos.rglob("*.png")))
    (item,) = explain(both, [source], check=False)
    assert list(item.maps) == ["occlusion"] and np.ptp(item.maps["occlusion"]) > 0
    with pytest.raises(InputError, match=r"test_views=five_crops.*use method=occlusion"):
        next(explain(both, [source], methods=METHODS))

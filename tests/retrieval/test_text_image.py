"""An index by a text–image model reads words as vectors, with the same commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.api.search import build_index
from fashion_exp.errors import InputError
from fashion_exp.retrieval.text_image import TextImageEmbedder, text_image_embedder

open_clip = pytest.importorskip("open_clip")
pytestmark = pytest.mark.slow
MODEL = "test-tiny"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny CLIP with random weights, which open_clip knows by the name test-tiny."""
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1,
                     "layers": 1},
    }  # fmt: skip
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, MODEL, config)
    torch.manual_seed(0)
    model = open_clip.create_model(MODEL)
    save_file(model.state_dict(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_words_are_vectors_of_the_model(garments: Path, weights: Path, tmp_path: Path) -> None:
    name = f"clip:{MODEL}"
    index = build_index(
        garments, name, weights={name: str(weights)}, attributes=garments / "items.csv",
        outputs=tmp_path / "outputs",
    )  # fmt: skip
    photo = garments / "dress" / "red0.png"
    result = index.search(photo, top=1)
    assert result.rows["path"][0] == str(photo)
    assert result.rows["similarity"][0] == pytest.approx(1, abs=1e-5)
    embedder = index.searcher.embedder
    assert isinstance(embedder, TextImageEmbedder)
    wanted, unwanted = embedder.of_texts(["a photo of red dress", "a photo of stripes"])
    result = index.search(words="red dress without stripes", where='size = "M"', top=24)
    assert result.words.sentence == f"read by {name}" and set(result.rows["size"]) == {"M"}
    target = (wanted - unwanted) / np.linalg.norm(wanted - unwanted)
    expected = index.photos.vectors(result.rows["image_id"].to_list()) @ target
    assert np.allclose(result.rows["similarity"], expected, atol=1e-5)
    both = index.search(photo, "red dress", top=24).rows["similarity"]
    assert both.is_monotonic_decreasing and both[0] < 1


def test_model_or_file_that_is_not_there_is_one_line(weights: Path, tmp_path: Path) -> None:
    for name, files, message in (
        ("clip:ViT-B-23", {}, "did you mean ViT-B-32"),
        (f"clip:{MODEL}", {}, "no published weights"),
        (f"clip:{MODEL}", {f"clip:{MODEL}": "nothing.pt"}, "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            build_index(tmp_path, name, weights=files, outputs=tmp_path)
    (tmp_path / "broken.pt").write_bytes(b"rubbish")
    files = {f"clip:{MODEL}": str(tmp_path / "broken.pt")}
    with pytest.raises(InputError, match="no weights from"):
        _ = text_image_embedder(f"clip:{MODEL}", files, tmp_path).model
    embedder = text_image_embedder(f"clip:{MODEL}", {f"clip:{MODEL}": str(weights)}, tmp_path)
    with pytest.raises(InputError, match="nothing to search for"):
        embedder.direction("not")

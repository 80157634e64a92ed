"""A text–image model of open_clip: photos and texts as vectors of one space (Radford et al. 2021).

Named `clip:MODEL`, such as clip:ViT-B-32, with a file of weights or those that are published.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fashion_exp.cache.array_store import ArrayStore, store_key
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.pixels import CachedPixels, load_pixels
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest
from fashion_exp.models.metadata import file_sha256
from fashion_exp.paths import expand_user, install_command
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Progress
from fashion_exp.retrieval.words import MODEL_PREFIX

BATCH = 32
_NEGATION = re.compile(r"\b(?:but not|without|except|not|no)\b")


@dataclass(frozen=True)
class TextImageEmbedder:
    """Used as `Embedder`, and encodes texts too."""

    name: str
    """Of the model, as open_clip names it."""
    weights: str
    """A file, or a name of open_clip's list of published weights."""
    outputs: Path

    is_centered = False
    """Texts are compared with the vectors as they are."""

    @cached_property
    def identity(self) -> list[dict[str, str]]:
        path = Path(self.weights)
        source = file_sha256(path) if path.is_file() else self.weights
        return [
            {
                "network": f"{MODEL_PREFIX}{self.name}",
                "weights": source,
                "input": str(self.geometry),
            }
        ]

    @cached_property
    def model(self) -> Any:
        """Raises `InputError` if the weights cannot be loaded."""
        import open_clip

        try:
            return open_clip.create_model(self.name, pretrained=self.weights).eval()
        except Exception as error:  # of torch, safetensors, open_clip and the hub
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"--by {MODEL_PREFIX}{self.name}: no weights from {self.weights} ({reason}); give "
                f"a file: --weights {MODEL_PREFIX}{self.name}=FILE"
            ) from None

    @cached_property
    def geometry(self) -> Geometry:
        import open_clip

        size = open_clip.get_model_config(self.name)["vision_cfg"].get("image_size", 224)
        return Geometry(size, "crop", "bicubic", 3)

    def of_table(
        self, table: ImageTable, beside: Geometry, progress: Progress
    ) -> tuple[ImageTable, np.ndarray, CachedPixels]:
        """As `Embedder.of_table`; vectors that an earlier call computed are read from the cache."""
        tick = progress.stage("reading photos", len(table))
        readable, (pixels, small) = load_pixels(
            table, [self.geometry, beside], None, cpu_count(), lambda done, _: tick(done),
            self.outputs / "cache",
        )  # fmt: skip
        ids = readable.rows["image_id"].to_list()
        fields = {"text_image": self.identity, "pixels": pixels.key}
        folder = self.outputs / "cache" / "features" / store_key(fields)
        width = self.of_texts([""]).shape[1]
        store = ArrayStore(folder, (width,), "float32", fields)
        store.drop_damaged(ids)
        missing = [row for row, image in enumerate(ids) if image not in store]
        tick = progress.stage("features", len(missing))
        for start in range(0, len(missing), BATCH):
            rows = missing[start : start + BATCH]
            vectors = self.of_inputs([pixels[row] for row in rows])
            store.add(dict(zip((ids[row] for row in rows), vectors, strict=True)))
            tick(start + len(rows))
        stored, index = store.map_arrays(ids)
        features = np.array(stored[index])
        store.close()
        return readable, features, small

    def imagenet(self, features: np.ndarray) -> None:
        """Words are read by the model, not by classes."""

    def of_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return self.of_inputs([resize(image, self.geometry) for image in images])

    def finish(self, image: np.ndarray) -> np.ndarray:
        return image

    @torch.inference_mode()
    def of_inputs(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """float32 (n, width), unit length, for photos in `geometry`."""
        visual = self.model.visual
        mean, std = (torch.tensor(x).view(-1, 1, 1) for x in (visual.image_mean, visual.image_std))
        images = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2).float() / 255
        return np.asarray(self.model.encode_image((images - mean) / std, normalize=True))

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (n, width), unit length."""
        import open_clip

        tokens = open_clip.get_tokenizer(self.name)(list(texts))
        return np.asarray(self.model.encode_text(tokens, normalize=True))

    def direction(self, text: str) -> np.ndarray:
        """(width,): the vector of a text, minus those of what follows not, no and without.

        Raises `InputError` if nothing else is in the text.
        """
        wanted, *unwanted = (part.strip(" ,.;") for part in _NEGATION.split(text.lower()))
        signs = {part: 1.0 if part == wanted else -1.0 for part in (wanted, *unwanted) if part}
        if not signs:
            raise InputError(f"{text!r}: nothing to search for; give a photo, words, or --where")
        weights = np.array(list(signs.values()), np.float32)
        return np.asarray(weights @ self.of_texts([f"a photo of {part}" for part in signs]))


def text_image_embedder(name: str, weights: Mapping[str, str], outputs: Path) -> TextImageEmbedder:
    """Raises `InputError` for an unknown model, and if open_clip is not installed."""
    if find_spec("open_clip") is None:
        raise InputError(f"--by {name}: needs open_clip; {install_command('clip')}")
    import open_clip

    model = name.removeprefix(MODEL_PREFIX)
    if model not in (known := open_clip.list_models()):
        raise InputError(f"--by {name}: open_clip has no such model; {suggest(model, known)}")
    if unknown := sorted(set(weights) - {name}):
        raise InputError(f"--weights {unknown[0]}=…: not the model; it is {name}")
    if name in weights:
        path = expand_user(weights[name], "--weights").resolve()
        if not path.is_file():
            raise InputError(f"--weights {name}={weights[name]}: no such file")
        return TextImageEmbedder(model, str(path), outputs)
    published = open_clip.list_pretrained_tags_by_model(model)
    if not published:
        raise InputError(f"--by {name}: no published weights; give --weights {name}=FILE")
    return TextImageEmbedder(model, published[0], outputs)

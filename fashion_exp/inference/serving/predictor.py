"""What a service knows about a photo: prediction, heat map and similar training photos."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from PIL import Image

from fashion_exp.data.geometry import AnyGeometry
from fashion_exp.data.isolated_decoder import IsolatedDecoder
from fashion_exp.data.sources.load import load_images_cached
from fashion_exp.errors import InputError
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress

if TYPE_CHECKING:
    from fashion_exp.inference.calibration import Calibration
    from fashion_exp.inference.explain import QuickMaps

log = logging.getLogger(__name__)

MAX_DECODING_SECONDS = 20.0
SIMILAR_PHOTOS = 6
THUMBNAIL_SIZE = 160


class InputFormat(Protocol):
    """How photos are fitted into what a network takes."""

    @property
    def geometry(self) -> AnyGeometry: ...

    def finish(self, image: np.ndarray) -> np.ndarray: ...


class Decoders:
    """Processes that decode untrusted photos to the network's input, one photo each at a time."""

    def __init__(self, form: InputFormat, count: int, max_megapixels: float) -> None:
        self._form, self._max_megapixels = form, max_megapixels
        self._idle: asyncio.Queue[IsolatedDecoder] = asyncio.Queue()
        self._all = [IsolatedDecoder() for _ in range(count)]
        for decoder in self._all:
            self._idle.put_nowait(decoder)

    async def __call__(self, content: bytes) -> np.ndarray:
        """uint8 (size, size, channels). Raises `UnreadableImageError` or `DecodingTimeoutError`."""
        decoder = await self._idle.get()
        try:
            return await asyncio.to_thread(self._decode, decoder, content)
        finally:
            self._idle.put_nowait(decoder)

    def _decode(self, decoder: IsolatedDecoder, content: bytes) -> np.ndarray:
        shape = self._form.geometry.shape
        _, pixels = decoder.ask(
            content, MAX_DECODING_SECONDS, int(np.prod(shape)),
            max_megapixels=self._max_megapixels, geometry=asdict(self._form.geometry),
        )  # fmt: skip
        return self._form.finish(np.frombuffer(pixels, np.uint8).reshape(shape))

    def close(self) -> None:
        for decoder in self._all:
            decoder.__exit__()


class Predictor:
    """Answers for images (n, size, size, channels), as JSON values."""

    def __init__(
        self, run: TrainedRun, file: Path, calibration: Calibration, coverage: float
    ) -> None:
        self.run, self._calibration, self._coverage = run, calibration, coverage
        self._session = open_session(file)
        self.names = tuple(json.loads(self.about["models"]))
        if any(self.about.get(key) != value for key, value in run.identity.items()):
            raise InputError(
                f"{file}: exported from {self.about['run']}, not as {run.run.path.name} is now; "
                "export this run (--size run), or serve that one"
            )

    @cached_property
    def about(self) -> Mapping[str, str]:
        """The metadata of the file."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    @cached_property
    def card(self) -> dict[str, Any]:
        """The model card as JSON. It takes seconds: the calibration is measured."""
        from fashion_exp.inference.card import build_card
        from fashion_exp.reporting.photo_page import as_json

        return as_json(build_card(self.run))

    def __call__(self, images: np.ndarray) -> list[tuple[dict[str, Any], np.ndarray]]:
        """For each image the prediction, and its features (width,)."""
        from fashion_exp.inference.predict import predictions_table

        by_model, features = self._session.run(["by_model", "features"], {"photos": images})
        calibration = self._calibration
        probabilities = calibration.scaled(by_model, self.names)
        table = predictions_table(
            self.run.classes, [""] * len(images), [""] * len(images), probabilities
        )
        sets = calibration.prediction_sets(by_model, self._coverage, models=self.names)
        shared = features if features.shape[1] else None
        score, unfamiliar = calibration.unfamiliar(shared, by_model, self.names)
        answers = [
            {
                "predicted": row["predicted"],
                "probability": row["probability"],
                "probabilities": {name: row[f"p_{name}"] for name in self.run.classes},
                "runner_up": row["runner_up"],
                "agreement": row["agreement"],
                "prediction_set": list(members),
                "unfamiliar": bool(flag),
                "unfamiliar_score": float(value),
            }
            for row, members, value, flag in zip(
                table.to_dict("records"), sets, score, unfamiliar, strict=True
            )
        ]
        return list(zip(answers, features, strict=True))

    def heat_map(self, image: np.ndarray) -> bytes:
        """A PNG. Raises `InputError` for a network without one."""
        return self._maps.png(image)

    @cached_property
    def _maps(self) -> QuickMaps:
        from fashion_exp.inference.explain import QuickMaps

        return QuickMaps(self.run)

    def similar(self, features: np.ndarray) -> list[dict[str, Any]]:
        """The run's training photos with the most similar features (cosine), best first."""
        if self._references is None or not len(features):
            return []
        ids, labels, reference = self._references
        similarity = reference @ (features / np.linalg.norm(features))
        best = np.argsort(-similarity, kind="stable")[:SIMILAR_PHOTOS]
        return [
            {"id": ids[i], "label": labels[i], "similarity": float(similarity[i])} for i in best
        ]

    def prepare(self, progress: Progress) -> None:
        """Reads the features of the training photos, if the models share a backbone."""
        from fashion_exp.inference.own_features import own_features

        self._references = None
        if not self.run.shares_backbone:
            return
        split = pd.read_csv(self.run.run.split_file, dtype={"image_id": str})
        rows = split[(split[list(self.names)] == "train").any(axis=1)]
        labels = [self.run.classes[label] for label in rows["label"]]
        ids = rows["image_id"].to_list()
        try:
            features = own_features(self.run, ids, progress)
        except InputError as error:
            log.warning("no similar photos: %s", error)
            return
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        self._references = ids, labels, features

    _references: tuple[list[str], list[str], np.ndarray] | None = None

    def thumbnail(self, image_id: str) -> bytes | None:
        """A JPEG of one of the run's own photos that `similar` may name; None for any other id."""
        if self._references is None or image_id not in self._known:
            return None
        image = Image.fromarray(self._table.read(self._known[image_id]))
        image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    @cached_property
    def _table(self) -> Any:
        cfg = self.run.config
        cache = outputs_dir(cfg.outputs) / "cache"
        return load_images_cached(cfg.dataset, cache, cfg.training.targets)

    @cached_property
    def _known(self) -> dict[str, int]:
        assert self._references is not None
        ids = set(self._references[0])
        return {x: row for row, x in enumerate(self._table.rows["image_id"]) if x in ids}


def open_session(file: Path) -> Any:
    """An onnxruntime session on the CPU. Raises `InputError` for a damaged or foreign file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Patterns hold a block for every size of a batch that came twice, beside the arena.
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        about = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # onnxruntime has a class for every kind of failure
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file}: no onnx file that can be loaded ({reason}); export the run again"
        ) from None
    if not {"by_model", "features"} <= set(names) or not {"models", "run", "checkpoints"} <= set(
        about
    ):
        raise InputError(f"{file}: not written by this version of `export`; export the run again")
    if not isinstance(session.get_inputs()[0].shape[1], int):
        raise InputError(f"{file}: resizes photos itself; serve needs export --size run")
    return session

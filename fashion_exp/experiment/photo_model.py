"""The model that MLflow stores: photos as files or arrays in, probabilities out.

MLflow copies this file into the model, together with the package, whose decoder and resizing it
uses, and runs it where the model is loaded or served.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from fashion_exp.data.decode import decode
from fashion_exp.data.geometry import geometry_of, resize, single_geometries


class PhotoModel(PythonModel):
    """Takes a table with the column `photo` (the bytes of a file), or a list of files' bytes and
    arrays uint8 (height, width, 3). Gives a row for each: predicted, p_<class> ….

    Raises `UnreadableImageError` for a photo that cannot be decoded.
    """

    def load_context(self, context: Any) -> None:
        self._program = torch.export.load(context.artifacts["program"]).module()
        about = json.loads(Path(context.artifacts["about"]).read_text(encoding="utf-8"))
        self._classes: list[str] = about["classes"]
        self._max_megapixels: float = about["max_megapixels"]
        self._geometry = geometry_of(about["geometry"])
        self._fixed: Any = lambda image: image
        if about["operations"]:
            from fashion_exp.data.augment import Augmentation, augment_packed

            operations = [
                Augmentation("operations", about["operations"], geometry.shape)
                for geometry in single_geometries(self._geometry)
            ]
            self._fixed = lambda image: augment_packed(operations, image, self._geometry)

    # MLflow reads type hints as its schema, which is the signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        photos = model_input["photo"] if isinstance(model_input, pd.DataFrame) else model_input
        images = np.stack([self._preprocess(photo) for photo in photos])
        with torch.no_grad():
            probabilities = self._program(torch.from_numpy(images))[0].numpy().astype(float)
        table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in self._classes])
        predicted = np.asarray(self._classes, dtype=object)[probabilities.argmax(1)]
        table.insert(0, "predicted", predicted)
        return table

    def _preprocess(self, photo: bytes | np.ndarray) -> np.ndarray:
        pixels = decode(photo, self._max_megapixels) if isinstance(photo, bytes) else photo
        return np.asarray(self._fixed(resize(pixels, self._geometry)))


set_model(PhotoModel())

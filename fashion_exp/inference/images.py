"""Photos as they come in a program: paths, bytes, PIL images and arrays."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

Photo = str | PathLike[str] | bytes | Image.Image | np.ndarray
"""An array is uint8 RGB (height, width, 3) or grayscale (height, width)."""


def decoded(run: TrainedRun, photo: Photo) -> np.ndarray:
    """A photo as upright uint8 RGB (height, width, 3). Raises `InputError` if it is none."""
    if isinstance(photo, bytes):
        return run.read(photo)
    if isinstance(photo, str | PathLike):
        return run.read(fspath(photo))
    if isinstance(photo, Image.Image):
        return np.asarray(ImageOps.exif_transpose(photo).convert("RGB"))
    array = np.asarray(photo)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise InputError(
            f"an array of {array.dtype} {array.shape} is no photo; use uint8 (height, width, 3)"
        )
    return np.stack([array] * 3, axis=2) if array.ndim == 2 else array

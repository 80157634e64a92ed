"""Photos as they come in a program: paths, bytes, PIL images and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps

from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.inference.calibration import load_calibration
from fashion_exp.inference.predictions_table import COVERAGE, calibrated_columns, predictions_table
from fashion_exp.inference.several import thresholds_of
from fashion_exp.inference.sources import expand

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

Photo = str | PathLike[str] | bytes | Image.Image | np.ndarray
"""An array is uint8 RGB (height, width, 3) or grayscale (height, width)."""


def decoded(run: TrainedRun, photo: Photo) -> np.ndarray:
    """A photo as upright uint8 RGB (height, width, 3). Raises `InputError` if it is none."""
    return decoded_photo(photo, run.read)


def decoded_photo(photo: Photo, read: Callable[[str | bytes], np.ndarray]) -> np.ndarray:
    """As `decoded`; `read` decodes a file or its bytes."""
    if isinstance(photo, bytes):
        return read(photo)
    if isinstance(photo, str | PathLike):
        return read(fspath(photo))
    if isinstance(photo, Image.Image):
        return np.asarray(ImageOps.exif_transpose(photo).convert("RGB"))
    array = np.asarray(photo)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)):
        raise InputError(
            f"an array of {array.dtype} {array.shape} is no photo; use uint8 (height, width, 3)"
        )
    return np.stack([array] * 3, axis=2) if array.ndim == 2 else array


def predict_decoded(
    run: TrainedRun, photos: Sequence[Photo], models: Sequence[str] | None = None
) -> pd.DataFrame:
    """The columns of `predict` for photos of which some are in memory; paths stand for what
    `list_photos` finds. What cannot be read is a row with its reason. Raises `InputError` for an
    array that is no photo."""
    photos = [item for photo in photos for item in _expanded(photo)]
    names = [name_of(photo, number) for number, photo in enumerate(photos, start=1)]
    thresholds, tables = thresholds_of(run, models), list[pd.DataFrame]()
    calibration = load_calibration(run) if thresholds is None else None
    for start in range(0, len(photos), run.batch_size):
        chunk = photos[start : start + run.batch_size]
        images, reasons = [], []
        for photo in chunk:
            try:
                images.append(run.preprocess(_read(run, photo)))
                reasons.append("")
            except (UnreadableImageError, OSError) as error:  # Pillow reads its images late
                reasons.append(str(error))
        batches = [torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)] if images else []
        output = run.predict_parts(batches, models)
        columns = calibrated_columns(calibration, output, models or run.model_names, COVERAGE)
        part = names[start : start + len(chunk)]
        tables.append(
            predictions_table(run.classes, part, reasons, output.probabilities, columns, thresholds)
        )
    return pd.concat(tables, ignore_index=True)


def _expanded(photo: Photo) -> list[Photo]:
    if isinstance(photo, str | PathLike):
        return [*expand(fspath(photo))] or [photo]
    return [photo]


def _read(run: TrainedRun, photo: Photo) -> np.ndarray:
    """As `decoded`, but raises `UnreadableImageError` for a file or its bytes."""
    if isinstance(photo, str | PathLike | bytes):
        return run.decode(photo if isinstance(photo, bytes) else fspath(photo))
    return decoded(run, photo)


def as_list(photos: object) -> list[Photo]:
    """One photo or several as a list. Raises `InputError` for anything else."""
    if isinstance(photos, np.ndarray):
        return list(photos) if photos.ndim == 4 else [photos]
    if isinstance(photos, str | PathLike | bytes | Image.Image):
        return [photos]
    if isinstance(photos, Iterable):
        return [photo for item in photos for photo in as_list(item)]
    raise InputError(f"{photos}: neither a path, a PIL image nor an array")


def name_of(photo: Photo, number: int) -> str:
    """The path of a photo, or its number, from 1 on."""
    name = fspath(photo) if isinstance(photo, str | PathLike) else getattr(photo, "filename", "")
    return name or f"image {number}"

"""Properties of a run's photos, for slices and controls: color, brightness, size, file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.comparison.misclassified import load_run_images

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.data.table import ImageTable
    from fashion_exp.inspection.image import ImageInspection

BORDER = 3
"""Width of the border of the image, of 32 px: a sixth of it is in the border."""


def photo_columns(run: RunData, cache: Path) -> pd.DataFrame:
    """One row per photo that can be read, by image id; empty if the photos are no files, or gone.

    color: mean red minus mean blue, -255 to 255; brightness and contrast: mean and standard
    deviation of the pixels, 0 to 255; background: mean brightness of the border; size: the shorter
    side, px; aspect: width divided by height; bytes: of the file; format: its kind;
    quality: of a JPEG, 1 to 100.
    """
    inspected = inspect_run(run, cache)
    rows = {
        image: {
            "color": inspection.stats.mean_rgb[0] - inspection.stats.mean_rgb[2],
            "brightness": inspection.stats.brightness,
            "contrast": inspection.stats.max_std,
            "background": float(border_pixels(inspection.stats.gray).mean()),
            "size": min(inspection.stats.width, inspection.stats.height),
            "aspect": inspection.stats.width / inspection.stats.height,
            "bytes": inspection.size_bytes,
            "format": inspection.header.kind,
            "quality": np.nan if inspection.header.quality is None else inspection.header.quality,
        }
        for image, inspection in inspected.items()
        if inspection.stats is not None and inspection.header is not None
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def inspect_run(run: RunData, cache: Path) -> dict[str, ImageInspection]:
    """The inspection of each photo of a run by image id; none if they are no files, or gone."""
    from fashion_exp.inspection.run_photos import inspect_table_files, table_files

    table: ImageTable | None = load_run_images(run, cache)
    files = [] if table is None else table_files(table, "")
    if table is None or not files:
        return {}
    inspections = inspect_table_files(files, cache, run.config.dataset.max_megapixels)
    return dict(zip(table.rows["image_id"], inspections, strict=True))


def border_pixels(gray: np.ndarray) -> np.ndarray:
    """The pixels of a square image that are less than `BORDER` from its edge."""
    inner = np.zeros(gray.shape, dtype=bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    return gray[~inner].astype(np.float64)

"""What check, duplicates and summary report, in one form for the terminal, the page and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_exp.data.decode import decode
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.reporting.photo_page import Section, thumbnail
from fashion_exp.reporting.report_content import Photo

_THUMBNAIL_EDGE = 160  # px of the longer side


@dataclass(frozen=True)
class FolderReport:
    conclusions: Sequence[str]
    """Sentences; the first states the main result."""
    sections: Sequence[Section]
    """Sections of the page; the terminal shows the tables of the first."""
    data: dict[str, Any]
    """Output of `--json`, without the keys that all subcommands have."""


def photo(file: ImageFile, caption: str, max_megapixels: float) -> Photo:
    label = file.label or "no class"
    return Photo(_thumbnail(file.real_path, max_megapixels), file.path, label, caption)


def swatch(color: tuple[int, int, int], label: str, caption: str) -> Photo:
    """A uniform color as a photo."""
    return Photo(thumbnail(np.full((16, 16, 3), color, np.uint8), 16), "", label, caption)


def _thumbnail(path: str, max_megapixels: float) -> bytes | None:
    try:
        return thumbnail(decode(path, max_megapixels), _THUMBNAIL_EDGE)
    except UnreadableImageError:
        return None

"""How every picture looks: its colours, sizes and fonts, and how it reaches the disk."""

from __future__ import annotations

import os
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.reporting.formats import shorten_to_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

# Okabe and Ito's palette: told apart with every common colour vision deficiency.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
INK = "#222222"
MUTED = "#6B6B6B"
RULE = "#BDBDBD"
EMPTY = "#F1F1F1"
PAPER = "#FFFFFF"
SEQUENTIAL = ("#E6F0F8", "#8FBFDE", BLUE, "#003A5C")
"""Of rates from just above 0 to 1; nothing at all stays paper."""

# Points, in figures.
TITLE = 10.0
LABEL = 8.5
SMALL = 7.5

DPI = 150
COMPRESSED = {"compress_level": 1}
"""How much zlib tries: its usual 6 takes three times as long for a twentieth less."""
LONGEST_NAME = 26
"""Columns of the longest class name that is written out in a figure."""

# What DejaVu Sans lacks; the first ones that are installed are used.
_FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "Source Han Sans",
    "WenQuanYi Micro Hei",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
)


@cache
def font_families() -> tuple[str, ...]:
    """The fonts to look for a character in, in order: matplotlib's own, then installed ones."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed))


def font_file(text: str) -> str:
    """The file of the first font that has every character, or matplotlib's own if none has."""
    from matplotlib.font_manager import FontProperties, fontManager

    files = [fontManager.findfont(FontProperties(family=name)) for name in font_families()]
    wanted = {ord(character) for character in text if not character.isspace()}
    return next((file for file in files if wanted <= _characters(file)), files[0])


@cache
def _characters(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(file).get_charmap())


def any_text() -> dict[str, Any]:
    """Arguments of a matplotlib text that comes from the user: any script, dollars as they are."""
    return {"family": list(font_families()), "parse_math": False}


def class_name(name: str) -> str:
    """A class name as short as a figure needs it."""
    return shorten_to_cells(name, LONGEST_NAME)


def tidy(axes: Axes) -> None:
    """Axes without a box: ticks and lines that stand behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(which="both", labelsize=LABEL, labelcolor=INK, color=RULE)


def save(picture: Figure | Image.Image, path: Path) -> Path:
    """Write a PNG, whole or not at all; the same picture gives the same bytes. Returns `path`."""
    assert path.suffix == ".png", path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(picture, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write(picture: Figure | Image.Image, path: Path) -> None:
    from PIL import Image

    if isinstance(picture, Image.Image):
        picture.save(path, "png", **COMPRESSED)
        return
    with warnings.catch_warnings():
        # A character that no font has is drawn as the box of its script: enough, and no news.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        picture.savefig(
            path,
            format="png",
            dpi=DPI,
            bbox_inches="tight",
            pad_inches=0.12,
            facecolor=PAPER,
            metadata={"Software": None},
            pil_kwargs=COMPRESSED,
        )

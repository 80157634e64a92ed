"""Colors, sizes and fonts of all figures, line wrapping, and saving."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.atomic_io import atomic_write
from fashion_exp.reporting.formats import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

# The palette of Okabe and Ito is distinguishable with all common color vision deficiencies.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#8E5A86"
BROWN = "#8A6D00"
INK = "#222222"
MUTED = "#6B6B6B"
RULE = "#BDBDBD"
EMPTY = "#F1F1F1"
PAPER = "#FFFFFF"
SEQUENTIAL = ("#E6F0F8", "#8FBFDE", BLUE, "#003A5C")
"""Color map of rates from just above 0 to 1; 0 is PAPER."""

# Font sizes in points.
TITLE = 10.0
LABEL = 8.5
SMALL = 7.5

LINE_HEIGHT = 1.35
"""Of a line of text, in font sizes."""

WIDE, NARROW = 9.0, 3.45
"""Figure widths in inches for desktops and phones."""

DPI = 150
COMPRESSION = {"compress_level": 1}
"""zlib's default of 6 takes three times as long and saves a twentieth."""

# DejaVu Sans lacks CJK characters. The first installed fallbacks are used.
_FALLBACK_FONTS = (
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
    """Font names in order of preference: matplotlib's default, then installed fallbacks."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in _FALLBACK_FONTS if name in installed))


def font_file(text: str) -> str:
    """The file of the first font that has every character, else of the default font."""
    from matplotlib.font_manager import FontProperties, fontManager

    files = [fontManager.findfont(FontProperties(family=name)) for name in font_families()]
    characters = {ord(character) for character in text if not character.isspace()}
    return next((file for file in files if characters <= _characters(file)), files[0])


@cache
def _characters(file: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(file).get_charmap())


@cache
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width in inches of one line at a font size in points."""
    from PIL import ImageFont

    text = one_line(text)
    ems = ImageFont.truetype(font_file(text), 100).getlength(text) / 100
    # Bold glyphs are up to 13 % wider, and rounding glyphs to pixels adds up to 4 %.
    return ems * size / 72 * 1.04 * (1.13 if bold else 1.0)


def wrap_text(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """Lines of at most `width` inches. Long words are broken; nothing is cut off."""
    text = one_line(text).strip()
    columns = len(text)
    while columns > 1:
        lines = textwrap.wrap(text, columns, break_on_hyphens=False)
        widest = max((text_width(line, size, bold) for line in lines), default=0.0)
        if widest <= width:
            return lines or [""]
        columns = min(columns - 1, int(columns * width / widest))
    return list(text) or [""]


def text_style(size: float, color: str = INK, bold: bool = False) -> dict[str, Any]:
    """Arguments of a matplotlib text that may hold user text: any script, literal dollar signs."""
    return {
        "fontsize": size,
        "color": color,
        "fontweight": "bold" if bold else "normal",
        "family": list(font_families()),
        "parse_math": False,
    }


def style_axes(axes: Axes) -> None:
    """Removes the box around the axes and mutes ticks and spines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(which="both", labelsize=LABEL, labelcolor=INK, color=RULE)


def cell_figure(colors: np.ndarray, width: float, height: float) -> tuple[Figure, Axes]:
    """A grid of cells of the given size in inches; `colors` is (rows, columns, 4) RGBA in [0, 1].

    The axes fill the figure; `save` adds what is outside.
    """
    from matplotlib.figure import Figure

    rows, columns, _ = colors.shape
    figure = Figure(figsize=(width * columns, height * rows))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(colors, aspect="auto")
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=RULE, linewidth=0.5)
    axes.spines[:].set_color(RULE)
    axes.tick_params(which="both", length=0)
    return figure, axes


def add_title(figure: Figure, title: str) -> None:
    """Writes a title above the figure; `save` makes room for it."""
    lines = wrap_text(title, TITLE, figure.get_figwidth() - 0.2, bold=True)
    figure.text(0.01, 1, "\n".join(lines), va="bottom", **text_style(TITLE, bold=True))


def fix_layout(figure: Figure, axes: Axes, height: float, rows: int = 1) -> None:
    """Ends constrained layout with a figure in which the axes have this height in inches.

    `axes` are any of equally high ones in `rows` rows.
    """
    engine = figure.get_layout_engine()
    assert engine is not None
    for _ in range(2):
        with ignore_missing_glyphs():
            engine.execute(figure)
        excess = axes.get_window_extent().height / figure.dpi - height
        figure.set_figheight(figure.get_figheight() - rows * excess)
    figure.set_layout_engine("none")  # later drawing is several times as fast


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Adds a legend below a figure with constrained layout; long labels are wrapped."""
    if not labels:
        return
    width = figure.get_figwidth() - 0.6
    wide = width > 5 and max(text_width(label, SMALL) for label in labels) < width / 2 - 0.4
    figure.legend(
        handles,
        ["\n".join(wrap_text(label, SMALL, width)) for label in labels],
        loc="outside lower left",
        ncols=2 if wide else 1,
        frameon=False,
        borderpad=0.2,
        borderaxespad=0.2,
        labelspacing=0.35,
        labelcolor=MUTED,
        prop={"size": SMALL, "family": list(font_families())},
    )
    for text in figure.legends[-1].get_texts():
        text.set_parse_math(False)


@contextmanager
def ignore_missing_glyphs() -> Iterator[None]:
    """Silences the warning about characters that no font has; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield


def save(image: Figure | Image.Image, path: Path) -> Path:
    """Writes a PNG atomically and returns `path`. Equal images give equal bytes."""
    from PIL import Image

    assert path.suffix == ".png", path
    with atomic_write(path) as unfinished, ignore_missing_glyphs():
        if isinstance(image, Image.Image):
            image.save(unfinished, "png", **COMPRESSION)
        else:
            image.savefig(
                unfinished,
                format="png",
                dpi=DPI,
                bbox_inches="tight",
                pad_inches=0.12,
                facecolor=PAPER,
                metadata={"Software": None},
                pil_kwargs=COMPRESSION,
            )
    return path

"""How wide a text will be in a figure, and what of it fits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import shorten

_BOLD = 1.13
"""How much wider bold letters are, at most."""
_HINTED = 1.04
"""How much wider a line becomes by rounding its letters to pixels."""


def inches(text: str, points: float, bold: bool = False) -> float:
    """The width of one line at a font size."""
    return _em(one_line(text)) * points / 72 * _HINTED * (_BOLD if bold else 1.0)


def one_line(text: str) -> str:
    """Without line breaks and what else no font draws."""
    return " ".join("".join(" " if ord(c) < 32 else c for c in text).split())


@cache
def _em(text: str) -> float:
    from PIL import ImageFont

    return ImageFont.truetype(style.font_file(text), 100).getlength(text) / 100


def widest(texts: Sequence[str], points: float, bold: bool = False) -> float:
    """The width of the widest of them, 0 for none."""
    return max((inches(text, points, bold) for text in texts), default=0.0)


def fit(text: str, points: float, width: float, bold: bool = False) -> str:
    """One line that fits, its middle left out where it must be."""
    line = one_line(text)
    return shorten(line, lambda candidate: inches(candidate, points, bold) <= width)


def wrap(
    text: str, points: float, width: float, bold: bool = False, most: int | None = None
) -> list[str]:
    """The text in lines that fit, at most so many; what is too long for one is shortened."""
    lines: list[str] = []
    for word in one_line(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and inches(longer, points, bold) <= width:
            lines[-1] = longer
        else:
            lines.append(fit(word, points, width, bold))
    if most is None or len(lines) <= most:
        return lines
    rest = fit(" ".join(lines[most - 1 :]), points, width, bold)
    return [*lines[: most - 1], rest]

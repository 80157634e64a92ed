"""One line of progress that fits its terminal: parts are shortened or left out, never wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

_GAP = "  "
_NARROWEST, _WIDEST = 5, 30
"""Columns of the bar."""


@dataclass(frozen=True)
class Part:
    text: str
    rank: int
    """The lowest goes first where room is short."""
    short: str = ""
    """Another wording of `text` that needs less room."""


@dataclass(frozen=True)
class Bar:
    share: float
    rank: int


def fitted(parts: Sequence[Part | Bar], width: int, ascii_only: bool = False) -> Text:
    """The parts in their order, within `width` columns; empty ones are left out."""
    texts: dict[int, str] = {
        place: "#" * _NARROWEST if isinstance(part, Bar) else part.text
        for place, part in enumerate(parts)
        if isinstance(part, Bar) or part.text
    }
    by_rank = sorted(texts, key=lambda place: parts[place].rank)
    for place in by_rank:
        part = parts[place]
        if isinstance(part, Part) and part.short and _length(texts) > width:
            texts[place] = part.short
    for place in by_rank[:-1]:
        if _length(texts) > width:
            del texts[place]
    room = width - _length(texts) + _NARROWEST
    line = Text(no_wrap=True, overflow="ellipsis", end="")
    for place, text in texts.items():
        part = parts[place]
        line.append(_GAP if line else "")
        if isinstance(part, Bar):
            line.append_text(_bar(part.share, min(room, _WIDEST), ascii_only))
        else:
            line.append(text)
    line.truncate(width, overflow="ellipsis")
    return line


def _length(texts: dict[int, str]) -> int:
    return sum(map(cell_len, texts.values())) + len(_GAP) * (len(texts) - 1)


def _bar(share: float, width: int, ascii_only: bool) -> Text:
    # Done and undone differ in thickness, so that no colour is needed to tell them apart.
    thick, thin = ("#", "-") if ascii_only else ("\N{BOX DRAWINGS HEAVY HORIZONTAL}", "─")
    filled = round(min(max(share, 0.0), 1.0) * width)
    return Text.assemble((thick * filled, "cyan"), (thin * (width - filled), "dim"))

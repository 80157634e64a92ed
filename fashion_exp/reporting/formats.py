"""How numbers and names are written, in pictures, tables and progress lines alike."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich.cells import cell_len

DASH = "\N{EN DASH}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def number(value: float | None, decimals: int = 3) -> str:
    """Fixed decimals, or three significant digits where that would be long; a dash for none."""
    if value is None:
        return DASH
    return f"{value:.{decimals}f}" if abs(value) < 100 else f"{value:.3g}"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.8417 as "84.2 %"; a dash for none."""
    return DASH if share is None or math.isnan(share) else f"{100 * share:.{decimals}f} %"


def counted(count: int, thing: str) -> str:
    """ "1 job" or "1,204 jobs"."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def span(low: float, high: float) -> str:
    """The limits of an interval of shares in percent, without the sign: "81.0-86.9" (en dash)."""
    return f"{100 * low:.1f}{DASH}{100 * high:.1f}"


def duration(seconds: float) -> str:
    """ "42 s", "1 min 15 s" or "2 h 05 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock(seconds: float) -> str:
    """ "0:42" or "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """The text, or as much of its two ends as fits around an ellipsis.

    The middle goes, because names of one family differ at their ends.
    """
    if fits(text):
        return text
    for kept in range(len(text) - 1, 0, -1):
        head = (kept + 1) // 2
        candidate = text[:head].rstrip() + ELLIPSIS + text[len(text) - (kept - head) :].lstrip()
        if fits(candidate):
            return candidate
    return ELLIPSIS


def shorten_to_cells(text: str, cells: int) -> str:
    """At most so many columns of a terminal; a CJK character takes two."""
    return shorten(text, lambda candidate: cell_len(candidate) <= cells)

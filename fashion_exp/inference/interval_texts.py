"""How the tables of subcommands write intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fashion_exp.reporting.formats import DASH, difference_range, difference_text, with_limits

if TYPE_CHECKING:
    from fashion_exp.stats.interval import Interval


def interval_text(interval: Interval | None, is_share: bool = True) -> str:
    """ "84.2 % (81.0-86.9)"; a dash for None."""
    shown = interval.or_fallback if interval else None
    if shown is None or shown.estimate is None:
        return DASH
    return with_limits(shown.estimate, shown.low, shown.high, is_share)


def points_text(interval: Interval | None) -> str:
    """A difference of shares in points: "-2.8 (-8.8 to +1.9)"; a dash for None."""
    if interval is None or interval.estimate is None:
        return DASH
    text = difference_text(interval.estimate)
    if interval.low is None or interval.high is None:
        return text
    return f"{text} ({difference_range(interval.low, interval.high)})"

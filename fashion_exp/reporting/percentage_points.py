"""How differences are written: those of shares in percentage points, all with their sign."""

from __future__ import annotations

import math

from fashion_exp.reporting.formats import DASH

MINUS = "\N{MINUS SIGN}"


def signed(value: float | None, decimals: int) -> str:
    """ "+1.25", "−1.25" with a real minus, "0.00" for what rounds to nothing; a dash for none."""
    if value is None or math.isnan(value):
        return DASH
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def difference_text(difference: float | None, share: bool = True) -> str:
    """0.0123 as "+1.2" points; where it is no share, as of a loss, "+0.012"."""
    if difference is None or not share:
        return signed(difference, 3)
    return signed(100 * difference, 1)


def difference_span(low: float, high: float, share: bool = True) -> str:
    """ "−0.4 to +2.8": a dash between two signs would be read as a third one."""
    return f"{difference_text(low, share)} to {difference_text(high, share)}"

"""How figures, tables and progress lines write numbers and names."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable

DASH = "\N{EN DASH}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
MINUS = "\N{MINUS SIGN}"


def number(value: float | None, decimals: int = 3) -> str:
    """Fixed decimals, or three significant digits from 100 on; a dash for None."""
    if value is None:
        return DASH
    return f"{value:.{decimals}f}" if abs(value) < 100 else f"{value:.3g}"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.8417 as "84.2 %"; a dash for None and NaN."""
    return DASH if share is None or math.isnan(share) else f"{100 * share:.{decimals}f} %"


def percent_range(low: float, high: float) -> str:
    """Limits of an interval of shares in percent, without the sign: "81.0-86.9" (en dash)."""
    return f"{100 * low:.1f}{DASH}{100 * high:.1f}"


def with_limits(value: float, low: float | None, high: float | None, is_share: bool = True) -> str:
    """ "84.2 % (81.0-86.9)", or "0.412 (0.377-0.450)" if it is no share; no limits if None."""
    text = percent(value) if is_share else number(value)
    if low is None or high is None:
        return text
    limits = percent_range(low, high) if is_share else f"{number(low)}{DASH}{number(high)}"
    return f"{text} ({limits})"


def signed(value: float | None, decimals: int) -> str:
    """ "+1.25", "−1.25" with a real minus, "0.00" if it rounds to zero; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return DASH
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def difference_text(difference: float | None, is_share: bool = True) -> str:
    """A difference of shares in percentage points ("+1.2"), another one as it is ("+0.012")."""
    if difference is None or not is_share:
        return signed(difference, 3)
    return signed(100 * difference, 1)


def difference_range(low: float, high: float, is_share: bool = True) -> str:
    """ "−0.4 to +2.8"; a dash between the two would read as a third sign.

    A limit that rounds to 0 without being 0 is "above 0" or "below 0" if the range excludes 0.
    """
    first, last = difference_text(low, is_share), difference_text(high, is_share)
    zero = difference_text(0.0, is_share)
    first = "above 0" if low > 0 and first == zero else first
    last = "below 0" if high < 0 and last == zero else last
    return f"{first} to {last}"


def p_text(p: float) -> str:
    """ "p = 0.032" or "p < 0.001"."""
    return f"p {'= ' * (p >= 0.001)}{p_cell(p)}"


def p_cell(p: float) -> str:
    """ "0.032" or "< 0.001", for a column of p-values."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def sample_size(n: float) -> str:
    """ "1,720", or "about 788" for a number of photos that was divided by a design effect."""
    return f"{n:,.0f}" if n == round(n) else f"about {n:,.0f}"


def photo_count(n: float, part: str = "", noun: str = "photo") -> str:
    """ "1,720 test photos", or "about 788 independent test photos"."""
    words = ["" if n == round(n) else "independent", part, noun if n == 1 else f"{noun}s"]
    return " ".join([sample_size(n), *filter(None, words)])


def pluralize(count: int, noun: str) -> str:
    """ "1 job" or "1,204 jobs"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def data_size(size: float) -> str:
    """Bytes as "1 kB", "840 kB", "14.3 MB" or "2.1 GB"."""
    if size < 999_500:
        return f"{max(size / 1e3, min(size, 1)):.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 999_950_000 else f"{size / 1e9:,.1f} GB"


def copies_text(files: int) -> str:
    """What follows the name of a photo that so many files show: " and 3 copies"."""
    return "" if files < 2 else f" and {files - 1:,} {'copy' if files == 2 else 'copies'}"


def duration(seconds: float) -> str:
    """ "9.9 s", "42 s", "1 min 15 s" or "2 h 05 min"."""
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


def one_line(text: str) -> str:
    """The text with a blank for each line break or other control character.

    What no file can hold, such as an undecodable byte of a file name, is replaced by a sign.
    """
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    is_text = category != "Cs" and ord(character) & 0xFFFE != 0xFFFE
    return character if is_text else "\N{REPLACEMENT CHARACTER}"


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """The text if it fits, else as much of both ends as fits around an ellipsis.

    The middle is cut because related names usually differ at their ends.
    """
    if fits(text):
        return text
    for length in range(len(text) - 1, 0, -1):
        head = (length + 1) // 2
        candidate = text[:head].rstrip() + ELLIPSIS + text[len(text) - (length - head) :].lstrip()
        if fits(candidate):
            return candidate
    return ELLIPSIS


def shorten_to_cells(text: str, cells: int) -> str:
    """The text in one line of at most this many terminal columns; a CJK character takes two."""
    from rich.cells import cell_len  # numbers are formatted where rich is not installed

    return shorten(one_line(text), lambda candidate: cell_len(candidate) <= cells)

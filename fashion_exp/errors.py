"""The one exception that means "the user can mend this"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A mistake of the user's, told in one line: where, what is wrong, the remedy.

    The command line prints the message alone, without a traceback, and exits with code 2.
    """


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint at the choices closest to a mistyped word, or at all of a short list; else empty."""
    choices = list(choices)
    close = difflib.get_close_matches(word, choices, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"choices: {', '.join(sorted(choices))}" if 0 < len(choices) <= 20 else ""

"""The one exception that means "the user can mend this", and what makes its lines."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError


class InputError(ValueError):
    """A mistake of the user's, told in one line: where, what is wrong, the remedy.

    The command line prints the message alone, without a traceback, and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rstrip("; "))  # a hint at the nearest may be empty


class Pruned(Exception):
    """A search has seen enough of this job; its argument is the epochs done in all trainings."""


Typed = TypeVar("Typed")


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def validate_fields(kind: type[Typed], values: Mapping[str, Any], prefix: str) -> Typed:
    """A dataclass of pydantic types from plain values.

    Raises `InputError` for the first that is missing, unknown or out of range, named with the
    `prefix`.
    """
    try:
        found: Typed = _adapter(kind).validate_python(dict(values))
        return found
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"][0].lower() + problem["msg"][1:]
        raise InputError(f"{prefix}{where}={problem['input']}: {reason}") from None


def suggest(word: str, choices: Iterable[str]) -> str:
    """A hint at the choices closest to a mistyped word, or at all of a short list; else empty."""
    choices = list(choices)
    close = difflib.get_close_matches(word, choices, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"choices: {', '.join(sorted(choices))}" if 0 < len(choices) <= 20 else ""

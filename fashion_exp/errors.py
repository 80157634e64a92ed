"""Exit codes, the exception for mistakes that a user can fix, and helpers for its messages."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class ExitCode(IntEnum):
    """What the command line returns. A process ended by a signal returns 128 + its number."""

    DONE = 0
    FAILED = 1
    INPUT_ERROR = 2
    SOME_FAILED = 3


class InputError(ValueError):
    """A mistake that the user can fix.

    The message is one line: where (an option or a file), what is wrong, and the remedy. The
    command line prints it without a traceback and exits with `ExitCode.INPUT_ERROR`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rstrip("; "))  # `suggest` may have returned nothing


class Pruned(Exception):
    """A search stopped this job early. The argument is the number of epochs it trained."""


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def validate_fields(kind: type[T], values: Mapping[str, Any], prefix: str) -> T:
    """Builds a dataclass with pydantic field types from plain values.

    Raises `InputError` for the first field that is missing, unknown or out of range. `prefix` is
    put before the field's name in the message.
    """
    try:
        instance: T = _adapter(kind).validate_python(dict(values))
        return instance
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"][0].lower() + problem["msg"][1:]
        raise InputError(f"{prefix}{field}={problem['input']}: {reason}") from None


def suggest(name: str, choices: Iterable[str]) -> str:
    """The choices closest to a mistyped name, all choices if they are few, or an empty string."""
    choices = list(choices)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"choices: {', '.join(sorted(choices))}" if 0 < len(choices) <= 20 else ""


def os_error_reason(error: OSError) -> str:
    """The operating system's reason why a file cannot be opened, in lower case."""
    return (error.strerror or str(error)).lower()

"""Exit codes, the exception for mistakes that a user can fix, and helpers for its messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # comparing predictions needs neither pydantic nor torch
    from pydantic import TypeAdapter

T = TypeVar("T")


class ExitCode(IntEnum):
    """What the command line returns. A process ended by a signal returns 128 + its number."""

    DONE = 0
    FAILED = 1
    INPUT_ERROR = 2
    SOME_FAILED = 3
    DISCARD = 4
    """Of a gate: the data say to discard a change."""
    UNDECIDED = 5
    """Of a gate: the data do not decide."""


class InputError(ValueError):
    """A mistake that the user can fix.

    The message is one line: where (an option or a file), what is wrong, and the remedy. Words and
    messages of any length are cut. The command line prints it without a traceback and exits with
    `ExitCode.INPUT_ERROR`.
    """

    def __init__(self, message: str) -> None:
        text = message.rstrip("; ")  # `suggest` may have returned nothing
        super().__init__(printable_line(redact_credentials(text)))


class FailedError(Exception):
    """A failure that is no mistake of the user, such as a tracking store that does not answer.

    The message is one line. The command line prints it without a traceback and exits with
    `ExitCode.FAILED`.
    """


MAX_WORD, MAX_MESSAGE = 300, 1500
"""Characters of a word and of a message that are shown."""


def printable_line(text: str) -> str:
    """The text without line breaks, unprintable characters and the middle of what is too long."""
    plain = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
    words = (_cut(word, MAX_WORD) for word in plain.split(" "))
    return _cut(" ".join(words), MAX_MESSAGE)


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: 2 * length // 3]}…{text[-length // 6 :]}"


def redact_credentials(text: str) -> str:
    """Removes user and password from every URI in the text: scheme://user:password@host."""
    return re.sub(r"://[^/\s'\"]*@", "://", text)


class Pruned(Exception):
    """A search stopped this job early. The argument is the number of epochs it trained."""


def _build_adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(_build_adapter)


def validate_fields(kind: type[T], values: Mapping[str, Any], prefix: str) -> T:
    """Builds a dataclass with pydantic field types from plain values.

    Raises `InputError` for the first field that is missing, unknown or out of range. `prefix` is
    put before the field's name in the message.
    """
    from pydantic import ValidationError

    try:
        instance: T = _adapter(kind).validate_python(dict(values))
        return instance
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"][0].lower() + problem["msg"][1:]
        raise InputError(f"{prefix}{field}={problem['input']}: {reason}") from None


def suggest(name: str, choices: Iterable[str]) -> str:
    """The choices that a mistyped name may mean, all choices if they are few, or an empty text."""
    choices = list(choices)
    if close := close_matches(name, choices):
        return f"did you mean {' or '.join(close)}?"
    return f"choices: {', '.join(sorted(choices))}" if 0 < len(choices) <= 20 else ""


MAX_SUGGESTIONS = 3
MIN_PREFIX = 3
"""Letters of a beginning that stands for the whole name."""


def close_matches(name: str, choices: Iterable[str]) -> list[str]:
    """The choices that differ from `name` by a typing error or by their end, closest first.

    A wrong suggestion is worse than none, so names that merely have letters in common are not
    close, nor are names with other digits (resnet18 and resnet50).
    """
    typed = _spelling(name)
    distances: dict[str, int] = {}
    for choice in dict.fromkeys(choices):
        spelling = _spelling(choice)
        if len(typed) >= MIN_PREFIX and spelling.startswith(typed):
            distances[choice] = 0 if spelling == typed else 1
        elif len(typed) >= 6 and edit_distance(typed, spelling[: len(typed)]) == 1:
            distances[choice] = 2
        elif re.findall(r"\d+", typed) == re.findall(r"\d+", spelling):
            distance = edit_distance(typed, spelling)
            if distance <= _tolerance(max(len(typed), len(spelling))):
                distances[choice] = distance
    best = min(distances.values(), default=0)
    # A name that is spelled alike apart from case makes all others unlikely.
    closest = [choice for choice in distances if best > 0 or distances[choice] == 0]
    return sorted(closest, key=lambda choice: distances[choice])[:MAX_SUGGESTIONS]


def _spelling(name: str) -> str:
    return name.casefold().replace("-", "_")


def _tolerance(length: int) -> int:
    """How many typing errors a name of this length may have."""
    return 0 if length < 3 else 1 if length < 8 else 2


def edit_distance(a: str, b: str) -> int:
    """Letters to insert, delete, replace or swap with their neighbor; 3 stands for 3 or more."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(b, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if earlier and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return min(row[-1], 3)


def os_error_reason(error: OSError) -> str:
    """The operating system's reason why a file cannot be opened, in lower case."""
    return (error.strerror or str(error)).lower()

"""Options that are text: which they are, and how a value that was typed becomes text.

Hydra's grammar reads `2024_11`, `1e3` and `null` as numbers or as nothing, and refuses most
characters that names of folders have. An option that the schema types as text is read here
instead: its value is what was typed, character by character. What has a meaning is

- quotes around the whole value, which are removed: `'null'`, `"a,b"`;
- `null` without quotes, which is no value if the option may have none;
- `${…}`, an interpolation; `\\${…}` is the text;
- in lists and mappings, `[a, b]` and `{a: b}`: brackets, commas and colons outside of quotes;
- in a multirun, commas outside of quotes and `choice(a,b)`, which separate values. Without
  --multirun a path is one path whatever commas it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from fashion_exp.configuration.schema import GROUPS, PATH, Config, field_types

TextValue = str | None | list[str] | dict[str, str]


@dataclass(frozen=True)
class TextOption:
    shape: Literal["text", "list", "mapping"]
    optional: bool = False
    """Whether `null` means that there is no value."""
    is_path: bool = False


HYDRA_TEXT_OPTIONS = {
    "hydra.launcher.address": TextOption("text", optional=True),
    "hydra.launcher.partition": TextOption("text", optional=True),
    "hydra.launcher.setup": TextOption("list"),
    "hydra.sweeper.storage": TextOption("text", optional=True, is_path=True),
}
"""Text among the options of launchers and of the search, which are not in the schema."""

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_FUNCTION = re.compile(r"(choice|glob|interval|range|shuffle|sort|tag)\((.*)\)", re.DOTALL)
_STRUCTURE = re.compile(r"""[,:\[\]{}'"]|^\s|\s$|^$""")


def find_text_option(key: str) -> TextOption | None:
    """The text option of this name, or a value of a mapping of texts; None for other options."""
    return _text_options().get(key) or (TextOption("text") if mapping_of(key) else None)


def mapping_of(key: str) -> str:
    """`dataset.rename` for `dataset.rename.a`; empty for other options."""
    mappings = (name for name, option in _text_options().items() if option.shape == "mapping")
    return next((name for name in mappings if key.startswith(f"{name}.")), "")


@cache
def _text_options() -> dict[str, TextOption]:
    hints = field_types(Config)
    options = dict(HYDRA_TEXT_OPTIONS)
    for field in fields(Config):
        kind = hints[field.name]
        members = field_types(kind) if field.name in GROUPS else {}
        named = {f"{field.name}.{name}": member for name, member in members.items()}
        for name, member in (named or {field.name: kind}).items():
            if option := _text_option(member):
                options[name] = option
    return options


def _text_option(kind: Any) -> TextOption | None:
    """What the annotation of a field of the schema says; None if it is not text."""
    members = [member for member in get_args(kind) if member is not NoneType]
    optional = NoneType in get_args(kind)
    kind = members[0] if optional else kind
    is_path = PATH in getattr(kind, "__metadata__", ())
    plain = kind.__origin__ if is_path else kind
    if plain is str:
        return TextOption("text", optional, is_path)
    if get_origin(plain) is list and get_args(plain) == (str,):
        return TextOption("list", optional)
    if get_origin(plain) is dict and get_args(plain) == (str, str):
        return TextOption("mapping", optional)
    return None


def read_values(option: TextOption, typed: str, multirun: bool) -> list[TextValue]:
    """The values that an option was given: one, or several that are swept.

    Raises `ValueError` if the brackets or quotes of a list or mapping do not match.
    """
    if option.shape == "text" and option.is_path and not multirun:
        return [_read_text(option, typed)]
    if function := _FUNCTION.fullmatch(typed.strip()):
        if function[1] != "choice":
            raise ValueError(
                f"{function[1]}(…) is for numbers and choices of groups; separate texts by commas"
            )
        typed = function[2]
    parts = _split(typed, ",", nested=option.shape != "text")
    if option.shape == "text":
        several = len(parts) > 1 or function
        return [_read_text(option, part.strip() if several else part) for part in parts]
    return [_read_structure(option, part.strip()) for part in parts]


def write_value(option: TextOption, value: TextValue) -> str:
    """The value in a form that is read as the same value, with and without --multirun."""
    match value:
        case None:
            return "null"
        case str():
            ambiguous = (
                "," in value or _FUNCTION.fullmatch(value) or value != value.strip()
                or _QUOTED.fullmatch(value) or (value == "null" and option.optional)
            )  # fmt: skip
            return quote_value(value) if ambiguous else value
        case list():
            return f"[{','.join(map(_write_item, value))}]"
        case dict():
            pairs = (f"{_write_item(k)}: {_write_item(v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"


def quote_value(value: str) -> str:
    """A value in quotes, so that Hydra's grammar takes it as text whatever characters it has."""
    escaped = re.sub(
        r"(\\*)('|\Z)", lambda match: 2 * match[1] + match[2].replace("'", "\\'"), value
    )
    return f"'{escaped}'"


def _unquote(text: str) -> str:
    """The content of a quoted text; other texts as they are."""
    if not _QUOTED.fullmatch(text):
        return text
    backslashes = re.compile(rf"(\\+)({text[0]}|\Z)")
    return backslashes.sub(lambda match: match[1][: len(match[1]) // 2] + match[2], text[1:-1])


def _write_item(text: str) -> str:
    return quote_value(text) if _STRUCTURE.search(text) else text


def _read_text(option: TextOption, typed: str) -> str | None:
    return None if typed == "null" and option.optional else _unquote(typed)


def _read_structure(option: TextOption, typed: str) -> TextValue:
    if typed == "null" and option.optional:
        return None
    if re.fullmatch(r"\$\{.*\}", typed, re.DOTALL):
        return typed
    opening, closing = "[]" if option.shape == "list" else "{}"
    if not (len(typed) >= 2 and typed[0] == opening and typed[-1] == closing):
        example = "[a,b]" if option.shape == "list" else "{a: b}"
        raise ValueError(f"needs a {option.shape}, such as '{example}'")
    inner = typed[1:-1]
    items = [item.strip() for item in _split(inner, ",", nested=True)] if inner.strip() else []
    if "" in items:
        raise ValueError("an item between two commas is missing")
    if option.shape == "list":
        return [_unquote(item) for item in items]
    pairs = [[part.strip() for part in _split(item, ":", nested=True)] for item in items]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("needs pairs of texts, such as '{a: b}'; put a text with : in quotes")
    return {_unquote(key): _unquote(value) for key, value in pairs}


def _split(text: str, separator: str, nested: bool) -> list[str]:
    """The parts between separators outside of quotes and `${…}`, and of brackets if `nested`."""
    parts, start, open_brackets = [], 0, ""
    for position, character in _outside_quotes(text, ",:[{" if nested else separator):
        if nested and character in "[{":
            open_brackets += "]" if character == "[" else "}"
        elif nested and character in "]}":
            if open_brackets[-1:] != character:
                raise ValueError(f"a {character} without its opening bracket; quote the text")
            open_brackets = open_brackets[:-1]
        elif character == separator and not open_brackets:
            parts.append(text[start:position])
            start = position + 1
    if open_brackets:
        raise ValueError(f"a {open_brackets[-1]} is missing; quote the text if none is meant")
    return [*parts, text[start:]]


def _outside_quotes(text: str, before_quotes: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The characters outside of quoted texts and interpolations, with their positions.

    A quote begins a quoted text only at the beginning of a value: not in `it's`.
    """
    position, at_start = 0, True
    while position < len(text):
        character = text[position]
        quoted = _QUOTED.match(text, position) if at_start and character in "'\"" else None
        if quoted:
            position, at_start = quoted.end(), False
            continue
        if text.startswith("${", position):
            position, at_start = _end_of_interpolation(text, position), False
            continue
        yield position, character
        at_start = character in before_quotes or (at_start and character.isspace())
        position += 1


def _end_of_interpolation(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth == 0 and text[position] == "}":
            return position + 1
    return len(text)

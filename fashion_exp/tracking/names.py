"""Limits that MLflow puts on names and values, and conversions that respect them."""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000

_INVALID_CHARACTER = re.compile(r"[^A-Za-z0-9_\-. :/]")
_PARENT_FOLDER = re.compile(r"^\.\.|(?<=/)\.\.(?=/|$)")


def clean_name(name: str) -> str:
    """Converts any text to a name that MLflow accepts for metrics, parameters and tags.

    MLflow accepts letters, digits and `_-. :/`, at most 250 characters, and only normalized
    relative paths that stay below their root. Valid ASCII names are unchanged, but for a line
    break at the end, which MLflow lets pass. Invalid characters
    and the dots of `..` become `_`; empty and `.` path components are dropped.
    """
    text = _INVALID_CHARACTER.sub("_", name)[:NAME_LENGTH]
    path = "/".join(part for part in text.split("/") if part not in ("", "."))
    return _PARENT_FOLDER.sub("__", path) or "_"


def shorten(text: str, length: int) -> str:
    """Cuts the text to at most `length` characters; the last one is then an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def clean_texts(texts: Mapping[str, object], length: int) -> dict[str, str]:
    """Cleans the names and converts the values to text of at most `length` characters."""
    return {clean_name(name): shorten(str(value), length) for name, value in texts.items()}


def round_metric(value: float) -> float:
    """Six significant digits, as many as a reader of the UI can use. Whole numbers are kept."""
    value = float(value)
    return value if value.is_integer() else float(f"{value:.6g}")

"""What MLflow lets names and values be, and how ours are made so."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

NAME_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000

_REFUSED = re.compile(r"[^A-Za-z0-9_\-. :/]")


def clean_name(name: str) -> str:
    """The name with what MLflow refuses replaced by `_`.

    MLflow takes letters, digits and `_-. :/`, 250 characters, and only names that as a relative
    path stay what they are and do not lead upwards.
    """
    plain = _REFUSED.sub("_", name)[:NAME_LENGTH].lstrip("/")
    path = posixpath.normpath(plain)
    return re.sub(r"^\.+", lambda dots: "_" * len(dots.group()), path)


def shortened(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis: at most `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def clean_texts(texts: Mapping[str, object], length: int) -> dict[str, str]:
    """Names cleaned, values as text of at most `length` characters."""
    return {clean_name(name): shortened(str(value), length) for name, value in texts.items()}

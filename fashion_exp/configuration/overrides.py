"""Hydra's grammar of overrides: read, and written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from fashion_exp.errors import InputError


def parse_overrides(lines: Sequence[str]) -> list[Override]:
    """Raises `InputError` for the first that cannot be read."""
    parse_overrides = []
    for line in lines:
        try:
            parse_overrides += OverridesParser.create().parse_overrides([line])
        except HydraException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{line}: cannot be read ({reason}); write KNOB=VALUE, and quote lists for the "
                "shell: 'dataset.classes=[dress,shirt]'"
            ) from None
    return parse_overrides


def quote_value(value: str) -> str:
    """A value as Hydra's grammar wants it, whatever characters it has."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_if_needed(argument: str) -> str:
    """The same, its value in quotes if it has letters unknown to the grammar, as a folder's may."""
    key, _, value = argument.partition("=")
    odd = re.search(r"[!#&;<=>^`~]|[^\x00-\x7f]", value)
    has_structure = re.search(r"[\[\]{}(),'\"$\\]", value)
    if key.startswith("-") or not odd or has_structure:
        return argument
    return f"{key}={quote_value(value)}"

"""Hydra's grammar of overrides (`optim.lr=2e-4`): read and written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from fashion_exp.errors import InputError

SEARCHPATH = "hydra.searchpath"
"""The option by which Hydra finds more choices of groups."""

LOCAL_PREFIXES = ("sweep.", "sweep=", "hydra", "outputs=", "tracking")
"""Prefixes of overrides that a sweep added, or that say where a run is stored."""


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """Raises `InputError` for the first override that Hydra cannot parse."""
    overrides = []
    for text in texts:
        try:
            overrides += OverridesParser.create().parse_overrides([text])
        except HydraException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{text}: not a valid override ({reason}); write OPTION=VALUE, and quote lists "
                "for the shell: 'dataset.classes=[dress,shirt]'"
            ) from None
    return overrides


def split_override(text: str) -> tuple[str, str]:
    """The option and the value of an override as typed, without Hydra's leading `+`."""
    option, _, value = text.lstrip("+").partition("=")
    return option, value


def quote_value(value: str) -> str:
    """A value in quotes, so that Hydra's grammar takes it as text whatever characters it has."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quote_if_needed(text: str) -> str:
    """The override, its value in quotes if it has characters outside of Hydra's grammar.

    Values with brackets, commas or quotes of their own are left alone: they may be lists.
    """
    option, _, value = text.partition("=")
    outside = re.search(r"[!#&;<=>^`~]|[^\x00-\x7f]", value)
    structured = re.search(r"[\[\]{}(),'\"$\\]", value)
    if option.startswith("-") or not outside or structured:
        return text
    return f"{option}={quote_value(value)}"


def is_hydra_option(text: str) -> bool:
    """Whether an override configures Hydra itself. The search path of configs does not count."""
    option = text.lstrip("+")
    return option.startswith("hydra") and not option.startswith(SEARCHPATH)


def defines_experiment(override: str) -> bool:
    """Whether an override belongs to the experiment, not to where and how it is run."""
    bare = override.lstrip("+")
    return bare.startswith(SEARCHPATH) or not bare.startswith(LOCAL_PREFIXES)


def rerun_command(overrides: Sequence[str]) -> str:
    """The command line that runs an experiment with these overrides."""
    return shlex.join(["scripts/run", *overrides])

"""Hydra's grammar of overrides (`optim.lr=2e-4`): read and written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

SEARCHPATH = "hydra.searchpath"
"""The option by which Hydra finds more choices of groups."""

SWEEP_PREFIXES = ("sweep.", "sweep=", "hydra")
"""Prefixes of overrides that belong to a sweep, not to its jobs."""

PATH_OPTIONS = ("dataset.root", "dataset.manifest", "dataset.quarantine", "dataset.groups")
"""Options that name a file or folder, which may be relative to the working directory."""


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


def rerun_overrides(overrides: Sequence[str], outputs: Path | None) -> list[str]:
    """The overrides that repeat a run in the same outputs folder and tracking store.

    Those of its sweep are left out, and so are addresses with a password. None stands for the
    default folder. Paths are absolute, so that the command may be typed anywhere.
    """
    kept = []
    for override in overrides:
        bare = override.lstrip("+")
        is_of_sweep = bare.startswith(SWEEP_PREFIXES) and not bare.startswith(SEARCHPATH)
        if not (is_of_sweep or bare.startswith("outputs=") or _has_credentials(bare)):
            kept.append(_with_absolute_path(override))
    if outputs is not None and outputs != outputs_dir(None):
        kept.append(_with_value("outputs", str(outputs)))
    return kept


def _has_credentials(override: str) -> bool:
    return override.startswith("tracking.uri=") and "@" in override


def _with_absolute_path(override: str) -> str:
    option, value = split_override(override)
    path = Path(value.strip("'\"")).expanduser()
    if option not in PATH_OPTIONS or not path.exists():
        return override
    return _with_value(option, str(path.absolute()))


def _with_value(option: str, value: str) -> str:
    is_plain = re.fullmatch(r"[-./\w]+( [-./\w]+)*", value, re.ASCII)
    return f"{option}={value if is_plain else quote_value(value)}"


def rerun_command(overrides: Sequence[str]) -> str:
    """The command line that runs an experiment with these overrides."""
    return shlex.join(["scripts/run", *overrides])

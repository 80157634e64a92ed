"""One guard where words become configs: what Hydra, OmegaConf or the system raises is one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fashion_exp.errors import InputError, close_matches, suggest

_NEEDED = {
    r"[Vv]alue '(.*)' of type '\w+' could not be converted to Integer": "a whole number",
    r"[Vv]alue '(.*)' of type '\w+' could not be converted to Float": "a number",
    r"[Vv]alue '(.*)' is not a valid bool": "true or false",
    r"is not Optional": "a value; it cannot be null",
    r"annot assign \w+ to Dict": "names with values, such as '{name: value}'",
}
"""What an option needs, by what OmegaConf says in terms of Python's types."""


@contextmanager
def one_line_errors(*overrides: str) -> Iterator[None]:
    """Turns every error of the block into an `InputError` that names an option or the overrides.

    The block may only call Hydra and OmegaConf; otherwise it would hide our own bugs.
    """
    try:
        yield
    except InputError:
        raise
    except OmegaConfBaseException as error:
        raise InputError(_named(_omegaconf_message(error), overrides)) from None
    except HydraException as error:
        raise InputError(_named(_hydra_message(error), overrides)) from None
    except Exception as error:  # documented nowhere: of YAML, of resolvers, of the system
        reason = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        message = f"{reason[:1].lower()}{reason[1:]}" or type(error).__name__
        raise InputError(_named(message, overrides)) from None


def _named(message: str, overrides: tuple[str, ...]) -> str:
    """The message, behind the overrides unless it names one of their options."""
    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    if not overrides or any(key and message.startswith(key) for key in keys):
        return message
    return f"{' '.join(overrides)}: {message}"


def _omegaconf_message(error: OmegaConfBaseException) -> str:
    """`optim.lr: value 'abc' …` from OmegaConf's four lines."""
    reason = str(error.msg or error).splitlines()[0].rstrip(".")
    key = error.full_key or ""
    if "is not a ListConfig" in reason:
        return f"{key}: needs a list; '{key}=[…,…]'"
    for pattern, needed in _NEEDED.items():
        if key and (match := re.search(pattern, reason)):
            value = f"={match[1]}" if match.groups() else ""
            return f"{key}{value}: needs {needed}"
    if " not in " in reason and isinstance(error.parent_node, DictConfig):
        from fashion_exp.configuration.catalog import settable_options  # reads every YAML file
        from fashion_exp.configuration.suggestions import suggest_option

        names = [str(name) for name in error.parent_node if not str(name).startswith("_")]
        hint = "it has no options"
        if names:
            last = key.rpartition(".")[2]
            hint = suggest_option(key, settable_options()) or suggest(last, names)
        return f"{key}: no such option; {hint}"
    if choices := re.search(r"[Ii]nvalid value '(.*)', expected one of \[(.*)\]", reason):
        close = close_matches(choices[1], choices[2].split(", "))
        reason += f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{key}: {reason[:1].lower()}{reason[1:]}" if key else reason


def _hydra_message(error: HydraException) -> str:
    cause_of = error.__cause__ or error.__context__
    if isinstance(cause_of, OmegaConfBaseException) and cause_of.full_key:
        return _omegaconf_message(cause_of)
    lines = [*str(error).splitlines(), *str(error.__cause__ or "").splitlines()]
    full_key = next((line.split(":")[1].strip() for line in lines if "full_key:" in line), "")
    cause = str(error.__cause__ or error).splitlines()[0]
    return f"{full_key}: {cause[:1].lower()}{cause[1:]}" if full_key else " ".join(lines[:2])

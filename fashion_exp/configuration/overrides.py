"""Hydra's grammar of overrides (`optim.lr=2e-4`): read and written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Override,
    OverrideType,
    Quote,
    QuotedString,
    RangeSweep,
    ValueType,
)
from omegaconf import DictConfig

from fashion_exp.configuration import compat
from fashion_exp.configuration.hydra_errors import one_line_errors
from fashion_exp.configuration.schema import PATH_OPTIONS
from fashion_exp.configuration.text_options import (
    TextValue,
    find_text_option,
    mapping_of,
    quote_value,
    read_values,
    write_value,
)
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

SEARCHPATH = "hydra.searchpath"
"""The option by which Hydra finds more choices of groups."""

MAX_VALUES = 10_000
"""Values of a swept option, and jobs of a multirun."""

SWEEP_PREFIXES = ("sweep.", "sweep=", "hydra")
"""Prefixes of overrides that belong to a sweep, not to its jobs."""


@dataclass
class TextOverride(Override):
    """An override of an option that is text."""

    texts: tuple[str, ...] = ()
    """Each value in a form that is read as the same value again."""


def parse_overrides(texts: Sequence[str], multirun: bool = False) -> list[Override]:
    """Raises `InputError` for the first override that cannot be parsed.

    `multirun` says whether commas separate the values of a path option.
    """
    return [_text_override(text, multirun) or _hydra_override(text) for text in texts]


def sweep_values(override: Override) -> list[str]:
    """The single overrides that a swept override stands for."""
    if isinstance(override, TextOverride):
        return [f"{override.get_key_element()}={text}" for text in override.texts]
    assert override.input_line is not None
    with one_line_errors(override.input_line):
        if _is_too_long(override.value()):
            raise InputError(f"{override.input_line}: more than {MAX_VALUES:,} values")
        values = list(compat.single_overrides(override))
    if not values:
        raise InputError(f"{override.input_line}: no value; give the values to try")
    return values


def _is_too_long(value: object) -> bool:
    """Whether a list or range has more values than a multirun may have jobs; lists none of them."""
    if isinstance(value, RangeSweep):
        assert value.start is not None and value.stop is not None
        return (value.stop - value.start) / value.step > MAX_VALUES
    return isinstance(value, ChoiceSweep) and len(value.list) > MAX_VALUES


def apply_overrides(overrides: Sequence[Override], tree: DictConfig) -> None:
    """Applies overrides of values, not of groups, to a composed tree. Raises `InputError`."""
    for override in overrides:
        mapping = mapping_of(override.key_or_group)
        if mapping and isinstance(override, TextOverride):
            entry = override.key_or_group.removeprefix(f"{mapping}.")
            value = {entry: override.value()}
            override = Override(
                OverrideType.FORCE_ADD, mapping, ValueType.ELEMENT, value, None, override.input_line
            )
        with one_line_errors(str(override.input_line)):
            compat.merge_overrides([override], tree)


def in_hydra_grammar(override: Override) -> str:
    """The override as Hydra reads it."""
    if isinstance(override, TextOverride) and not override.is_sweep_override():
        return f"{override.get_key_element()}={override.get_value_element_as_str()}"
    return str(override.input_line)


def _text_override(text: str, multirun: bool) -> TextOverride | None:
    """None if the option is not text, so that Hydra's grammar applies."""
    typed_key, equal, typed = text.partition("=")
    key = typed_key.lstrip("+")
    plus = len(typed_key) - len(key)
    option = find_text_option(key)
    if option is None or not equal or plus > 2:
        return None
    try:
        values = read_values(option, typed, multirun)
    except ValueError as error:
        raise InputError(f"{text}: {error}") from None
    written = tuple(write_value(option, value) for value in values)
    is_entry = option.shape == "mapping" or mapping_of(key)
    kind = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)[plus]
    quoted = [_with_quotes(value) for value in values]
    several = len(values) > 1
    return TextOverride(
        type=OverrideType.FORCE_ADD if is_entry else kind,
        key_or_group=key,
        value_type=ValueType.SIMPLE_CHOICE_SWEEP if several else ValueType.ELEMENT,
        _value=ChoiceSweep(list=quoted, simple_form=True) if several else quoted[0],
        input_line=f"{typed_key}={','.join(written)}",
        texts=written,
    )


def _with_quotes(value: TextValue) -> Any:
    """The value as Hydra's parser returns it."""
    match value:
        case str():
            return QuotedString(value, Quote.single)
        case list():
            return [QuotedString(item, Quote.single) for item in value]
        case dict():
            return {key: QuotedString(item, Quote.single) for key, item in value.items()}
    return None


def _hydra_override(text: str) -> Override:
    try:
        (override,) = OverridesParser.create().parse_overrides([text])
    except Exception as error:  # functions of Hydra's grammar raise whatever Python does
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(
            f"{text}: not a valid override ({reason}); write OPTION=VALUE, and quote lists "
            "for the shell: 'dataset.classes=[dress,shirt]'"
        ) from None
    return override


def split_override(text: str) -> tuple[str, str]:
    """The option and the value of an override as typed, without Hydra's leading `+`."""
    option, _, value = text.lstrip("+").partition("=")
    return option, value


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
    repeated = []
    for override in overrides:
        bare = override.lstrip("+")
        is_of_sweep = bare.startswith(SWEEP_PREFIXES) and not bare.startswith(SEARCHPATH)
        has_credentials = bare.startswith("tracking.uri=") and "@" in bare
        if not (is_of_sweep or bare.startswith("outputs=") or has_credentials):
            repeated.append(_with_absolute_path(override))
    if outputs is not None and outputs != outputs_dir(None):
        repeated.append(_with_value("outputs", str(outputs)))
    return repeated


def resume_command(run: Path) -> str:
    """The command that continues an interrupted run."""
    return rerun_command([_with_value("resume", str(run))])


def repeat_command(arguments: Sequence[str], outputs: Path) -> str:
    """A command line as it was typed, with its outputs folder wherever it is typed now."""
    words = [argument for argument in arguments if not argument.startswith("outputs=")]
    if outputs != outputs_dir(None):
        words.append(_with_value("outputs", str(outputs)))
    return rerun_command([_with_absolute_path(argument) for argument in words])


def _with_absolute_path(override: str) -> str:
    option, typed = split_override(override)
    kind = find_text_option(option)
    if option not in PATH_OPTIONS or kind is None:
        return override
    value = str(read_values(kind, typed, multirun=False)[0])
    path = Path(value).expanduser()
    if value in PATH_OPTIONS[option] or not path.exists():
        return override
    return _with_value(option, str(path.absolute()))


def _with_value(option: str, value: str) -> str:
    is_plain = re.fullmatch(r"[-./\w]+( [-./\w]+)*", value, re.ASCII)
    return f"{option}={value if is_plain else quote_value(value)}"


def rerun_command(overrides: Sequence[str]) -> str:
    """The command line that runs an experiment with these overrides."""
    return shlex.join(["scripts/run", *overrides])

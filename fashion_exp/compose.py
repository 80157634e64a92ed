"""From the words of a command line to typed configs, with one clear line for each mistake."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fashion_exp.config import GROUPS, Config, knobs, validated
from fashion_exp.errors import InputError, nearest
from fashion_exp.places import conf_folder

ConfigStore.instance().store("config_schema", node=Config)

OPEN_KNOBS = ("dataset.rename", "optim.options", "sweep.weights")
"""Mappings, whose keys are the user's own."""

ANSWERS_ONLY = ("hydra_help", "version", "cfg", "info", "shell_completion")
"""Hydra's switches that print something and run nothing."""


@dataclass(frozen=True)
class CommandLine:
    """What was typed, found to be sound."""

    jobs: tuple[Config, ...]
    multirun: bool
    answers_only: bool
    """Whether Hydra will print something and run nothing."""
    swept: tuple[str, ...]
    """The overrides that have several values."""
    arguments: tuple[str, ...]
    """What to hand to Hydra."""
    fixed: tuple[str, ...] = ()
    """The overrides that have one value."""
    lines: tuple[tuple[str, ...], ...] = ()
    """The overrides of each job of a multirun."""


def to_config(tree: DictConfig) -> Config:
    """The typed config of a composed tree; raises `InputError` in one line."""
    try:
        plain = OmegaConf.to_container(tree, resolve=True, throw_on_missing=True, enum_to_str=True)
        assert isinstance(plain, dict)
        return validated({str(name): value for name, value in plain.items()})
    except OmegaConfBaseException as error:
        raise InputError(_of_omegaconf(error)) from None


def load_config(path: Path) -> Config:
    """The typed config that a run has kept; raises `InputError` as `to_config`."""
    tree = OmegaConf.load(path)
    assert isinstance(tree, DictConfig)
    return to_config(tree)


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """Composes and checks every job that the arguments ask for; loads nothing.

    Raises `InputError` for an unknown switch, group, choice or knob, with the nearest right one,
    and for a value of a wrong type or out of range.
    """
    parser = get_args_parser()
    parser.error = _refuse_switch(parser)
    switches = parser.parse_args(list(arguments))
    overrides = _parsed(_for_hydra(switches.overrides))
    answers_only = any(getattr(switches, name, None) for name in ANSWERS_ONLY)
    with _composer(switches):
        groups = _groups()
        for override in overrides:
            _check_names(override, groups)
        if answers_only and not switches.cfg:
            return CommandLine((), switches.multirun, True, (), _for_hydra(arguments))
        plain = [o.input_line for o in overrides if not o.is_sweep_override()]
        master = _composed(plain, return_hydra_config=True)
        multirun = switches.multirun or str(master.hydra.mode).endswith("MULTIRUN")
        params = master.hydra.sweeper.get("params") or {}
        swept = [f"{key}={value}" for key, value in params.items()]
        swept += [o.input_line for o in overrides if o.is_sweep_override()]
        if swept and not multirun and not answers_only:
            raise InputError(f"{swept[0]}: several values need --multirun (-m)")
        if answers_only:
            return CommandLine((), multirun, True, tuple(swept), _for_hydra(arguments))
        if multirun:
            fixed = tuple(_for_hydra(plain))
            cells = _cells(_axes(swept), list(master.sweep.zip))
            lines = tuple((*fixed, *_for_hydra(cell)) for cell in cells)
            jobs = tuple(to_config(_composed(line)) for line in lines)
            return CommandLine(jobs, True, False, tuple(swept), _for_hydra(arguments), fixed, lines)
        only = to_config(OmegaConf.masked_copy(master, [str(k) for k in master if k != "hydra"]))
    return CommandLine((only,), False, False, (), _for_hydra(arguments))


def _for_hydra(arguments: Sequence[str]) -> tuple[str, ...]:
    """Keys below an open mapping are the user's own; Hydra wants to be told so by a `++`."""
    named = tuple(f"{name}{end}" for name in OPEN_KNOBS for end in ("=", "."))
    return tuple(
        f"++{bare}" if (bare := argument.lstrip("+")).startswith(named) else argument
        for argument in arguments
    )


def _refuse_switch(parser: argparse.ArgumentParser) -> Any:
    known = [name for action in parser._actions for name in action.option_strings]

    def refuse(message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown:
            switch = unknown.group(1)
            raise InputError(
                f"{switch}: no such switch; {nearest(switch, [*known, '--open-test'])}"
            )
        raise InputError(message)

    return refuse


def _parsed(lines: Sequence[str]) -> list[Override]:
    parsed = []
    for line in lines:
        try:
            parsed += OverridesParser.create().parse_overrides([line])
        except HydraException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{line}: cannot be read ({reason}); write KNOB=VALUE, and quote lists for the "
                "shell: 'dataset.classes=[dress,shirt]'"
            ) from None
    return parsed


@contextmanager
def _composer(switches: argparse.Namespace) -> Iterator[None]:
    folder = switches.config_dir or switches.config_path or str(conf_folder())
    GlobalHydra.instance().clear()
    with initialize_config_dir(
        str(conf_folder()) if switches.config_dir else folder, version_base="1.3"
    ):
        yield


def _composed(lines: Sequence[str], return_hydra_config: bool = False) -> DictConfig:
    try:
        return compose("config", list(lines), return_hydra_config=return_hydra_config)
    except OmegaConfBaseException as error:
        raise InputError(_of_omegaconf(error)) from None
    except HydraException as error:
        raise InputError(_of_hydra(error)) from None


def _axes(swept: Sequence[str]) -> dict[str, list[str]]:
    """The overrides that each swept key stands for, in the order typed."""
    axes: dict[str, list[str]] = {}
    for override in _parsed(swept):
        batches = BasicSweeper.split_arguments([override], None)
        axes[override.get_key_element()] = [line for batch in batches for (line,) in batch]
    return axes


def _cells(axes: Mapping[str, list[str]], zipped: Sequence[str]) -> list[tuple[str, ...]]:
    """The product of the axes, those of `zipped` walked through side by side."""
    for key in zipped:
        if key not in axes:
            told = ", ".join(axes) or "nothing"
            raise InputError(f"sweep.zip: {key} is not swept; swept is {told}")
    counts = {key: len(axes[key]) for key in zipped}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{key} has {count}" for key, count in counts.items())
        raise InputError(f"sweep.zip: as many values for each key, but {told}")
    together = list(zip(*(axes[key] for key in zipped), strict=True))
    single = [[(line,) for line in lines] for key, lines in axes.items() if key not in zipped]
    walked = [*single, together] if zipped else single
    return [tuple(chain.from_iterable(cell)) for cell in product(*walked)]


def _check_names(override: Override, groups: list[str]) -> None:
    """Raises `InputError` for a group, choice or knob that is not there."""
    key = override.key_or_group
    if override.is_delete():
        raise InputError(
            f"{override.input_line}: a knob cannot be taken out; give it another value"
        )
    if key in groups or "/" in key:
        _check_choices(override, key, groups)
        return
    if key.split(".")[0] == "hydra":
        return
    names = knob_names()
    if key in names or any(key.startswith(f"{name}.") for name in OPEN_KNOBS):
        if override.is_add() and key in names:
            raise InputError(f"{override.input_line}: the knob is there already; without the +")
        return
    raise InputError(
        f"{override.input_line}: no such knob or group; {nearest(key, [*names, *groups])}"
    )


def knob_names() -> list[str]:
    """Every knob of the schema, dotted."""
    return [name for name, _ in knobs(_names_of(Config))]


def _names_of(schema: type) -> dict[str, Any]:
    from dataclasses import fields
    from typing import get_type_hints

    hints = get_type_hints(schema)
    return {
        f.name: _names_of(hints[f.name]) if f.name in GROUPS and schema is Config else None
        for f in fields(schema)
    }


def _groups() -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    return [name for name in loader.list_groups("") if name != "hydra"]


def _check_choices(override: Override, group: str, groups: list[str]) -> None:
    loader = GlobalHydra.instance().config_loader()
    choices = loader.get_group_options(group, ObjectType.CONFIG)
    value = override.value()
    wanted = list(value.list) if override.is_choice_sweep() else [value]
    for choice in wanted:
        name = "null" if choice is None else str(choice)
        if name not in [*choices, "null"]:
            if not choices:
                raise InputError(f"{override.input_line}: no such group; {nearest(group, groups)}")
            raise InputError(f"{group}={name}: no such choice; {nearest(name, choices)}")


def _of_omegaconf(error: OmegaConfBaseException) -> str:
    """`optim.lr: value 'abc' …` from OmegaConf's four lines."""
    reason = str(error.msg or error).splitlines()[0].rstrip(".")
    key = error.full_key or ""
    if "is not a ListConfig" in reason:
        return f"{key}: needs a list; '{key}=[…,…]'"
    if "Missing mandatory value" in reason:
        return f"{key}: needs a value; add {key}=…"
    return f"{key}: {reason[:1].lower()}{reason[1:]}" if key else reason


def _of_hydra(error: HydraException) -> str:
    lines = [line for line in (*str(error).splitlines(), *str(error.__cause__ or "").splitlines())]
    full_key = next((line.split(":")[1].strip() for line in lines if "full_key:" in line), "")
    if isinstance(error.__cause__, OmegaConfBaseException) and error.__cause__.full_key:
        return _of_omegaconf(error.__cause__)
    cause = str(error.__cause__ or error).splitlines()[0]
    return f"{full_key}: {cause[:1].lower()}{cause[1:]}" if full_key else " ".join(lines[:2])


def quoted(value: str) -> str:
    """A value as Hydra's grammar wants it, whatever characters it has."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

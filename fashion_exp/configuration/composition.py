"""From the words of a command line to typed configs, with one clear line for each mistake."""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fashion_exp.configuration import grids
from fashion_exp.configuration.overrides import parse_overrides, quote_if_needed, quote_value
from fashion_exp.configuration.schema import GROUPS, Config, flatten_options, validate_config
from fashion_exp.errors import InputError, suggest
from fashion_exp.paths import conf_dir

ConfigStore.instance().store("config_schema", node=Config)

OPEN_MAPPINGS = ("dataset.rename", "optim.options", "sweep.weights")
"""Mappings, whose keys are the user's own."""

SEARCH = "fashion_exp.sweeps.search.Search"
"""`_target_` of the sweeper that searches ranges."""

SEARCHPATH = "hydra.searchpath"

INFO_SWITCHES = ("hydra_help", "version", "cfg", "info", "shell_completion")
"""Hydra's switches that print something and run nothing."""


@dataclass(frozen=True)
class CommandLine:
    """What was typed, found to be sound."""

    jobs: tuple[Config, ...]
    multirun: bool
    info_only: bool
    """Whether Hydra will print something and run nothing."""
    swept: tuple[str, ...]
    """The overrides that have several values."""
    arguments: tuple[str, ...]
    """What was typed, for Hydra; of a single run the overrides alone."""
    fixed: tuple[str, ...] = ()
    """The overrides that have one value."""
    lines: tuple[tuple[str, ...], ...] = ()
    """The overrides of each job of a multirun."""
    keys: tuple[str, ...] = ()
    """What differs from job to job."""
    launcher: Mapping[str, Any] = field(default_factory=dict)
    """What `hydra/launcher` and its knobs came to."""
    search: Mapping[str, Any] | None = None
    """What `hydra/sweeper=optuna` and its knobs came to; None for a grid."""


def to_config(tree: DictConfig) -> Config:
    """The typed config of a composed tree; raises `InputError` in one line."""
    try:
        plain = OmegaConf.to_container(tree, resolve=True, throw_on_missing=True, enum_to_str=True)
        assert isinstance(plain, dict)
        return validate_config({str(name): value for name, value in plain.items()})
    except OmegaConfBaseException as error:
        raise InputError(_of_omegaconf(error)) from None


def load_config(path: Path) -> Config:
    """The typed config that a run has kept; raises `InputError` as `to_config`."""
    tree = OmegaConf.load(path)
    assert isinstance(tree, DictConfig)
    return to_config(tree)


def parse_command_line(arguments: Sequence[str]) -> CommandLine:
    """Composes and checks every job that the arguments ask for; loads nothing.

    Raises `InputError` for an unknown switch, group, choice or knob, with the nearest right one,
    and for a value of a wrong type or out of range.
    """
    parser = get_args_parser()
    parser.error = _refuse_switch(parser)
    switches = parser.parse_args(list(arguments))
    words = _for_hydra([*_own_choices(switches), *switches.overrides])
    overrides = parse_overrides(words)
    answers_only = any(getattr(switches, name, None) for name in INFO_SWITCHES)
    with hydra_composer() as hydra:
        for override in overrides:
            if override.key_or_group == SEARCHPATH:
                _also_from(hydra, override.value())
        groups = _groups()
        for override in overrides:
            _check_names(override, groups)
        if answers_only and not switches.cfg:
            return CommandLine((), switches.multirun, True, (), _for_hydra(arguments))
        plain = [o.input_line for o in overrides if not o.is_sweep_override()]
        master = _composed(plain, return_hydra_config=True)
        multirun = switches.multirun or str(master.hydra.mode).endswith("MULTIRUN")
        params = master.hydra.sweeper.get("params") or {}
        typed = {o.get_key_element().lstrip("+") for o in overrides}  # goes before a named sweep's
        swept = [f"{key}={value}" for key, value in params.items() if key not in typed]
        swept += [o.input_line for o in overrides if o.is_sweep_override()]
        _refuse_twice(overrides)
        several = [*swept, *(f"sweep.cells={cell}" for cell in master.sweep.cells)]
        if several and not multirun and not answers_only:
            raise InputError(f"{several[0]}: several values need --multirun (-m)")
        if answers_only:
            return CommandLine((), multirun, True, tuple(swept), _for_hydra(arguments))
        if multirun:
            return _multirun(arguments, plain, swept, master)
        only = to_config(OmegaConf.masked_copy(master, [str(k) for k in master if k != "hydra"]))
    return CommandLine((only,), False, False, (), words)


def _multirun(
    arguments: Sequence[str], plain: Sequence[str], swept: Sequence[str], master: DictConfig
) -> CommandLine:
    """Every job composed and checked; of ranges, those at their ends."""
    listed = list(master.sweep.cells)
    groups = _groups()
    for line in listed:
        for override in parse_overrides(grids.split_grid_point(line)):
            _check_names(override, groups)
    keys = grids.swept_keys(swept, listed)
    grids.check_swept_keys(keys)
    sweeper = OmegaConf.to_container(master.hydra.sweeper)
    search = isinstance(sweeper, dict) and sweeper["_target_"] == SEARCH
    if search and (listed or master.sweep.zip):
        raise InputError("sweep.cells, sweep.zip: act in grids; hydra/sweeper=optuna has ranges")
    if search and not swept:
        raise InputError(
            "hydra/sweeper=optuna: nothing to search; give a range, "
            "'optim.lr=tag(log,interval(1e-5,1e-2))', or values"
        )
    cells = (
        grids.probe_points(swept) if search else grids.grid_points(swept, master.sweep.zip, listed)
    )
    fixed = _for_hydra(plain)
    lines = tuple((*fixed, *_for_hydra(cell)) for cell in cells)
    return CommandLine(
        tuple(_configs(fixed, [_for_hydra(cell) for cell in cells], groups)),
        True,
        False,
        tuple(swept),
        _for_hydra(arguments),
        fixed,
        lines,
        tuple(keys),
        plain_options(master.hydra.launcher),
        plain_options(master.hydra.sweeper) if search else None,
    )


def _configs(
    fixed: Sequence[str], cells: Sequence[Sequence[str]], groups: Collection[str]
) -> Iterator[Config]:
    """The config of each cell; what its choices of groups make is composed once for all of them."""
    made: dict[tuple[str, ...], DictConfig] = {}
    for cell in cells:
        overrides = parse_overrides(cell)
        chosen = [o for o in overrides if o.key_or_group in groups or "/" in o.key_or_group]
        choices = tuple(str(o.input_line) for o in chosen)
        if choices not in made:
            made[choices] = _composed((*fixed, *choices))
        tree = copy.deepcopy(made[choices])
        with _in_one_line():
            ConfigLoaderImpl._apply_overrides_to_config(
                [override for override in overrides if override not in chosen], tree
            )
        yield to_config(tree)


def plain_options(node: DictConfig) -> dict[str, Any]:
    """A node of Hydra's own as plain values."""
    options = OmegaConf.to_container(node, resolve=True)
    assert isinstance(options, dict)
    return {str(name): value for name, value in options.items()}


def compose_grid_point(line: CommandLine, cell: Sequence[str]) -> tuple[Config, tuple[str, ...]]:
    """One more job of a multirun: its config, and its overrides. Raises `InputError`."""
    overrides = (*line.fixed, *_for_hydra(cell))
    with hydra_composer():
        return to_config(_composed(overrides)), overrides


def _for_hydra(arguments: Sequence[str]) -> tuple[str, ...]:
    """The same in Hydra's grammar.

    Keys below an open mapping are the user's own, of which it wants to be told by a `++`; and a
    value that has letters unknown to it, as a folder's name may, has to stand in quotes.
    """
    named = tuple(f"{name}{end}" for name in OPEN_MAPPINGS for end in ("=", "."))
    return tuple(
        f"++{bare}" if (bare := argument.lstrip("+")).startswith(named) else argument
        for argument in map(quote_if_needed, arguments)
    )


def _refuse_switch(parser: argparse.ArgumentParser) -> Any:
    known = [name for action in parser._actions for name in action.option_strings]

    def refuse(message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown:
            switch = unknown.group(1)
            raise InputError(
                f"{switch}: no such switch; {suggest(switch, [*known, '--open-test'])}"
            )
        raise InputError(message)

    return refuse


def _own_choices(switches: argparse.Namespace) -> list[str]:
    """`--config-dir`, a folder with more choices for the groups, as the override that says so.

    Raises `InputError` where it is none, and for switches that would replace our own configs.
    """
    for name in ("config_path", "config_name", "experimental_rerun"):
        if getattr(switches, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')}: would replace the configs that the program is made "
                "of; --config-dir=FOLDER adds choices of your own to them"
            )
    if switches.config_dir is None:
        return []
    folder = Path(switches.config_dir).expanduser().resolve()
    if not folder.is_dir():
        raise InputError(f"--config-dir={switches.config_dir}: no such folder")
    place = f"file://{folder}"
    is_plain = re.fullmatch(r"[-.:/\w]+", place)
    return [f"{SEARCHPATH}=[{place if is_plain else quote_value(place)}]"]


@contextmanager
def hydra_composer() -> Iterator[Hydra]:
    """Hydra on our configs, for `compose` and by itself."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), "fashion_exp", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        yield hydra


def _also_from(hydra: Hydra, folders: object) -> None:
    """Has the groups' choices looked for in these folders too, as composing will."""
    loader = hydra.config_loader
    assert isinstance(loader, ConfigLoaderImpl)
    for folder in folders if isinstance(folders, list) else []:
        loader.get_search_path().prepend("own", str(folder), SearchPathQuery(provider="schema"))
    loader.repository.initialize_sources(loader.get_search_path())


def _composed(lines: Sequence[str], return_hydra_config: bool = False) -> DictConfig:
    with _in_one_line():
        return compose("config", list(lines), return_hydra_config=return_hydra_config)


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except OmegaConfBaseException as error:
        raise InputError(_of_omegaconf(error)) from None
    except HydraException as error:
        raise InputError(_of_hydra(error)) from None


def _refuse_twice(overrides: Sequence[Override]) -> None:
    """One of two values for a swept key would be forgotten in silence."""
    keys = [override.get_key_element().lstrip("+") for override in overrides]
    for override, key in zip(overrides, keys, strict=True):
        if override.is_sweep_override() and keys.count(key) > 1:
            raise InputError(f"{override.input_line}: {key} is typed twice; give its values once")


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
    if key == "hydra.sweeper.params" or key.startswith("hydra.sweeper.params."):
        raise InputError(
            f"{override.input_line}: what is swept is typed as it is: optim.lr=1e-4,1e-3"
        )
    if key.split(".")[0] == "hydra":
        return
    names = option_names()
    if key in names or any(key.startswith(f"{name}.") for name in OPEN_MAPPINGS):
        if override.is_add() and key in names:
            raise InputError(f"{override.input_line}: the knob is there already; without the +")
        return
    raise InputError(
        f"{override.input_line}: no such knob or group; {suggest(key, [*names, *groups])}"
    )


def option_names() -> list[str]:
    """Every knob of the schema, dotted."""
    return [name for name, _ in flatten_options(_names_of(Config))]


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
    if group == "hydra/launcher":
        choices.remove("basic")  # Hydra's own, which knows nothing of a sweep that goes on
    value = override.value()
    wanted = list(value.list) if override.is_choice_sweep() else [value]
    for choice in wanted:
        name = "null" if choice is None else str(choice)
        if name not in [*choices, "null"]:
            if not choices:
                raise InputError(f"{override.input_line}: no such group; {suggest(group, groups)}")
            raise InputError(f"{group}={name}: no such choice; {suggest(name, choices)}")


def _of_omegaconf(error: OmegaConfBaseException) -> str:
    """`optim.lr: value 'abc' …` from OmegaConf's four lines."""
    reason = str(error.msg or error).splitlines()[0].rstrip(".")
    key = error.full_key or ""
    if "is not a ListConfig" in reason:
        return f"{key}: needs a list; '{key}=[…,…]'"
    if " not in " in reason and isinstance(error.parent_node, DictConfig):
        known = [str(name) for name in error.parent_node if not str(name).startswith("_")]
        found = suggest(key.rpartition(".")[2], known) if known else "it has none"
        return f"{key}: no such knob; {found}"
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

"""From the arguments of a command line to typed configs, with one clear line for each mistake."""

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
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fashion_exp.atomic_io import write_text
from fashion_exp.configuration import compat, grids
from fashion_exp.configuration.catalog import option_names, settable_options
from fashion_exp.configuration.overrides import (
    SEARCHPATH,
    is_hydra_option,
    parse_overrides,
    quote_if_needed,
    quote_value,
    split_override,
)
from fashion_exp.configuration.own_choices import fill_own_choices
from fashion_exp.configuration.schema import (
    RENAMED_OPTIONS,
    Config,
    to_plain,
)
from fashion_exp.configuration.suggestions import suggest_choice, suggest_option
from fashion_exp.configuration.validation import validate_config
from fashion_exp.errors import InputError, close_matches, suggest
from fashion_exp.paths import conf_dir, own_choices_folder

ConfigStore.instance().store("config_schema", node=Config)

OPEN_MAPPINGS = (
    "dataset.rename", "optim.options", "sweep.weights", "hydra.launcher.resources",
    "hydra.launcher.options",
)  # fmt: skip
"""Options that are mappings with keys of the user's choice."""

SEARCH_SWEEPER = "fashion_exp.sweeps.search.Search"
"""`_target_` of the sweeper that searches ranges."""

INFO_SWITCHES = ("hydra_help", "version", "cfg", "info", "shell_completion")
"""Hydra's switches that print something and run nothing."""


@dataclass(frozen=True)
class CommandLine:
    """A command line without mistakes."""

    jobs: tuple[Config, ...]
    """The config of each job; for a search, of its `probe_points`."""
    multirun: bool
    info_only: bool
    """Whether Hydra prints something and nothing is run."""
    arguments: tuple[str, ...]
    """The arguments in Hydra's grammar."""
    job_overrides: tuple[tuple[str, ...], ...] = ()
    """The overrides of each job."""
    fixed_overrides: tuple[str, ...] = ()
    """The overrides of a multirun that have one value."""
    swept_overrides: tuple[str, ...] = ()
    """The overrides of a multirun that have several values."""
    swept_keys: tuple[str, ...] = ()
    """The options that differ from job to job."""
    launcher: Mapping[str, Any] = field(default_factory=dict)
    """`hydra.launcher`, composed."""
    search: Mapping[str, Any] | None = None
    """`hydra.sweeper`, composed, if it is a search; None for a grid."""


def parse_command_line(arguments: Sequence[str]) -> CommandLine:
    """Composes and validates the config of every job; loads no data and no weights.

    Raises `InputError` for an unknown switch, group, choice or option, with the closest existing
    one, and for a value of the wrong type or out of range.
    """
    parser = compat.switches_parser()
    parser.error = _switch_error(parser)  # type: ignore[method-assign]
    switches = parser.parse_args([_current_name(argument) for argument in arguments])
    texts = _to_hydra([*_config_dir_override(switches), *switches.overrides])
    overrides = parse_overrides(texts)
    info_only = any(getattr(switches, name, None) for name in INFO_SWITCHES)
    info = CommandLine((), switches.multirun, True, _to_hydra(arguments))
    with hydra_composer(overrides):
        groups = _groups()
        for override in overrides:
            _check_names(override, groups)
        if info_only and not switches.cfg:
            return info
        fixed = [o.input_line for o in overrides if not o.is_sweep_override()]
        tree = _composed(fixed, return_hydra_config=True)
        multirun = switches.multirun or str(tree.hydra.mode).endswith("MULTIRUN")
        swept = _swept_overrides(overrides, tree)
        several = [*swept, *(f"sweep.points={point}" for point in tree.sweep.points)]
        if several and not multirun and not info_only:
            raise InputError(f"{several[0]}: several values need --multirun (-m)")
        if info_only:
            return info
        if multirun:
            return _multirun(arguments, fixed, swept, tree)
        cfg = to_config(_without_hydra(tree))
    recorded = tuple(text for text in texts if not is_hydra_option(text))
    return CommandLine((cfg,), False, False, texts, (recorded,))


def compose_grid_point(line: CommandLine, point: Sequence[str]) -> tuple[Config, tuple[str, ...]]:
    """The config and the overrides of one more job of a multirun. Raises `InputError`."""
    overrides = (*line.fixed_overrides, *_to_hydra(point))
    with hydra_composer():
        return to_config(_composed(overrides)), overrides


def to_config(tree: DictConfig) -> Config:
    """The typed config of a composed tree; raises `InputError` in one line."""
    with _one_line_errors():
        content = OmegaConf.to_container(
            tree, resolve=True, throw_on_missing=False, enum_to_str=True
        )
    assert isinstance(content, dict)
    return validate_config({str(name): value for name, value in content.items()})


def save_config(cfg: Config, path: Path) -> None:
    write_text(path, OmegaConf.to_yaml(OmegaConf.create(to_plain(cfg))))


def load_config(path: Path) -> Config:
    """The config that a run saved, in this version's names; raises `InputError`."""
    tree = OmegaConf.load(path)
    assert isinstance(tree, DictConfig)
    for earlier, current in RENAMED_OPTIONS.items():
        group, name = earlier.split(".")
        if name in tree.get(group, {}):
            tree[group][current.split(".")[1]] = tree[group].pop(name)
    return to_config(tree)


def plain_options(node: DictConfig) -> dict[str, Any]:
    """A node of Hydra's own config as plain values."""
    options = OmegaConf.to_container(node, resolve=True)
    assert isinstance(options, dict)
    return {str(name): value for name, value in options.items()}


@contextmanager
def hydra_composer(overrides: Sequence[Override] = ()) -> Iterator[None]:
    """Initializes Hydra on our configs, and on the folders that the overrides add to them."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), "fashion_exp", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        for override in overrides:
            if override.key_or_group == SEARCHPATH:
                compat.add_search_folders(hydra, override.value())
        yield


def _multirun(
    arguments: Sequence[str], fixed: Sequence[str], swept: Sequence[str], tree: DictConfig
) -> CommandLine:
    """Every job composed and validated; of a search, its probe points."""
    listed = list(tree.sweep.points)
    groups = _groups()
    for line in listed:
        for override in parse_overrides(grids.split_grid_point(line)):
            _check_names(override, groups)
    keys = grids.swept_keys(swept, listed)
    grids.check_swept_keys(keys)
    sweeper = plain_options(tree.hydra.sweeper)
    search = sweeper if sweeper["_target_"] == SEARCH_SWEEPER else None
    if search and (listed or tree.sweep.zip):
        raise InputError("sweep.points and sweep.zip need a grid; hydra/sweeper=optuna has ranges")
    if search and not swept:
        raise InputError(
            "hydra/sweeper=optuna: nothing to search; add a range, such as "
            "'optim.lr=tag(log,interval(1e-5,1e-2))', or values"
        )
    points = (
        grids.probe_points(swept) if search else grids.grid_points(swept, tree.sweep.zip, listed)
    )
    points = [_to_hydra(point) for point in points]
    fixed_overrides = _to_hydra(fixed)
    return CommandLine(
        jobs=tuple(_configs(fixed_overrides, points, groups)),
        multirun=True,
        info_only=False,
        arguments=_to_hydra(arguments),
        job_overrides=tuple((*fixed_overrides, *point) for point in points),
        fixed_overrides=fixed_overrides,
        swept_overrides=tuple(swept),
        swept_keys=tuple(keys),
        launcher=plain_options(tree.hydra.launcher),
        search=search,
    )


def _configs(
    fixed: Sequence[str], points: Sequence[Sequence[str]], groups: Collection[str]
) -> Iterator[Config]:
    """The config of each grid point; points with the same choices of groups share a composition."""
    composed: dict[tuple[str, ...], DictConfig] = {}
    for point in points:
        overrides = parse_overrides(point)
        of_groups = [o for o in overrides if o.key_or_group in groups or "/" in o.key_or_group]
        choices = tuple(str(o.input_line) for o in of_groups)
        if choices not in composed:
            composed[choices] = _composed((*fixed, *choices))
        tree = copy.deepcopy(composed[choices])
        with _one_line_errors():
            compat.apply_overrides([o for o in overrides if o not in of_groups], tree)
        yield to_config(tree)


def _composed(overrides: Sequence[str], return_hydra_config: bool = False) -> DictConfig:
    with _one_line_errors():
        tree = compose("config", list(overrides), return_hydra_config=True)
        fill_own_choices(tree, {split_override(text)[0] for text in overrides})
    return tree if return_hydra_config else _without_hydra(tree)


def _without_hydra(tree: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(tree, [str(key) for key in tree if key != "hydra"])


def _swept_overrides(overrides: Sequence[Override], tree: DictConfig) -> list[str]:
    """The typed overrides with several values, and those of a named sweep that were not typed."""
    keys = [split_override(o.get_key_element())[0] for o in overrides]
    for override, key in zip(overrides, keys, strict=True):
        if override.is_sweep_override() and keys.count(key) > 1:
            raise InputError(f"{override.input_line}: {key} is given twice; give its values once")
    named = tree.hydra.sweeper.get("params") or {}
    swept = [f"{key}={value}" for key, value in named.items() if key not in keys]
    return swept + [o.input_line for o in overrides if o.is_sweep_override()]


def _current_name(argument: str) -> str:
    """The argument with this version's name of a renamed option."""
    option, value = split_override(argument)
    return f"{RENAMED_OPTIONS[option]}={value}" if option in RENAMED_OPTIONS else argument


def _to_hydra(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments in Hydra's grammar.

    It requires `++` for keys of an open mapping, and quotes around values with characters that it
    does not know, as names of folders may have.
    """
    open_keys = tuple(f"{name}{end}" for name in OPEN_MAPPINGS for end in ("=", "."))
    return tuple(
        f"++{option}" if (option := argument.lstrip("+")).startswith(open_keys) else argument
        for argument in map(quote_if_needed, map(_current_name, arguments))
    )


def _switch_error(parser: argparse.ArgumentParser) -> Any:
    switches = compat.switch_names(parser)

    def refuse(message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown:
            switch = unknown.group(1)
            raise InputError(
                f"{switch}: no such switch; {suggest(switch, [*switches, '--evaluate-test'])}"
            )
        raise InputError(message)

    return refuse


def _config_dir_override(switches: argparse.Namespace) -> list[str]:
    """`--config-dir`, a folder with more choices for the groups, as an override.

    Raises `InputError` if it is not a folder, and for switches that would replace our configs.
    """
    for name in ("config_path", "config_name", "experimental_rerun"):
        if getattr(switches, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} would replace the built-in configs; use "
                "--config-dir=FOLDER to add your own choices"
            )
    if switches.config_dir is None:
        return []
    folder = own_choices_folder(switches.config_dir)
    url = f"file://{folder}"
    is_plain = re.fullmatch(r"[-.:/\w]+", url)
    return [f"{SEARCHPATH}=[{url if is_plain else quote_value(url)}]"]


def _groups() -> list[str]:
    loader = GlobalHydra.instance().config_loader()
    return [name for name in loader.list_groups("") if name != "hydra"]


def _check_names(override: Override, groups: list[str]) -> None:
    """Raises `InputError` for a group, choice or option that does not exist."""
    key = override.key_or_group
    if override.is_delete():
        raise InputError(
            f"{override.input_line}: options cannot be deleted; set another value instead"
        )
    if key in groups or "/" in key:
        _check_choices(override, key, groups)
        return
    if key == "hydra.sweeper.params" or key.startswith("hydra.sweeper.params."):
        raise InputError(f"{override.input_line}: write swept values directly: optim.lr=1e-4,1e-3")
    if key.split(".")[0] == "hydra":
        return
    names = option_names()
    if key in names or any(key.startswith(f"{name}.") for name in OPEN_MAPPINGS):
        if override.is_add() and key in names:
            raise InputError(f"{override.input_line}: this option exists; write it without +")
        return
    hint = suggest_option(key, settable_options(), groups)
    hint = hint or f"`options {key.rpartition('.')[2]}` searches all options"
    raise InputError(f"{override.input_line}: no such option or group; {hint}")


def _check_choices(override: Override, group: str, groups: list[str]) -> None:
    loader = GlobalHydra.instance().config_loader()
    choices = [
        name
        for name in loader.get_group_options(group, ObjectType.CONFIG)
        if not name.startswith("_")  # defaults that the choices share
        and (group, name) != ("hydra/launcher", "basic")  # Hydra's own cannot resume
    ]
    value = override.value()
    for choice in list(value.list) if override.is_choice_sweep() else [value]:
        name = "null" if choice is None else str(choice)
        if name not in [*choices, "null"]:
            if not choices:
                raise InputError(f"{override.input_line}: no such group; {suggest(group, groups)}")
            hint = suggest_choice(group, name, choices)
            raise InputError(f"{group}={name}: no such choice; {hint}")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except OmegaConfBaseException as error:
        raise InputError(_omegaconf_message(error)) from None
    except HydraException as error:
        raise InputError(_hydra_message(error)) from None


def _omegaconf_message(error: OmegaConfBaseException) -> str:
    """`optim.lr: value 'abc' …` from OmegaConf's four lines."""
    reason = str(error.msg or error).splitlines()[0].rstrip(".")
    key = error.full_key or ""
    if "is not a ListConfig" in reason:
        return f"{key}: needs a list; '{key}=[…,…]'"
    if " not in " in reason and isinstance(error.parent_node, DictConfig):
        names = [str(name) for name in error.parent_node if not str(name).startswith("_")]
        hint = suggest_option(key, settable_options()) if names else "it has no options"
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

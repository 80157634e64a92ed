"""From the arguments of a command line to typed configs, with one clear line for each mistake."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from omegaconf import DictConfig, OmegaConf

from fashion_exp.configuration import compat, grids
from fashion_exp.configuration.catalog import option_names, settable_options
from fashion_exp.configuration.hydra_errors import one_line_errors
from fashion_exp.configuration.hydra_switches import (
    INFO_SWITCHES,
    config_dir_override,
    parse_switches,
    printed_config,
)
from fashion_exp.configuration.overrides import (
    SEARCHPATH,
    apply_overrides,
    in_hydra_grammar,
    is_hydra_option,
    parse_overrides,
    quote_if_needed,
    split_override,
)
from fashion_exp.configuration.own_choices import fill_own_choices
from fashion_exp.configuration.schema import RENAMED_OPTIONS, SWEEP_JOB_OPTIONS, Config
from fashion_exp.configuration.suggestions import suggest_choice, suggest_option
from fashion_exp.configuration.targets import check_same_targets
from fashion_exp.configuration.validation import validate_config
from fashion_exp.errors import InputError, suggest
from fashion_exp.paths import conf_dir

ConfigStore.instance().store("config_schema", node=Config)

OPEN_MAPPINGS = (
    "dataset.rename", "model.backbone_weights", "optim.options", "recipe.weights", "sweep.weights",
    "hydra.launcher.resources", "hydra.launcher.options",
)  # fmt: skip
"""Options that are mappings with keys of the user's choice."""

SEARCH_SWEEPER = "fashion_exp.sweeps.search.Search"
"""`_target_` of the sweeper that searches ranges."""

OPTIONAL_GROUPS = ("experiment", "recipe", "sweep")
"""Groups that may have no choice."""


@dataclass(frozen=True)
class CommandLine:
    """A command line without mistakes."""

    jobs: tuple[Config, ...]
    """The config of each job; for a search, of its `probe_points`."""
    multirun: bool
    info_only: bool
    """Whether Hydra prints something and nothing is run."""
    arguments: tuple[str, ...]
    """The arguments as typed; of a line that only prints, in Hydra's grammar."""
    printed: str = ""
    """What `--cfg` prints."""
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
    switches = parse_switches([_current_name(argument) for argument in arguments])
    texts = to_hydra([*config_dir_override(switches), *switches.overrides])
    multirun = switches.multirun or "hydra.mode=MULTIRUN" in texts
    overrides = parse_overrides(texts, multirun)
    info_only = any(getattr(switches, name, None) for name in INFO_SWITCHES)
    with hydra_composer(overrides):
        groups = config_groups()
        overrides = [_expand_glob(override, groups) for override in overrides]
        for override in overrides:
            check_names(override, groups)
            if not (multirun or info_only):
                _check_single_run(override)
        shown = [text for text in arguments if text not in switches.overrides]
        shown += [in_hydra_grammar(o) for o in overrides if o.key_or_group != SEARCHPATH]
        info = CommandLine((), multirun, True, tuple(shown))
        if info_only and not switches.cfg:
            return info
        tree = compose_tree([o for o in overrides if not o.is_sweep_override()])
        swept = _swept_overrides(overrides, tree)
        several = [*swept, *(f"sweep.points={point}" for point in _listed(tree, "points"))]
        if several and not multirun:
            raise InputError(
                f"{several[0]}: several values need --multirun (-m); quote a text with commas"
            )
        if switches.cfg:
            return replace(info, printed=printed_config(tree, switches))
        fixed = [str(o.input_line) for o in overrides if not o.is_sweep_override()]
        if multirun:
            return _multirun(arguments, fixed, swept, tree)
        cfg = to_config(without_hydra(tree))
    recorded = tuple(text for text in fixed if not is_hydra_option(text))
    return CommandLine((cfg,), False, False, tuple(arguments), job_overrides=(recorded,))


def compose_grid_point(line: CommandLine, point: Sequence[str]) -> tuple[Config, tuple[str, ...]]:
    """The config and the overrides of one more job of a multirun. Raises `InputError`."""
    texts = (*line.fixed_overrides, *to_hydra(point))
    overrides = parse_overrides(texts)
    with hydra_composer(overrides):
        return to_config(without_hydra(compose_tree(overrides))), texts


def to_config(tree: DictConfig) -> Config:
    """The typed config of a composed tree; raises `InputError` in one line."""
    with one_line_errors():
        content = OmegaConf.to_container(
            tree, resolve=True, throw_on_missing=False, enum_to_str=True
        )
    assert isinstance(content, dict)
    return validate_config({str(name): value for name, value in content.items()})


def _hydra_group(tree: DictConfig, name: str) -> dict[str, Any]:
    """`hydra.launcher` or `hydra.sweeper` as plain values. Raises `InputError`."""
    with one_line_errors(f"hydra.{name}"):
        node = OmegaConf.select(tree, f"hydra.{name}")
        options = OmegaConf.to_container(node, resolve=True) if node is not None else None
    if not isinstance(options, dict):
        raise InputError(f"hydra.{name}: must not be empty; choose one with hydra/{name}=…")
    return {str(key): value for key, value in options.items()}


@contextmanager
def hydra_composer(overrides: Sequence[Override] = ()) -> Iterator[None]:
    """Initializes Hydra on our configs, and on the folders that the overrides add to them.

    The Hydra of a program that calls us is restored afterwards.
    """
    state = GlobalHydra.instance()
    earlier = state.hydra
    state.clear()
    try:
        with initialize_config_dir(str(conf_dir()), "fashion_exp", version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            for override in overrides:
                if override.key_or_group == SEARCHPATH:
                    compat.add_search_folders(hydra, override.value())
            yield
    finally:
        GlobalHydra.instance().clear()
        if earlier is not None:
            GlobalHydra.instance().initialize(earlier)


def _multirun(
    arguments: Sequence[str], fixed: Sequence[str], swept: Sequence[str], tree: DictConfig
) -> CommandLine:
    """Every job composed and validated; of a search, its probe points."""
    listed, zipped = _listed(tree, "points"), _listed(tree, "zip")
    groups = config_groups()
    for line in listed:
        for override in grids.parse_grid_point(line):
            check_names(override, groups)
    keys = grids.swept_keys(swept, listed)
    grids.check_swept_keys(keys)
    sweeper = _hydra_group(tree, "sweeper")
    search = sweeper if sweeper.get("_target_") == SEARCH_SWEEPER else None
    if search and (listed or zipped):
        raise InputError("sweep.points and sweep.zip need a grid; hydra/sweeper=optuna has ranges")
    if search and not swept:
        raise InputError(
            "hydra/sweeper=optuna: nothing to search; add a range, such as "
            "'optim.lr=tag(log,interval(1e-5,1e-2))', or values"
        )
    points = grids.probe_points(swept) if search else grids.grid_points(swept, zipped, listed)
    points = [to_hydra(point) for point in points]
    fixed_overrides = tuple(fixed)
    jobs = tuple(_configs(fixed_overrides, points))
    check_same_targets(jobs)
    return CommandLine(
        jobs=jobs,
        multirun=True,
        info_only=False,
        arguments=tuple(arguments),
        job_overrides=tuple((*fixed_overrides, *point) for point in points),
        fixed_overrides=fixed_overrides,
        swept_overrides=tuple(swept),
        swept_keys=tuple(keys),
        launcher=_hydra_group(tree, "launcher"),
        search=search,
    )


def _configs(fixed: Sequence[str], points: Sequence[Sequence[str]]) -> Iterator[Config]:
    """The config of each grid point; points with the same choices of groups share a composition."""
    shared, groups = parse_overrides(fixed), config_groups()
    composed: dict[tuple[str, ...], DictConfig] = {}
    for point in points:
        overrides = parse_overrides(point)
        chosen = [o for o in overrides if _is_choice(o, groups)]
        key = tuple(str(o.input_line) for o in chosen)
        if key not in composed:
            composed[key] = without_hydra(compose_tree([*shared, *chosen]))
        tree = copy.deepcopy(composed[key])
        apply_overrides([o for o in overrides if o not in chosen], tree)
        yield to_config(tree)


def compose_tree(overrides: Sequence[Override]) -> DictConfig:
    """The composed tree, with Hydra's own options. Raises `InputError`."""
    groups = config_groups()
    choices = [o for o in overrides if _is_choice(o, groups)]
    tree = copy.deepcopy(_composed_choices(tuple(str(o.input_line) for o in choices)))
    values = [o for o in overrides if o not in choices]
    with one_line_errors(*(str(o.input_line) for o in choices)):
        fill_own_choices(tree, {o.key_or_group for o in values})
    apply_overrides(values, tree)
    return tree


@lru_cache(maxsize=64)
def _composed_choices(choices: tuple[str, ...]) -> DictConfig:
    """Many lines and grid points have the same choices of groups, which take long to compose."""
    with one_line_errors(*choices):
        return compose("config", list(choices), return_hydra_config=True)


def _is_choice(override: Override, groups: Collection[str]) -> bool:
    key = override.key_or_group
    return key in groups or "/" in key or key == SEARCHPATH


def without_hydra(tree: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(tree, [str(key) for key in tree if key != "hydra"])


def _listed(tree: DictConfig, name: str) -> list[str]:
    """`sweep.points` or `sweep.zip`. Raises `InputError`."""
    with one_line_errors(f"sweep.{name}"):
        return [str(item) for item in tree.sweep[name]]


def _swept_overrides(overrides: Sequence[Override], tree: DictConfig) -> list[str]:
    """The typed overrides with several values, and those of a named sweep that were not typed."""
    keys = [split_override(o.get_key_element())[0] for o in overrides]
    for override, key in zip(overrides, keys, strict=True):
        if override.is_sweep_override() and keys.count(key) > 1:
            raise InputError(f"{override.input_line}: {key} is given twice; give its values once")
    named = _hydra_group(tree, "sweeper").get("params") or {}
    swept = [f"{key}={value}" for key, value in named.items() if key not in keys]
    return swept + [o.input_line for o in overrides if o.is_sweep_override()]


def _current_name(argument: str) -> str:
    """The argument with this version's name of a renamed option."""
    option, value = split_override(argument)
    return f"{RENAMED_OPTIONS[option]}={value}" if option in RENAMED_OPTIONS else argument


def to_hydra(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments in Hydra's grammar.

    It requires `++` for keys of an open mapping, and quotes around values with characters that it
    does not know, as names of folders may have.
    """
    open_keys = tuple(f"{name}{end}" for name in OPEN_MAPPINGS for end in ("=", "."))
    return tuple(
        f"++{option}" if (option := argument.lstrip("+")).startswith(open_keys) else argument
        for argument in map(quote_if_needed, map(_current_name, arguments))
    )


def config_groups() -> list[str]:
    return _groups_in(str(GlobalHydra.instance().config_loader().get_search_path()))


@lru_cache(maxsize=64)
def _groups_in(search_path: str) -> list[str]:
    """`search_path` is what Hydra was initialized with; listing its folders takes long."""
    return [name for name in compat.group_options("", ObjectType.GROUP) if name != "hydra"]


def check_names(override: Override, groups: list[str]) -> None:
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
        _check_hydra_option(override)
        return
    names = option_names()
    if key in names or any(key.startswith(f"{name}.") for name in OPEN_MAPPINGS):
        if key.startswith(tuple(SWEEP_JOB_OPTIONS)):
            raise InputError(f"{override.input_line}: only a sweep sets {key}, for its jobs")
        if override.is_add() and key in names:
            raise InputError(f"{override.input_line}: this option exists; write it without +")
        return
    hint = suggest_option(key, settable_options(), groups)
    hint = hint or f"`options {key.rpartition('.')[2]}` searches all options"
    raise InputError(f"{override.input_line}: no such option or group; {hint}")


def _check_choices(override: Override, group: str, groups: list[str]) -> None:
    choices = _choices(group)
    value = override.value()
    for choice in list(value.list) if isinstance(value, ChoiceSweep) else [value]:
        name = "null" if choice is None else str(choice)
        if name not in choices and (name != "null" or group not in OPTIONAL_GROUPS):
            if not choices:
                raise InputError(f"{override.input_line}: no such group; {suggest(group, groups)}")
            hint = suggest_choice(group, name, choices)
            raise InputError(f"{group}={name}: no such choice; {hint}")


def _choices(group: str) -> list[str]:
    return [
        name
        for name in compat.group_options(group)
        if not name.startswith("_")  # defaults that the choices share
        and (group, name) != ("hydra/launcher", "basic")  # Hydra's own cannot resume
    ]


def _expand_glob(override: Override, groups: list[str]) -> Override:
    """`model=glob(*)` as the list of choices that match. Raises `InputError`."""
    pattern = override.value()
    if not isinstance(pattern, Glob):
        return override
    if override.key_or_group not in groups:
        raise InputError(f"{override.input_line}: glob(…) is for choices of groups: model=glob(*)")
    choices = _choices(override.key_or_group)
    with one_line_errors(str(override.input_line)):
        names = pattern.filter(choices)
    if not names:
        raise InputError(f"{override.input_line}: matches no choice; choices: {', '.join(choices)}")
    return parse_overrides([f"{override.get_key_element()}={','.join(names)}"])[0]


def _check_single_run(override: Override) -> None:
    """Raises `InputError` for options of Hydra that have an effect on a multirun only."""
    key = override.key_or_group
    if key.startswith(("hydra.launcher", "hydra/launcher", "hydra.sweeper", "hydra/sweeper")):
        raise InputError(f"{override.input_line}: has no effect on a single run; add --multirun")


def _check_hydra_option(override: Override) -> None:
    """Raises `InputError` for options of Hydra that do nothing here."""
    key = override.key_or_group
    if key in (SEARCHPATH, "hydra.mode"):
        return
    if not re.fullmatch(r"hydra\.(launcher|sweeper)\.[a-z].*", key):
        raise InputError(
            f"{override.input_line}: has no effect here; of Hydra's own options only those of "
            "hydra.launcher and hydra.sweeper, hydra.searchpath and hydra.mode have one"
        )

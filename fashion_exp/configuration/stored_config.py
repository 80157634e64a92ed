"""The config in a run's folder. The folder is untrusted: its files are read as values only.

No resolver reads the environment for them, nothing is instantiated or passed to Hydra, and options
that the schema does not have are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fashion_exp.atomic_io import write_text
from fashion_exp.configuration import compat
from fashion_exp.configuration.composition import (
    check_names,
    compose_tree,
    config_groups,
    hydra_composer,
    to_config,
    to_hydra,
    without_hydra,
)
from fashion_exp.configuration.hydra_errors import one_line_errors
from fashion_exp.configuration.overrides import (
    apply_overrides,
    is_hydra_option,
    parse_overrides,
    split_override,
)
from fashion_exp.configuration.schema import (
    ADDED_OPTIONS,
    RENAMED_OPTIONS,
    RESULT_NEUTRAL_OPTIONS,
    Config,
    RecipeConfig,
    flatten_options,
    to_plain,
)
from fashion_exp.configuration.validation import validate_config
from fashion_exp.errors import InputError, redact_credentials

CHANGEABLE = RESULT_NEUTRAL_OPTIONS | {
    "dataset.root", "dataset.manifest", "dataset.quarantine", "dataset.groups", "dataset.labels",
}  # fmt: skip
"""Options that may differ when a run is resumed: its split is compared with the images found."""


_REFERENCE = re.compile(r"\$\{[\w.]+\}")
"""Earlier versions saved `${seed}`. Resolvers, which read the environment, are refused."""


def save_config(cfg: Config, path: Path) -> None:
    """Saves the config without passwords."""
    groups = (_as_yaml(json.dumps({name: value})) for name, value in to_plain(cfg).items())
    write_text(path, redact_credentials("".join(groups)))


@lru_cache(maxsize=256)
def _as_yaml(content: str) -> str:
    """An object in JSON as YAML. The jobs of a sweep differ in few groups of options."""
    return OmegaConf.to_yaml(OmegaConf.create(json.loads(content)))


def load_config(path: Path) -> Config:
    """The config that a run saved, in this version's names; raises `InputError`."""
    return validate_config(_stored_options(path))


def resume_config(path: Path, stored: Sequence[str], arguments: Sequence[str]) -> Config:
    """The config that a run saved, changed by the overrides of this command line.

    Of the `stored` overrides only the choices of groups are read: an option that this version has
    added gets its default from there. Raises `InputError`.
    """
    options = _stored_options(path)
    sweep = options.get("sweep")
    weights = sweep.get("weights", {}) if isinstance(sweep, dict) else {}
    options["sweep"] = {"weights": weights}  # the others belong to the sweep's own processes
    with hydra_composer():
        groups = config_groups()
        overrides = parse_overrides([t for t in to_hydra(arguments) if not is_hydra_option(t)])
        for override in overrides:
            check_names(override, groups)
        choices = [o for o in overrides if o.key_or_group in groups]
        defaults = without_hydra(compose_tree(parse_overrides(_known_choices(stored, groups))))
        with one_line_errors(str(path)):
            tree = OmegaConf.merge(defaults, options)
        assert isinstance(tree, DictConfig)
        for override in choices:
            group = override.key_or_group
            tree[group] = compose_tree([override])[group]
        apply_overrides([o for o in overrides if o not in choices], tree)
        return to_config(tree)


def result_changes(path: Path, cfg: Config, changeable: Collection[str] = ()) -> list[str]:
    """The options that can change a result and that differ from what the run saved, in words; not
    those that are `changeable` besides."""
    before, now = dict(flatten_options(_stored_options(path))), dict(flatten_options(to_plain(cfg)))
    return [
        f"{option} was {before[option]}, is now {now.get(option)}"
        for option in before
        if before[option] != now.get(option) and option not in {*CHANGEABLE, *changeable}
    ]


def _known_choices(overrides: Sequence[str], groups: Sequence[str]) -> list[str]:
    """The choices of groups among a run's overrides that this version has too."""
    return [
        f"{group}={name}"
        for group, name in map(split_override, overrides)
        if group in groups and name in compat.group_options(group)
    ]


def _stored_options(path: Path) -> dict[str, Any]:
    try:
        tree = OmegaConf.load(path)
        texts = str(OmegaConf.to_container(tree, resolve=False))
        if texts.count("${") != len(_REFERENCE.findall(texts)):
            raise ValueError("an interpolation is no reference to an option")
        content = OmegaConf.to_container(tree, resolve=True)
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not the config of a run ({reason})") from None
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: not the config of a run (no options)")
    for earlier, current in RENAMED_OPTIONS.items():
        group, name = earlier.split(".")
        if isinstance(options := content.get(group), dict) and name in options:
            options[current.split(".")[1]] = options.pop(name)
    content.setdefault("recipe", dict.fromkeys(RecipeConfig.__dataclass_fields__))
    for added, value in ADDED_OPTIONS.items():
        group, _, name = added.rpartition(".")
        if isinstance(options := content.get(group) if group else content, dict):
            options.setdefault(name, value)
    return {str(name): value for name, value in content.items()}

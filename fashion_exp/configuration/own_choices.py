"""Choices of the user's own, which need not repeat what the choices of `conf/` have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from fashion_exp.configuration.choices import Choice, base_choice, groups
from fashion_exp.configuration.text_options import find_text_option
from fashion_exp.paths import conf_dir


def fill_own_choices(tree: DictConfig, typed: Collection[str]) -> None:
    """Gives options that a choice of a `--config-dir` folder leaves out their defaults.

    They come from the choice of `conf/` with the same `name`, else from the group's `_base.yaml`.
    Options that were typed keep their values. `tree` is composed and has `hydra`.
    """
    folders = [Path(str(item).removeprefix("file://")) for item in tree.hydra.searchpath]
    chosen = _chosen(tree, folders)
    own = [choice for choice in chosen if not choice.file.is_relative_to(conf_dir())]
    for choice in own:
        _keep_texts(choice, tree)
    for choice in own:
        for option, value in _defaults(choice, tree).items():
            if option not in choice.values and option not in typed and _is_unset(tree, option):
                OmegaConf.update(tree, option, value)


def _keep_texts(choice: Choice, tree: DictConfig) -> None:
    """Sets text options to what is written in the file: `2024_11` is a number in YAML."""
    text = choice.file.read_text(encoding="utf-8")
    read, content = OmegaConf.create(text), yaml.load(text, Loader=yaml.BaseLoader)
    values = OmegaConf.to_container(read)
    if not isinstance(values, dict) or not isinstance(content, dict):
        return
    written = choice.options_of(content)
    for option, value in choice.options_of({str(k): v for k, v in values.items()}).items():
        if find_text_option(option) is None or value is None or written[option] == value:
            continue
        if OmegaConf.select(tree, option) == _as_texts(value):  # not replaced by another choice
            OmegaConf.update(tree, option, written[option])


def _as_texts(value: Any) -> Any:
    """A value of a file as it is after the schema has made texts of its numbers."""
    match value:
        case list():
            return [_as_texts(item) for item in value]
        case dict():
            return {str(key): _as_texts(item) for key, item in value.items()}
    return str(value)


def _chosen(tree: DictConfig, folders: list[Path]) -> list[Choice]:
    if not folders:
        return []
    names = dict(tree.hydra.runtime.choices)
    return [
        choice
        for group, choices in groups(folders).items()
        for choice in choices
        if choice.name == names.get(group)
    ]


def _defaults(choice: Choice, tree: DictConfig) -> Mapping[str, Any]:
    """The values of the shipped choice that has the same `name` as this one."""
    option = f"{choice.group}.name"
    node = tree.get(choice.group)
    name = node.get("name") if isinstance(node, DictConfig) and "name" in node else None
    alike = [other for other in groups().get(choice.group, []) if other.values.get(option) == name]
    alike.sort(key=lambda other: other.name != str(name).casefold())
    if name is not None and alike:
        return alike[0].values
    base = base_choice(choice.group)
    return base.values if base else {}


def _is_unset(tree: DictConfig, option: str) -> bool:
    group, _, name = option.rpartition(".")
    node = OmegaConf.select(tree, group) if group else tree
    if not isinstance(node, DictConfig) or name not in node.keys():  # noqa: SIM118 (with missing)
        return False
    return OmegaConf.is_missing(node, name) or node[name] is None

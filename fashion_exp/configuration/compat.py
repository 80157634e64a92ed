"""Private APIs of Hydra, checked up to version 1.3.8. A test fails if Hydra removes one of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

CHECKED_UP_TO = "1.3.8"


def switches_parser() -> argparse.ArgumentParser:
    """The parser of Hydra's switches, such as --multirun and --cfg."""
    return get_args_parser()


def switch_names(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings]


def parser_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return list(parser._actions)


def single_overrides(override: Override) -> Iterator[str]:
    """The single overrides that a swept override stands for."""
    key = override.get_key_element()
    yield from (f"{key}={value}" for value in override.sweep_string_iterator())


def merge_overrides(overrides: Sequence[Override], tree: DictConfig) -> None:
    """Applies overrides of values, not of groups, to a composed tree."""
    ConfigLoaderImpl._apply_overrides_to_config(list(overrides), tree)


def group_options(group: str, kind: ObjectType = ObjectType.CONFIG) -> list[str]:
    """The choices of a group, or its groups, where Hydra is initialized.

    As `ConfigLoader.get_group_options`, which copies all configs that were read.
    """
    loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoaderImpl)
    return list(loader.repository.get_group_options(group, kind))


def add_search_folders(hydra: Hydra, folders: object) -> None:
    """Makes choices of groups be found in these folders too."""
    loader = hydra.config_loader
    assert isinstance(loader, ConfigLoaderImpl)
    for folder in folders if isinstance(folders, list) else []:
        loader.get_search_path().prepend("own", str(folder), SearchPathQuery(provider="schema"))
    loader.repository.initialize_sources(loader.get_search_path())

"""Hydra's switches: --multirun, --config-dir, and those that print something and run nothing."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import hydra
from omegaconf import DictConfig, OmegaConf

from fashion_exp.configuration import compat
from fashion_exp.configuration.hydra_errors import one_line_errors
from fashion_exp.configuration.overrides import SEARCHPATH
from fashion_exp.configuration.text_options import quote_value
from fashion_exp.errors import InputError, suggest
from fashion_exp.paths import conf_dir, own_choices_folder

INFO_SWITCHES = ("hydra_help", "version", "cfg", "info", "shell_completion")
"""Hydra's switches that print something and run nothing."""

_EXCLUSIVE = ("run", "multirun", "cfg", "info", "shell_completion")


def parse_switches(arguments: Sequence[str]) -> argparse.Namespace:
    """Hydra's switches, wherever they stand among the overrides. Raises `InputError`."""
    parser = compat.switches_parser()
    names = compat.switch_names(parser)

    def refuse(message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown:
            switch = unknown.group(1)
            raise InputError(
                f"{switch}: no such switch; {suggest(switch, [*names, '--evaluate-test'])}"
            )
        raise InputError(message)

    parser.error = refuse  # type: ignore[method-assign]
    switches = parser.parse_intermixed_args(arguments)
    given = [name for name in _EXCLUSIVE if getattr(switches, name)]
    if len(given) > 1:
        texts = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{texts} cannot be combined; leave out all but one")
    return switches


def config_dir_override(switches: argparse.Namespace) -> list[str]:
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


def printed_config(tree: DictConfig, switches: argparse.Namespace) -> str:
    """What `--cfg job|hydra|all` prints. Raises `InputError`."""
    names = [str(name) for name in tree]
    hidden = {"job": ["hydra"], "hydra": [name for name in names if name != "hydra"], "all": []}
    with one_line_errors(f"--cfg {switches.cfg}"):
        shown = OmegaConf.masked_copy(
            tree, [name for name in names if name not in hidden[switches.cfg]]
        )
        if switches.resolve:
            OmegaConf.resolve(shown)
        node = OmegaConf.select(shown, switches.package) if switches.package else shown
    if not OmegaConf.is_config(node):
        raise InputError(f"--package {switches.package}: {suggest(switches.package, names)}")
    with one_line_errors(f"--cfg {switches.cfg}"):
        return OmegaConf.to_yaml(node)


def print_info(arguments: Sequence[str]) -> None:
    """Lets Hydra print what the arguments ask for. Raises `InputError`."""
    sys.argv = [sys.argv[0], *arguments]
    with one_line_errors(" ".join(arguments)):
        main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
        main(lambda tree: None)()

"""Hydra's own switches that print something and run nothing: --cfg, --info, --hydra-help."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import hydra

from fashion_exp.paths import conf_dir


def print_info(arguments: Sequence[str]) -> None:
    sys.argv = [sys.argv[0], *arguments]
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    main(lambda tree: None)()

"""A job as Hydra starts it: composed, its folder made, its config kept there, its log opened."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fashion_exp.compose import quoted, to_config
from fashion_exp.job import run_job
from fashion_exp.places import conf_folder


def run_in(folder: Path, overrides: Sequence[str], sealed: bool) -> int:
    """Runs one experiment into `folder`; gives its exit code. Only an interruption is raised."""
    codes = []

    def job(tree: DictConfig) -> None:
        around = HydraConfig.get()
        output = Path(around.runtime.output_dir)
        codes.append(run_job(to_config(tree), output, list(around.overrides.task), sealed))

    _through_hydra(job, [*overrides, f"hydra.run.dir={quoted(str(folder))}"])
    return codes[0]


def answer(arguments: Sequence[str]) -> None:
    """For Hydra's switches that print something and run nothing."""
    _through_hydra(lambda tree: None, arguments)


def _through_hydra(task: Callable[[DictConfig], None], arguments: Sequence[str]) -> None:
    sys.argv = [sys.argv[0], *arguments]
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(task)()

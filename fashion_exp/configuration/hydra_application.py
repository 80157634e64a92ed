"""A job as Hydra starts it: composed, its folder made, its config kept there, its log opened."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fashion_exp.configuration.composition import SEARCHPATH, hydra_composer, to_config
from fashion_exp.configuration.overrides import quote_value
from fashion_exp.experiment.job import run_job
from fashion_exp.paths import conf_dir


def run_in(folder: Path, overrides: Sequence[str], sealed: bool) -> int:
    """Runs one experiment into `folder`; gives its exit code. Only an interruption is raised."""
    codes = []

    def job(tree: DictConfig) -> None:
        around = HydraConfig.get()
        output = Path(around.runtime.output_dir)
        places = [one for one in around.overrides.hydra if one.startswith(SEARCHPATH)]
        typed = [*places, *around.overrides.task]
        if places:  # Hydra keeps them elsewhere; they belong to the line that runs this again
            OmegaConf.save(typed, output / around.output_subdir / "overrides.yaml")
        codes.append(run_job(to_config(tree), output, typed, sealed))

    with hydra_composer() as own:
        own.run("config", job, [*overrides, f"hydra.run.dir={quote_value(str(folder))}"])
    return codes[0]


def answer(arguments: Sequence[str]) -> None:
    """For Hydra's switches that print something and run nothing."""
    sys.argv = [sys.argv[0], *arguments]
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    main(lambda tree: None)()

"""Jobs handed to a launcher: one of Hydra's or its plugins', or processes of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from fashion_exp.compose import quoted, to_config
from fashion_exp.job import run_job
from fashion_exp.places import conf_folder
from fashion_exp.sweeps import processes
from fashion_exp.sweeps.jobs import SweepJob

OWN = {"fashion_exp.sweeps.processes.run": processes.run}
"""Launchers that are no plugins of Hydra's, by the `_target_` of their YAML."""


@dataclass(frozen=True)
class Launcher:
    """What `hydra/launcher` and its knobs came to."""

    target: str
    options: dict[str, Any]

    @property
    def threads(self) -> int | None:
        """What a job may use where several run at once; None: all."""
        return processes.threads(self.options) if self.target in OWN else None


def read_launcher(arguments: Sequence[str]) -> Launcher:
    """The launcher that the arguments ask for; raises `InputError` for options it cannot have."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        master = _master(arguments)
    options = OmegaConf.to_container(master.hydra.launcher, resolve=True)
    assert isinstance(options, dict)
    told = {str(name): value for name, value in options.items() if name != "_target_"}
    launcher = Launcher(str(options["_target_"]), told)
    if launcher.target in OWN:
        processes.check(told)
    return launcher


def launch(
    launcher: Launcher, arguments: Sequence[str], jobs: Sequence[SweepJob], common: Sequence[str]
) -> None:
    """Runs the jobs, each in its folder, with the `common` overrides of the sweep after its own.

    A job that fails leaves its `failure.json`; only an interruption is raised.
    """
    if launcher.target in OWN:
        OWN[launcher.target](jobs, common, launcher.options)
        return
    sweep = jobs[0].folder.parent
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        master = _master([*arguments, f"hydra.sweep.dir={quoted(str(sweep))}"])
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        plugin = Plugins.instance().instantiate_launcher(
            config=master,
            hydra_context=HydraContext(hydra.config_loader, Callbacks(master)),
            task_function=_job,
        )
        batch = [[*job.overrides, *common, f"hydra.sweep.subdir={job.hash}"] for job in jobs]
        plugin.launch(batch, initial_job_idx=0)


def _master(arguments: Sequence[str]) -> DictConfig:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    return hydra.compose_config("config", overrides, run_mode=RunMode.MULTIRUN)


def _job(tree: DictConfig) -> int:
    around = HydraConfig.get()
    output = Path(around.runtime.output_dir)
    return run_job(to_config(tree), output, list(around.overrides.task), sealed=True)

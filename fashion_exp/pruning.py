"""What a job of a search says after each epoch, and hears whether it may go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from fashion_exp.config import SweepConfig
from fashion_exp.errors import InputError, Pruned
from fashion_exp.tracking.address import without_passwords

Watch = Callable[[int, float], None]
"""Told the trainings' epochs done so far and the validation accuracy; raises `Pruned`."""

SETTINGS = "fashion_exp"
"""Of the study, under this name: the arguments of `make_pruner`."""


def open_watch(cfg: SweepConfig) -> Watch:
    """The watch of the job that is the trial `cfg.trial` of the search.

    Raises `InputError` where this machine does not see the search.
    """
    import optuna

    assert cfg.storage is not None and cfg.study is not None and cfg.trial is not None
    try:
        if not _is_address(cfg.storage) and not Path(cfg.storage).exists():
            raise KeyError(cfg.storage)
        study = optuna.load_study(study_name=cfg.study, storage=open_storage(cfg.storage))
    except KeyError:
        raise InputError(
            f"{without_passwords(cfg.storage)}: the search is not kept here; "
            "hydra.sweeper.storage=postgresql://… has it where every node reaches it, "
            "hydra.sweeper.pruner=none needs no such place"
        ) from None
    settings = json.loads(study.user_attrs[SETTINGS])
    study.pruner = make_pruner(settings["pruner"], settings["epochs"])
    number = next(one._trial_id for one in study.get_trials(False) if one.number == cfg.trial)
    trial = optuna.Trial(study, number)
    seen = study.trials[cfg.trial].intermediate_values

    def watch(epochs: int, accuracy: float) -> None:
        if epochs not in seen:  # a training that is taken up again has told it before
            trial.report(accuracy, epochs)
        if trial.should_prune():
            raise Pruned(epochs)

    return watch


def make_pruner(name: str, epochs: int) -> Any:
    """Optuna's pruner of that name, for jobs of so many epochs in all their trainings."""
    import optuna

    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
    if name == "median":
        return optuna.pruners.MedianPruner()
    return optuna.pruners.NopPruner()


def open_storage(storage: str) -> Any:
    """A journal in a file, or the database of an address."""
    if _is_address(storage):
        return storage
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    Path(storage).parent.mkdir(parents=True, exist_ok=True)
    # Optuna's own lock would stay for half a minute when its process dies; this one goes with it.
    return JournalStorage(JournalFileBackend(storage, lock_obj=FileLock(f"{storage}.lock")))


def _is_address(storage: str) -> bool:
    return "://" in storage

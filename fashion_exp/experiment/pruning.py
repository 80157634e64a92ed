"""How a job of a search reports its epochs to Optuna, and learns whether it should stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import file_lock, remove_partial_line
from fashion_exp.configuration.schema import SweepConfig
from fashion_exp.errors import InputError, Pruned, redact_credentials
from fashion_exp.experiment.compat import attach_trial, hyperband_pruner

EpochReport = Callable[[int, float], None]
"""Takes the epochs done in all trainings of the job and the validation accuracy; raises `Pruned`
if the job should stop."""

SETTINGS = "fashion_exp"
"""The user attribute of an Optuna study that has the arguments of `make_pruner`."""


def open_epoch_report(cfg: SweepConfig) -> EpochReport:
    """The epoch report of the job that is trial `cfg.trial` of its search.

    Raises `InputError` if this machine cannot reach the search's storage.
    """
    import optuna

    assert cfg.storage is not None and cfg.study is not None and cfg.trial is not None
    try:
        if not _is_url(cfg.storage) and not Path(cfg.storage).exists():
            raise KeyError(cfg.storage)
        study = optuna.load_study(study_name=cfg.study, storage=open_storage(cfg.storage))
    except KeyError:
        raise InputError(
            f"{redact_credentials(cfg.storage)}: no storage of this search here; use a database "
            "that every node reaches (hydra.sweeper.storage=postgresql://…), or "
            "hydra.sweeper.pruner=none"
        ) from None
    settings = json.loads(study.user_attrs[SETTINGS])
    study.pruner = make_pruner(**settings)
    trial = attach_trial(study, cfg.trial)
    reported = study.trials[cfg.trial].intermediate_values

    def report(epochs: int, accuracy: float) -> None:
        if epochs not in reported:  # a resumed training reported it before
            trial.report(accuracy, epochs)
        if trial.should_prune():
            raise Pruned(epochs)

    return report


def make_pruner(pruner: str, epochs: int, seed: int) -> Any:
    """An Optuna pruner: hyperband, median or none. `epochs` is the total over a job's trainings."""
    import optuna

    if pruner == "hyperband":
        return hyperband_pruner(epochs, seed)
    if pruner == "median":
        return optuna.pruners.MedianPruner()
    return optuna.pruners.NopPruner()


def open_storage(storage: str) -> Any:
    """An Optuna storage: a journal file, or the URL of a database."""
    if _is_url(storage):
        return storage
    from filelock import FileLock
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    lock_path = Path(f"{storage}.lock")
    with file_lock(lock_path):
        remove_partial_line(Path(storage))
    # Optuna's own lock stays for half a minute after its process died; this one is released.
    return JournalStorage(JournalFileBackend(storage, lock_obj=FileLock(lock_path)))


def _is_url(storage: str) -> bool:
    return "://" in storage

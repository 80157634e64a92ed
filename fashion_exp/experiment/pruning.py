"""What a job of a search says after each epoch, and hears whether it may go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from filelock import FileLock

from fashion_exp.configuration.schema import SweepConfig
from fashion_exp.errors import InputError, Pruned
from fashion_exp.tracking.urls import without_passwords

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
    study.pruner = make_pruner(**settings)
    number = next(one._trial_id for one in study.get_trials(False) if one.number == cfg.trial)
    trial = optuna.Trial(study, number)
    seen = study.trials[cfg.trial].intermediate_values

    def watch(epochs: int, accuracy: float) -> None:
        if epochs not in seen:  # a training that is taken up again has told it before
            trial.report(accuracy, epochs)
        if trial.should_prune():
            raise Pruned(epochs)

    return watch


def make_pruner(pruner: str, epochs: int, seed: int) -> Any:
    """Optuna's pruner of that name, for jobs of so many epochs in all their trainings."""
    import optuna

    class Hyperband(optuna.pruners.HyperbandPruner):
        """Draws brackets by the search's seed: the name of a study is another each time."""

        def _get_bracket_id(self, study: Any, trial: Any) -> int:
            return int(super()._get_bracket_id(SimpleNamespace(study_name=str(seed)), trial))

    if pruner == "hyperband":
        return Hyperband(min_resource=1, max_resource=epochs)
    if pruner == "median":
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
    lock = FileLock(f"{storage}.lock")
    with lock:
        _cut_half_a_line(Path(storage))
    return JournalStorage(JournalFileBackend(storage, lock_obj=lock))


def _cut_half_a_line(journal: Path) -> None:
    """What a power cut or a full disk has left of the last line, which would spoil the next."""
    if journal.exists() and (told := journal.read_bytes()) and not told.endswith(b"\n"):
        with open(journal, "r+b") as file:
            file.truncate(told.rfind(b"\n") + 1)


def _is_address(storage: str) -> bool:
    return "://" in storage

"""Continues the trainings of a finished run for more epochs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import Config
from fashion_exp.data.split import Fold
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import KEPT_STATE, RunDir
from fashion_exp.experiment.checkpoints import MAX_KEPT_BYTES, StateFile, TrainingState
from fashion_exp.experiment.context import ExperimentContext
from fashion_exp.experiment.fingerprints import training_fingerprint
from fashion_exp.experiment.trainee import build_lr_factor

log = logging.getLogger(__name__)

_TIMES_PER_EPOCH = 16


def refuse_other_rates(cfg: Config) -> None:
    """Raises `InputError` if the schedule of more epochs has other learning rates in the epochs
    that the run to extend has been trained for."""
    assert cfg.extend is not None
    done = _epochs_of(cfg)
    before = build_lr_factor(replace(cfg, training=replace(cfg.training, epochs=done)))
    now, times = build_lr_factor(cfg), np.arange(0, done, 1 / _TIMES_PER_EPOCH).tolist()
    if time := next((time for time in times if before(time) != now(time)), None):
        raise InputError(
            f"extend={cfg.extend}: with schedule={cfg.schedule.name} the learning rate depends on "
            f"training.epochs: in epoch {int(time) + 1} it is {now(time):.3g} of optim.lr for "
            f"{cfg.training.epochs} epochs, and was {before(time):.3g}; train a run of "
            f"{cfg.training.epochs} epochs from the start, or extend one with schedule=constant"
        )


def extended_state(context: ExperimentContext, fold: Fold) -> TrainingState:
    """The state in which a training of the run to extend has ended.

    A new state, so that the training starts over, if none was kept, or if anything that its result
    depends on is different now: then it would not be what the longer training gives.
    """
    cfg = context.cfg
    assert cfg.extend is not None
    run, done = RunDir(Path(cfg.extend)), _epochs_of(cfg)
    file = run.checkpoints / f"{fold.name}-{KEPT_STATE}"
    shorter = replace(cfg, training=replace(cfg.training, epochs=done))
    trainings = pd.read_csv(run.trainings_file, dtype={"identity": str})
    own = trainings[(trainings["repeat"] == fold.repeat) & (trainings["fold"] == fold.fold)]
    if not file.is_file():
        reason = f"its state was not kept (those above {MAX_KEPT_BYTES / 1e6:.0f} MB are not)"
    elif own["identity"].tolist() != [training_fingerprint(replace(context, cfg=shorter), fold)]:
        reason = "images, code, libraries or hardware are not those of the run to extend"
    else:
        return StateFile(file).load()
    log.warning("%s starts over: %s", fold.name, reason)
    return TrainingState()


def _epochs_of(cfg: Config) -> int:
    from fashion_exp.configuration.stored_config import load_config  # few runs need it

    assert cfg.extend is not None
    return load_config(RunDir(Path(cfg.extend)).config_file).training.epochs

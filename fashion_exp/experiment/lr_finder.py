"""The learning-rate range test of Smith (2017, arXiv:1506.01186), as in fastai: the training loss
while the learning rate grows from update to update."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fashion_exp.configuration.schema import Config
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.context import training_phases
from fashion_exp.experiment.fold import dropout_seeds, start_phase
from fashion_exp.experiment.inputs import build_criterion
from fashion_exp.experiment.setup import set_up
from fashion_exp.experiment.trainee import build_trainee
from fashion_exp.reporting.progress import Progress
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.training.device import using_training_threads
from fashion_exp.training.fit import fit
from fashion_exp.training.process_group import ProcessGroup

LOWEST, HIGHEST, UPDATES = 1e-7, 10.0, 100
"""The defaults of fastai."""
SMOOTHING = 0.98
"""Weight of the earlier losses in the moving average."""
STOP_FACTOR = 4.0
"""The test ends when the smoothed loss is this many times its lowest value."""
MIN_UPDATES = 10


@dataclass(frozen=True)
class LrCurve:
    """The loss of each update and the rate that the update had."""

    rates: np.ndarray
    """(n,) of the head, rising."""
    losses: np.ndarray
    """(n,) of the update's images, before the update."""
    images: int
    """Training images that the test drew from."""

    @property
    def smoothed(self) -> np.ndarray:
        """(n,) moving average of the losses, without the bias of its beginning."""
        return smooth(self.losses)

    @property
    def suggested(self) -> float:
        """A rate in the middle of the longest fall of the smoothed loss, of two digits."""
        return float(f"{self.rates[valley(self.smoothed)]:.1e}")


class _Ended(Exception):
    """Ends the range test."""


def measure_lr_curve(
    cfg: Config, images: ImageTable, progress: Progress, *, lowest: float = LOWEST,
    highest: float = HIGHEST, updates: int = UPDATES,
) -> LrCurve:  # fmt: skip
    """Trains the model of the first fold for some updates, on its training images alone.

    The rate of update i of n is lowest · (highest / lowest)^(i / (n - 1)); the schedule does not
    act. The same arguments give the same curve. Raises `InputError` for options that do not allow
    the training, for a head without learning rate, and for a loss that is never finite.
    """
    if cfg.model.head.is_solved:
        raise InputError(
            f"find_lr: model.head={cfg.model.head.value} is solved and has no learning rate; set "
            "model.head=own"
        )
    if not 0 < lowest < highest:
        raise InputError(f"find_lr: the lowest rate ({lowest:g}) must be below ({highest:g})")
    if updates < MIN_UPDATES:
        raise InputError(f"find_lr: {updates} updates are too few; take {MIN_UPDATES} or more")
    with tempfile.TemporaryDirectory() as folder:
        group = ProcessGroup()
        context, trainee = set_up(cfg, images, RunDir(Path(folder)), group, progress)
        fold = context.split.folds[0]
        trainee = trainee or build_trainee(
            cfg, context.plan, len(context.table.classes), context.compute
        )
        phase = training_phases(context.plan, cfg.training.epochs)[0]
        inputs = start_phase(context, trainee, fold, phase)
        rates = np.geomspace(lowest, highest, updates)
        recorder = _Recorder(rates, progress.stage("raising the learning rate", updates))
        threads = using_training_threads(inputs.module, context.compute)
        with suppress(_Ended), threads:
            for _ in fit(
                inputs.module, inputs.batches, trainee.optimizer,
                build_criterion(context, fold).to(context.compute.device),
                recorder.factor_of(cfg.optim.lr), context.compute, group,
                epochs=range(updates * cfg.training.accumulate),
                accumulate=cfg.training.accumulate,
                clip_norm=cfg.training.clip_norm, average=None,
                seed_of_epoch=dropout_seeds(cfg, fold), on_step=recorder,
            ):  # fmt: skip
                pass
            recorder.finish_update()  # of the last update, which no further one follows
    if len(recorder.losses) < MIN_UPDATES:
        raise InputError(
            f"find_lr: the loss is finite for {len(recorder.losses)} updates only; start from a "
            f"lower rate than {lowest:g}, or check the images and the weights"
        )
    return LrCurve(rates[: len(recorder.losses)], np.array(recorder.losses), len(fold.train))


class _Recorder:
    """Sets the rate of each update, records its loss, and ends the training."""

    def __init__(self, rates: np.ndarray, tick: Callable[[int], object]) -> None:
        self._rates, self._tick, self._used = rates, tick, itertools.count()
        self._before = 0.0, 0
        self._parts: list[tuple[float, int]] = []
        self._updates = 0
        self.losses: list[float] = []

    def factor_of(self, lr: float) -> Callable[[float], float]:
        """Is called once for each update, with its time."""

        def factor(time: float) -> float:
            self.finish_update()
            self._updates = next(self._used) + 1
            if self._updates > len(self._rates):
                raise _Ended
            return float(self._rates[self._updates - 1]) / lr

        return factor

    def __call__(
        self, epoch: int, step: int, views: int, loss_sum: torch.Tensor, hits: torch.Tensor
    ) -> None:
        raise_if_interrupted()
        total = float(loss_sum)
        if step:
            self._parts.append((total - self._before[0], views - self._before[1]))
        self._before = (total, views) if step else (0.0, 0)

    def finish_update(self) -> None:
        """Adds the loss of the update that has ended, if there was one."""
        if not self._parts:
            return
        sums, counts = zip(*self._parts, strict=True)
        self._parts = []
        loss = sum(sums) / sum(counts)
        if not np.isfinite(loss):
            raise _Ended
        self.losses.append(loss)
        self._tick(len(self.losses))
        smoothed = smooth(self.losses)
        if len(smoothed) >= MIN_UPDATES and smoothed[-1] > STOP_FACTOR * smoothed.min():
            raise _Ended


def smooth(losses: Sequence[float] | np.ndarray) -> np.ndarray:
    """(n,) exponential moving average, divided by the sum of its weights."""
    average, smoothed = 0.0, []
    for number, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * float(loss)
        smoothed.append(average / (1 - SMOOTHING**number))
    return np.array(smoothed)


def valley(losses: np.ndarray) -> int:
    """The position in the middle of the longest falling subsequence of the losses, as fastai's
    `valley` suggests it."""
    lengths = np.ones(len(losses), dtype=int)
    for index in range(1, len(losses)):
        higher = lengths[:index][losses[:index] > losses[index]]
        lengths[index] = 1 + higher.max(initial=0)
    end = int(lengths.argmax())
    start = max(0, end - int(lengths[end]))
    third = (end - start) / 3
    return start + int(third) + int(third / 2)

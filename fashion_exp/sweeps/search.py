"""A search of ranges: Optuna proposes cells one by one, by how the validation of others went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from fashion_exp.compose import compose_cell
from fashion_exp.config import Count, Seed
from fashion_exp.errors import InputError, checked
from fashion_exp.grid import Axis, Choices, Range, space
from fashion_exp.pruning import SETTINGS, open_storage
from fashion_exp.results import load_result
from fashion_exp.seeding import derive_seed
from fashion_exp.sweeps.jobs import Planner, SweepJob

TRIALS_FILE = "trials.log"


class Sampler(Enum):
    tpe = "tpe"
    random = "random"


class Pruner(Enum):
    hyperband = "hyperband"
    median = "median"
    none = "none"


class Metric(Enum):
    accuracy = "accuracy"
    loss = "loss"


@dataclass(frozen=True)
class Search:
    """What `hydra/sweeper=optuna` and its knobs came to."""

    trials: Count
    at_once: Count
    sampler: Sampler
    pruner: Pruner
    metric: Metric
    seed: Seed
    storage: str | None
    params: dict[str, Any]


def make_search(options: Mapping[str, Any]) -> Search:
    """Raises `InputError` for options out of range, and where Optuna is not installed."""
    told = {name: value for name, value in options.items() if not name.startswith("_")}
    search = checked(Search, told, "hydra.sweeper.")
    try:
        import optuna
    except ImportError:
        raise InputError(
            "hydra/sweeper=optuna: Optuna is not installed; pip install 'fashion_exp[search]', "
            "or list values for a grid"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return search


COUNTS_EPOCHS = ("training.epochs", "repeats", "split.folds")


class Trials:
    """The trials of a search as jobs: those begun before, then new ones as they are asked for.

    A trial is a function of the search's seed, its number and the trials told before it, so that a
    search of one job at a time is the same however often it is stopped.
    """

    def __init__(self, search: Search, planner: Planner, sweep: Path) -> None:
        self._search, self._planner, self._sweep = search, planner, sweep
        self._axes = space(planner.line.swept)
        self.jobs: dict[str, SweepJob] = {}
        """All so far, by their hash."""
        self._numbers: dict[str, int] = {}
        if search.pruner is not Pruner.none:
            for axis in self._axes:
                if axis.key in COUNTS_EPOCHS:
                    raise InputError(
                        f"{axis.key}: cells of unlike numbers of epochs cannot be pruned by one "
                        "another; hydra.sweeper.pruner=none, or leave it fixed"
                    )

    @property
    def storage(self) -> str:
        return self._search.storage or str(self._sweep / TRIALS_FILE)

    @property
    def done(self) -> int:
        """Trials of earlier lines that came to an end of their own."""
        if self._search.storage is None and not Path(self.storage).exists():
            return 0
        from optuna.trial import TrialState

        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        return len(self._study.get_trials(False, ended))

    @cached_property
    def _study(self) -> Any:
        import optuna

        direction = "maximize" if self._search.metric is Metric.accuracy else "minimize"
        try:
            study = optuna.create_study(
                study_name=self._sweep.name, storage=open_storage(self.storage),
                direction=direction, load_if_exists=True,
            )  # fmt: skip
        except Exception as error:  # what a database's driver raises
            reason = str(error).splitlines()[0]
            raise InputError(f"hydra.sweeper.storage={self.storage}: {reason}") from None
        cfg = self._planner.line.jobs[0]
        settings = {
            "metric": self._search.metric.value,
            "pruner": self._search.pruner.value,
            "epochs": cfg.training.epochs * cfg.repeats * (cfg.split.folds or 1),
        }
        study.set_user_attr(SETTINGS, json.dumps(settings))
        return study

    def before(self) -> list[SweepJob]:
        """The jobs of the trials of earlier lines."""
        return [self._job(trial.number, trial.params) for trial in self._study.get_trials(False)]

    def __iter__(self) -> Iterator[SweepJob]:
        from optuna.trial import TrialState

        left = self._search.trials - self.done
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            left -= 1
            yield from self._unless_known(self._job(trial.number, trial.params))
        for _ in range(left):
            yield from self._unless_known(self._asked())

    def ended(self, job: SweepJob) -> None:
        """Tells the search what a job came to. A failed job is a failed trial."""
        from optuna.trial import TrialState

        number = self._numbers[job.hash]
        if job.state == "finished":
            self._study.tell(number, self._value(job))
        else:
            pruned = job.state == "pruned" and self._study.trials[number].intermediate_values
            self._study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)

    def words(self, job: SweepJob) -> tuple[str, ...]:
        """The overrides that tell a job which trial it is; none where nothing is pruned."""
        if self._search.pruner is Pruner.none:
            return ()
        return (
            f"sweep.name={self._sweep.name}",
            f"sweep.trial={self._numbers[job.hash]}",
            f"sweep.storage='{self.storage}'",
        )

    def _asked(self) -> SweepJob:
        import optuna

        number = len(self._study.get_trials(False))
        seed = derive_seed("search", self._search.seed, number) % 2**32
        self._study.sampler = (
            optuna.samplers.TPESampler(seed=seed)
            if self._search.sampler is Sampler.tpe
            else optuna.samplers.RandomSampler(seed=seed)
        )
        trial = self._study.ask({axis.key: _distribution(axis) for axis in self._axes})
        return self._job(trial.number, trial.params)

    def _job(self, number: int, params: Mapping[str, Any]) -> SweepJob:
        cell = [
            params[axis.key] if isinstance(axis, Choices) else f"{axis.key}={params[axis.key]:.5g}"
            for axis in self._axes
        ]
        job = self._planner.job(*compose_cell(self._planner.line, cell))
        self.jobs[job.hash] = job
        self._numbers[job.hash] = number
        return job

    def _unless_known(self, job: SweepJob) -> Iterator[SweepJob]:
        """A cell that was run before, by this search or by a grid, is not run again."""
        if job.state == "finished":
            self.ended(job)
        else:
            yield job

    def _value(self, job: SweepJob) -> float:
        found = load_result(job.folder).evidence("validation")
        value = found.accuracy if self._search.metric is Metric.accuracy else found.loss
        assert value.estimate is not None
        return value.estimate


def _distribution(axis: Axis) -> Any:
    import optuna.distributions as kinds

    if isinstance(axis, Choices):
        return kinds.CategoricalDistribution(axis.lines)
    assert isinstance(axis, Range)
    if axis.whole:
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)

"""A search of ranges: Optuna proposes cells one by one, by how the validation of others went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import write_text
from fashion_exp.configuration.composition import compose_grid_point
from fashion_exp.configuration.grids import Axis, Choices, Range, search_space
from fashion_exp.configuration.overrides import quote_value
from fashion_exp.configuration.schema import Count, Seed
from fashion_exp.errors import InputError, validate_fields
from fashion_exp.evaluation.results import load_result
from fashion_exp.experiment.job import PRUNED_FILE
from fashion_exp.experiment.pruning import SETTINGS, open_storage
from fashion_exp.paths import install_command
from fashion_exp.seeding import derive_seed
from fashion_exp.sweeps.jobs import Planner, SweepJob
from fashion_exp.tracking.urls import without_passwords

TRIALS_FILE = "trials.log"


class Sampler(Enum):
    tpe = "tpe"
    random = "random"


class Pruner(Enum):
    hyperband = "hyperband"
    median = "median"
    none = "none"


@dataclass(frozen=True)
class Search:
    """What `hydra/sweeper=optuna` and its knobs came to."""

    trials: Count
    at_once: Count
    sampler: Sampler
    pruner: Pruner
    seed: Seed
    storage: str | None
    params: dict[str, Any]


def make_search(options: Mapping[str, Any]) -> Search:
    """Raises `InputError` for options out of range, and where Optuna is not installed."""
    told = {name: value for name, value in options.items() if not name.startswith("_")}
    search = validate_fields(Search, told, "hydra.sweeper.")
    try:
        import optuna
    except ImportError:
        raise InputError(
            f"hydra/sweeper=optuna: Optuna is not installed; {install_command('search')}, or list "
            "values for a grid"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return search


COUNTS_EPOCHS = ("training.epochs", "repeats", "split.folds")

_AXES = "axes"
"""Of the study, under this name: what each key was searched as."""
_JOB = "job"
"""Of a trial, under this name: the hash of its job."""


class Trials:
    """The trials of a search as jobs: those begun before, then new ones as they are asked for.

    A trial is a function of the search's seed, its number and the trials told before it, so that a
    search of one job at a time is the same however often it is stopped. Two trials of one cell are
    one job, whose end is told of both.
    """

    def __init__(self, search: Search, planner: Planner) -> None:
        self._search, self._planner = search, planner
        self._axes = search_space(planner.line.swept)
        self._name = ""
        self.jobs: dict[str, SweepJob] = {}
        """All so far, by their hash."""
        self._under_way: dict[str, list[int]] = {}
        """The trials of each job that has been handed over; its process is the first's."""
        self._over: dict[str, int] = {}
        """The first trial of each job that failed under this line, or was ever pruned."""
        self.lost: list[SweepJob] = []
        """Jobs of trials that ended well whose files are gone: run again, for the leaderboard."""
        self.refused: list[str] = []
        """Why cells that were asked for can be no jobs: what does not go together with what."""
        if search.pruner is not Pruner.none:
            for axis in self._axes:
                if axis.key in COUNTS_EPOCHS:
                    raise InputError(
                        f"{axis.key}: cells of unlike numbers of epochs cannot be pruned by one "
                        "another; hydra.sweeper.pruner=none, or leave it fixed"
                    )

    @property
    def _storage(self) -> str:
        return self._search.storage or str(self._planner.sweep / TRIALS_FILE)

    def done(self, study: str) -> int:
        """Trials of earlier lines that came to an end of their own; makes nothing."""
        import optuna

        if not study or (self._search.storage is None and not Path(self._storage).exists()):
            return 0
        try:
            with self._reached():
                found = optuna.load_study(study_name=study, storage=open_storage(self._storage))
        except KeyError:
            return 0
        return len(found.get_trials(False, _ended_alone()))

    def open(self, study: str) -> list[SweepJob]:
        """Goes on with the study of that name, or makes it; gives the jobs of earlier trials.

        Raises `InputError` where the storage cannot be reached, and where the search was another.
        """
        import optuna

        self._name = study
        with self._reached():
            self._study = optuna.create_study(
                study_name=study, storage=open_storage(self._storage), direction="maximize",
                load_if_exists=True,
            )  # fmt: skip
        self._check_axes()
        cfg = self._planner.line.jobs[0]
        settings = {
            "seed": self._search.seed,
            "pruner": self._search.pruner.value,
            "epochs": cfg.training.epochs * cfg.repeats * (cfg.split.folds or 1),
        }
        self._study.set_user_attr(SETTINGS, json.dumps(settings))
        for trial, job in self._with_jobs():
            self._take_up(trial, job)
        return list(self.jobs.values())

    def _take_up(self, trial: Any, job: SweepJob) -> None:
        if trial.user_attrs.get(_JOB, job.hash) != job.hash:
            raise self._another(f"trial {trial.number} was of other photos, weights or fixed knobs")
        if trial.state.name == "PRUNED":
            self._over.setdefault(job.hash, trial.number)
            if job.state == "queued":  # its folder is gone; what is known of it is here
                note = json.dumps({"epochs": trial.last_step})
                write_text(job.folder / PRUNED_FILE, note)
        elif trial.state.name == "COMPLETE" and job.state != "finished" and job not in self.lost:
            self.lost.append(job)

    def ask(self, left: int, known: Callable[[SweepJob], None]) -> Iterator[SweepJob]:
        """The `lost` jobs and those of so many trials, each when it is to run.

        What came to an end before, by this search or by a grid, is not run again; `known` hears of
        it.
        """
        self._known = known
        from optuna.trial import TrialState

        for job in self.lost:
            self._under_way[job.hash] = []
            yield job
        begun = self._with_jobs(TrialState.RUNNING)[:left]
        for trial, job in begun:
            yield from self._to_run(trial.number, job)
        for _ in range(left - len(begun)):
            if asked := self._asked():
                yield from self._to_run(*asked)

    def ended(self, job: SweepJob) -> None:
        """Tells the search what a job came to. A failed job is a failed trial."""
        numbers = self._under_way.pop(job.hash)
        if not numbers:  # the search knows
            return
        first, *others = numbers
        if job.state != "finished":
            self._over[job.hash] = first
        self._tell(first, job)
        for number in others:
            self._tell(number, job)
            self._known(job)

    def words(self, job: SweepJob) -> tuple[str, ...]:
        """The overrides that tell a job which trial it is; none where nothing is pruned."""
        numbers = self._under_way[job.hash]
        if self._search.pruner is Pruner.none or not numbers:
            return ()
        return (
            f"sweep.study={quote_value(self._name)}",
            f"sweep.trial={numbers[0]}",
            f"sweep.storage={quote_value(self._storage)}",
        )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (InputError, KeyError):
            raise
        except Exception as error:  # what a database's driver raises
            told = f"hydra.sweeper.storage={self._storage}: {str(error).splitlines()[0]}"
            raise InputError(without_passwords(told)) from None

    def _check_axes(self) -> None:
        now = {axis.key: _searched_as(axis) for axis in self._axes}
        then = self._study.user_attrs.get(_AXES, now)
        for key in dict.fromkeys([*then, *now]):
            if then.get(key) != now.get(key):
                was, is_now = then.get(key, "fixed"), now.get(key, "fixed")
                raise self._another(f"{key} was {was}, is {is_now}")
        self._study.set_user_attr(_AXES, now)

    def _another(self, difference: str) -> InputError:
        return InputError(
            f"{self._planner.sweep}: another search ({difference}); sweep.name=… keeps both, "
            "sweep.fresh=true starts over"
        )

    def _with_jobs(self, *states: Any) -> list[tuple[Any, SweepJob]]:
        """The trials of these states that can be jobs, or of all.

        Of the others, one that was killed before it had its values is told to have failed.
        """
        from optuna.trial import TrialState

        found = []
        with self._reached():
            for trial in self._study.get_trials(False, states or None):
                if job := self._job_if_any(trial):
                    found.append((trial, job))
                elif trial.state is TrialState.RUNNING:
                    self._study.tell(trial.number, state=TrialState.FAIL)
        return found

    def _job_if_any(self, trial: Any) -> SweepJob | None:
        """None of values that do not go together, or are not there."""
        if any(axis.key not in trial.params for axis in self._axes):
            return None
        try:
            return self._job(trial)
        except InputError:
            if trial.state in _ended_alone():
                raise
            return None

    def _asked(self) -> tuple[int, SweepJob] | None:
        """A new trial; None where its values do not go together."""
        import optuna

        with self._reached():
            number = len(self._study.get_trials(False))
            seed = derive_seed("search", self._search.seed, number) % 2**32
            self._study.sampler = (
                optuna.samplers.TPESampler(seed=seed)
                if self._search.sampler is Sampler.tpe
                else optuna.samplers.RandomSampler(seed=seed)
            )
            trial = self._study.ask({axis.key: _distribution(axis) for axis in self._axes})
            try:
                job = self._job(trial)
            except InputError as error:
                self.refused.append(str(error))
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return None
            trial.set_user_attr(_JOB, job.hash)
        return trial.number, job

    def _job(self, trial: Any) -> SweepJob:
        cell = [_override(axis, trial.params[axis.key]) for axis in self._axes]
        job = self._planner.job(*compose_grid_point(self._planner.line, cell))
        self.jobs[job.hash] = job
        return job

    def _to_run(self, number: int, job: SweepJob) -> Iterator[SweepJob]:
        under_way = job.hash in self._under_way
        self._under_way.setdefault(job.hash, []).append(number)
        if under_way:
            return
        if job.state == "finished" or job.hash in self._over:
            del self._under_way[job.hash]
            self._tell(number, job)
            self._known(job)
        else:
            yield job

    def _tell(self, number: int, job: SweepJob) -> None:
        from optuna.trial import TrialState

        with self._reached():
            if job.state == "finished":
                accuracy = load_result(job.folder).summary("validation").accuracy.estimate
                assert accuracy is not None
                self._study.tell(number, accuracy)
            elif job.state == "pruned" and self._has_seen(number, job):
                self._study.tell(number, state=TrialState.PRUNED)
            else:
                self._study.tell(number, state=TrialState.FAIL)

    def _has_seen(self, number: int, job: SweepJob) -> bool:
        """Whether the pruned job said something while it ran, which is said of this trial too."""
        import optuna

        trials, first = self._study.trials, self._over[job.hash]
        told = trials[first].intermediate_values
        if number != first:
            own = optuna.Trial(self._study, trials[number]._trial_id)
            for epochs, accuracy in told.items():
                own.report(accuracy, epochs)
        return bool(told)


def _ended_alone() -> tuple[Any, ...]:
    from optuna.trial import TrialState

    return TrialState.COMPLETE, TrialState.PRUNED


def _searched_as(axis: Axis) -> str:
    """What must stay as it is; a range may grow."""
    if isinstance(axis, Choices):
        return f"one of {', '.join(line.partition('=')[2] for line in axis.lines)}"
    return f"a {'logarithmic ' * axis.log}range{' of whole numbers' * axis.whole}"


def _override(axis: Axis, value: Any) -> str:
    if isinstance(axis, Choices):
        return str(value)
    return f"{axis.key}={value}" if axis.whole else f"{axis.key}={value:.5g}"


def _distribution(axis: Axis) -> Any:
    import optuna.distributions as kinds

    if isinstance(axis, Choices):
        return kinds.CategoricalDistribution(axis.lines)
    assert isinstance(axis, Range)
    if axis.whole:
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)

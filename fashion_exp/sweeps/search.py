"""A search over ranges: Optuna proposes points from the validation accuracy of earlier trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fashion_exp.configuration.composition import compose_grid_point
from fashion_exp.configuration.grids import Axis, Choices, search_space
from fashion_exp.configuration.overrides import split_override
from fashion_exp.configuration.schema import Count, Seed
from fashion_exp.errors import InputError, redact_credentials, validate_fields
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.compat import attach_trial
from fashion_exp.experiment.pruning import SETTINGS, open_storage
from fashion_exp.paths import install_command
from fashion_exp.seeding import derive_seed

if TYPE_CHECKING:
    from fashion_exp.sweeps.jobs import JobFactory, SweepJob

TRIALS_FILE = "trials.log"

EPOCH_OPTIONS = ("training.epochs", "repeats", "split.folds")
"""Options that change the number of epochs of a job."""

AXES_ATTRIBUTE = "axes"
"""Study attribute: the kind of each searched axis."""
JOB_ATTRIBUTE = "job"
"""Trial attribute: the hash of its job."""


@dataclass(frozen=True)
class Search:
    """The options of `hydra/sweeper=optuna`."""

    trials: Count
    at_once: Count
    sampler: Literal["tpe", "random"]
    pruner: Literal["hyperband", "median", "none"]
    seed: Seed
    storage: str | None
    params: dict[str, Any]


def make_search(options: Mapping[str, Any]) -> Search:
    """Raises `InputError` for invalid options, and if Optuna is not installed."""
    values = {name: value for name, value in options.items() if not name.startswith("_")}
    search = validate_fields(Search, values, "hydra.sweeper.")
    try:
        import optuna
    except ImportError:
        raise InputError(
            f"hydra/sweeper=optuna: Optuna is not installed; {install_command('search')}, or give "
            "lists of values for a grid"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return search


class SearchTrials:
    """The trials of a search and their jobs.

    The point of a trial is a function of the search's seed, the trial's number and the results of
    earlier trials, so a search that runs one job at a time gives the same result however often it
    is interrupted. Trials of the same point share one job and get the same result.
    """

    def __init__(self, search: Search, factory: JobFactory) -> None:
        self._search, self._factory = search, factory
        self._axes = search_space(factory.line.swept_overrides)
        self._study_name = ""
        self._on_reuse: Callable[[SweepJob], None] = lambda job: None
        self._storage = search.storage or str(factory.folder / TRIALS_FILE)
        self._running: dict[str, list[int]] = {}
        """Trial numbers of each submitted job, by job hash. The first trial reports epochs."""
        self._ended: dict[str, int] = {}
        """First trial of each job that failed under this command or was ever pruned, by hash."""
        self.jobs: dict[str, SweepJob] = {}
        """All jobs so far, by hash."""
        self.missing: list[SweepJob] = []
        """Jobs of completed trials without files: run again for the leaderboard."""
        self.invalid: list[str] = []
        """Error messages of proposed points that are invalid combinations of options."""
        for axis in self._axes:
            if axis.key == "split.train_ratio":
                raise InputError(
                    f"{axis.key}: cannot be searched, because each training share has other "
                    "validation photos; fix it, or compare its values in a grid: remove "
                    "hydra/sweeper=optuna or sweep=search"
                )
        if search.pruner != "none":
            for axis in self._axes:
                if axis.key in EPOCH_OPTIONS:
                    raise InputError(
                        f"{axis.key}: jobs with different numbers of epochs cannot prune each "
                        "other; fix this option, or use hydra.sweeper.pruner=none"
                    )

    def count_completed(self, study: str) -> int:
        """Number of completed or pruned trials of earlier commands. Writes nothing."""
        import optuna

        if not study or (self._search.storage is None and not Path(self._storage).exists()):
            return 0
        try:
            with self._storage_errors():
                existing = optuna.load_study(study_name=study, storage=open_storage(self._storage))
        except KeyError:
            return 0
        return len(existing.get_trials(False, _completed_states()))

    def open_study(self, name: str) -> list[SweepJob]:
        """Creates the study, or continues it; returns the jobs of its earlier trials.

        Raises `InputError` if the storage is not reachable, or if the study is another search.
        """
        import optuna

        self._study_name = name
        with self._storage_errors():
            self._study = optuna.create_study(
                study_name=name, storage=open_storage(self._storage), direction="maximize",
                load_if_exists=True,
            )  # fmt: skip
        self._check_axes()
        cfg = self._factory.line.jobs[0]
        settings = {
            "seed": self._search.seed,
            "pruner": self._search.pruner,
            "epochs": cfg.training.epochs * cfg.repeats * (cfg.split.folds or 1),
        }
        self._study.set_user_attr(SETTINGS, json.dumps(settings))
        for trial, job in self._existing_trials():
            self._restore(trial, job)
        return list(self.jobs.values())

    def ask(self, count: int, on_reuse: Callable[[SweepJob], None]) -> Iterator[SweepJob]:
        """The `missing` jobs, then those of `count` trials, each when it is to run.

        Jobs that have ended before, in this search or in a grid, are not run again: their result
        is passed to the study, and `on_reuse` is called.
        """
        from optuna.trial import TrialState

        self._on_reuse = on_reuse
        for job in self.missing:
            self._running[job.hash] = []
            yield job
        interrupted = self._existing_trials(TrialState.RUNNING)[:count]
        for trial, job in interrupted:
            yield from self._start(trial.number, job)
        for _ in range(count - len(interrupted)):
            if (proposal := self._propose()) is not None:
                yield from self._start(*proposal)

    def tell(self, job: SweepJob) -> None:
        """Passes the result of an ended job to the study. A failed job is a failed trial."""
        numbers = self._running.pop(job.hash)
        if not numbers:  # a missing job, whose trial is complete
            return
        first, *others = numbers
        if job.state != "finished":
            self._ended[job.hash] = first
        self._tell_trial(first, job)
        for number in others:
            self._tell_trial(number, job)
            self._on_reuse(job)

    def job_options(self, job: SweepJob) -> dict[str, Any]:
        """The fields of `SweepConfig` by which a job reports its epochs; none without a pruner."""
        numbers = self._running[job.hash]
        if self._search.pruner == "none" or not numbers:
            return {}
        return {"study": self._study_name, "trial": numbers[0], "storage": self._storage}

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        """Turns the errors of a database driver into an `InputError`."""
        try:
            yield
        except (InputError, KeyError):
            raise
        except Exception as error:
            message = f"hydra.sweeper.storage={self._storage}: {str(error).splitlines()[0]}"
            raise InputError(redact_credentials(message)) from None

    def _check_axes(self) -> None:
        kinds = {axis.key: _axis_kind(axis) for axis in self._axes}
        earlier = self._study.user_attrs.get(AXES_ATTRIBUTE, kinds)
        for key in dict.fromkeys([*earlier, *kinds]):
            if earlier.get(key) != kinds.get(key):
                before, now = earlier.get(key, "fixed"), kinds.get(key, "fixed")
                raise self._conflict(f"{key} was {before}, is now {now}")
        self._study.set_user_attr(AXES_ATTRIBUTE, kinds)

    def _conflict(self, difference: str) -> InputError:
        return InputError(
            f"{self._factory.folder}: holds another search ({difference}); sweep.name=… gives this "
            "one a folder of its own, sweep.fresh=true starts over"
        )

    def _restore(self, trial: Any, job: SweepJob) -> None:
        """Restores what earlier commands knew of a trial. Raises `InputError` on a conflict."""
        if trial.user_attrs.get(JOB_ATTRIBUTE, job.hash) != job.hash:
            difference = "other photos, weights or fixed options"
            raise self._conflict(f"trial {trial.number} used {difference}")
        if trial.state.name == "PRUNED":
            self._ended.setdefault(job.hash, trial.number)
            if job.state == "queued":  # its folder was deleted
                RunDir(job.folder).save_pruned(trial.last_step)
        elif trial.state.name == "COMPLETE" and job.state != "finished" and job not in self.missing:
            self.missing.append(job)

    def _existing_trials(self, *states: Any) -> list[tuple[Any, SweepJob]]:
        """The trials in these states (default: all) that have a valid job.

        A trial whose process was killed before its point was saved is marked as failed.
        """
        from optuna.trial import TrialState

        trials = []
        with self._storage_errors():
            for trial in self._study.get_trials(False, states or None):
                if job := self._find_job(trial):
                    trials.append((trial, job))
                elif trial.state is TrialState.RUNNING:
                    self._study.tell(trial.number, state=TrialState.FAIL)
        return trials

    def _find_job(self, trial: Any) -> SweepJob | None:
        """None if the point of the trial is incomplete or an invalid combination."""
        if not self._has_point(trial):
            return None
        try:
            return self._make_job(trial)
        except InputError:
            if trial.state in _completed_states():
                raise
            return None

    def _has_point(self, trial: Any) -> bool:
        return all(axis.key in trial.params for axis in self._axes)

    def _propose(self) -> tuple[int, SweepJob] | None:
        """A new trial and its job; None if its point is an invalid combination."""
        import optuna

        with self._storage_errors():
            # A trial whose process was killed before its point was saved does not count.
            number = sum(self._has_point(trial) for trial in self._study.get_trials(False))
            seed = derive_seed("search", self._search.seed, number) % 2**32
            self._study.sampler = (
                optuna.samplers.TPESampler(seed=seed)
                if self._search.sampler == "tpe"
                else optuna.samplers.RandomSampler(seed=seed)
            )
            trial = self._study.ask({axis.key: _distribution(axis) for axis in self._axes})
            try:
                job = self._make_job(trial)
            except InputError as error:
                self.invalid.append(str(error))
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                return None
            trial.set_user_attr(JOB_ATTRIBUTE, job.hash)
        return trial.number, job

    def _make_job(self, trial: Any) -> SweepJob:
        point = [_override(axis, trial.params[axis.key]) for axis in self._axes]
        job = self._factory.make_job(*compose_grid_point(self._factory.line, point))
        self.jobs[job.hash] = job
        return job

    def _start(self, number: int, job: SweepJob) -> Iterator[SweepJob]:
        """Assigns a trial to its job; yields the job if it has to run."""
        is_running = job.hash in self._running
        if not is_running and (job.state == "finished" or job.hash in self._ended):
            self._tell_trial(number, job)
            self._on_reuse(job)
            return
        self._running.setdefault(job.hash, []).append(number)
        if not is_running:
            yield job

    def _tell_trial(self, number: int, job: SweepJob) -> None:
        from optuna.trial import TrialState

        with self._storage_errors():
            if job.state == "finished":
                accuracy = load_result(job.folder).summary("validation").accuracy.estimate
                assert accuracy is not None
                self._study.tell(number, accuracy)
            elif job.state == "pruned" and self._copy_reports(number, job):
                self._study.tell(number, state=TrialState.PRUNED)
            else:
                self._study.tell(number, state=TrialState.FAIL)

    def _copy_reports(self, number: int, job: SweepJob) -> bool:
        """Gives a trial the epochs that its pruned job reported; False if it reported none."""
        first = self._ended[job.hash]
        reports = self._study.trials[first].intermediate_values
        if number != first:
            trial = attach_trial(self._study, number)
            for epochs, accuracy in reports.items():
                trial.report(accuracy, epochs)
        return bool(reports)


def _completed_states() -> tuple[Any, ...]:
    from optuna.trial import TrialState

    return TrialState.COMPLETE, TrialState.PRUNED


def _axis_kind(axis: Axis) -> str:
    """The properties of an axis that must not change. The limits of a range may."""
    if isinstance(axis, Choices):
        return f"one of {', '.join(split_override(text)[1] for text in axis.overrides)}"
    return f"a {'logarithmic ' * axis.log}range{' of whole numbers' * axis.integer}"


def _override(axis: Axis, value: Any) -> str:
    if isinstance(axis, Choices):
        return str(value)
    return f"{axis.key}={value}" if axis.integer else f"{axis.key}={value:.5g}"


def _distribution(axis: Axis) -> Any:
    from optuna import distributions

    if isinstance(axis, Choices):
        return distributions.CategoricalDistribution(axis.overrides)
    if axis.integer:
        return distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return distributions.FloatDistribution(axis.low, axis.high, log=axis.log)

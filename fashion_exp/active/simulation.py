"""Simulated labeling: strategies choose from photos whose labels are known, but hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from fashion_exp.active.features import FrozenFeatures, LogisticHead, fit_head
from fashion_exp.active.finished import digest_of, finished_arrays
from fashion_exp.active.strategies import STRATEGIES, Pool, Query
from fashion_exp.active.units import Units
from fashion_exp.data.split import Fold
from fashion_exp.errors import InputError
from fashion_exp.reporting.progress import Progress
from fashion_exp.seeding import derive_seed
from fashion_exp.signals import raise_if_interrupted

COMMITTEE = 5
"""Models whose disagreement `bald` measures."""
SOURCES = ("active/simulation.py", "active/strategies.py", "stats/novelty.py")
"""Further source files that determine a trajectory."""


@dataclass(frozen=True)
class Schedule:
    """How many labels there are when. A group of copies is one label."""

    initial: int
    """Labels of each class at the start, drawn at random."""
    count: int
    """Labels of each round."""
    rounds: int

    def labels(self, classes: int) -> np.ndarray:
        """(rounds + 1,): the number of labels at each evaluation."""
        return self.initial * classes + self.count * np.arange(self.rounds + 1)


@dataclass(frozen=True)
class Trajectory:
    """What one strategy chose in one repeat, and what the models were right about."""

    correct: np.ndarray
    """(rounds + 1, test images), bool."""
    chosen: np.ndarray
    """(labels,): a row of the image table for each label, in the order of labeling."""


@dataclass(frozen=True)
class Simulation:
    """Everything that trajectories depend on."""

    data: FrozenFeatures
    schedule: Schedule
    c: float
    """Inverse of the head's regularization."""
    seed: int
    key: str
    """Of the split's options."""

    @cached_property
    def digest(self) -> str:
        """Equal for simulations whose trajectories can be continued with each other's."""
        table = self.data.table
        facts = (
            self.key, self.schedule, self.c, self.seed, table.fingerprint,
            table.rows["image_id"].to_list(),
        )  # fmt: skip
        return digest_of(facts, [self.data.features], SOURCES)


def check_schedule(data: FrozenFeatures, schedule: Schedule) -> int:
    """The number of different photos in the smallest pool.

    Raises `InputError` if a class or a pool has too few of them.
    """
    classes, sizes = data.table.classes, list[int]()
    labels, groups = data.table.labels, data.groups
    for fold in data.split.folds:
        units = Units.of(fold.train, labels, groups)
        counts = np.bincount(units.labels, minlength=len(classes))
        rarest = int(counts.argmin())
        if counts[rarest] < schedule.initial:
            raise InputError(
                f"--initial {schedule.initial}: the pool has {counts[rarest]} different photos of "
                f"{classes[rarest]}; take fewer, or drop the class from dataset.classes"
            )
        sizes.append(len(units.labels))
        last = int(schedule.labels(len(classes))[-1])
        if last > len(units.labels):
            fits = (len(units.labels) - schedule.initial * len(classes)) // schedule.count
            raise InputError(
                f"--rounds {schedule.rounds}: ends with {last:,} labels, but the pool has "
                f"{len(units.labels):,} different photos; {fits} rounds of {schedule.count} fit"
            )
    return min(sizes)


def simulate(
    simulation: Simulation, strategies: Sequence[str], folder: Path, workers: int,
    progress: Progress,
) -> dict[str, list[Trajectory]]:  # fmt: skip
    """The trajectories of each strategy, one for each fold of the split.

    Finished ones are kept in `folder`, where the next call finds them. The number of workers does
    not change them.
    """
    tasks = {
        folder / "repeats" / f"{name}-{fold.name}.npz": (name, fold)
        for fold in simulation.data.split.folds
        for name in strategies
    }

    def run(task: tuple[str, Fold]) -> dict[str, np.ndarray]:
        return vars(run_trajectory(simulation, *task))

    tick = progress.stage("simulating the labeling", len(tasks))
    arrays = finished_arrays(run, tasks, workers, tick)
    return {
        name: [Trajectory(**repeat) for repeat in arrays[position :: len(strategies)]]
        for position, name in enumerate(strategies)
    }


def run_trajectory(simulation: Simulation, strategy: str, fold: Fold) -> Trajectory:
    """One strategy from the initial labels to the last round.

    All strategies start a fold with the same labels.
    """
    data, schedule = simulation.data, simulation.schedule
    labels = data.table.labels
    units = Units.of(fold.train, labels, data.groups)
    pool = Pool(_standardized(data.features[units.first]))
    labeled = _initial(units, schedule, derive_seed("initial", simulation.seed, fold.name))
    head: LogisticHead | None = None
    correct = []
    for number in range(schedule.rounds + 1):
        raise_if_interrupted()
        images = units.images(labeled)
        head = _fit(simulation, *images, head)
        predicted = head.probabilities(data.features[data.split.test]).argmax(1)
        correct.append(predicted == labels[data.split.test])
        if number == schedule.rounds:
            break
        candidates = np.setdiff1d(np.arange(len(units.rows)), labeled)
        features = data.features[units.first[candidates]]
        seed = derive_seed("choice", strategy, simulation.seed, fold.name, number)
        rng = np.random.default_rng(seed)
        committee = partial(_committee, simulation, units, labeled, head, features, rng)
        query = Query(
            pool, labeled, candidates, head.probabilities(features), committee, schedule.count, rng
        )
        labeled = np.append(labeled, candidates[STRATEGIES[strategy](query)])
    return Trajectory(np.array(correct), units.first[labeled])


def _initial(units: Units, schedule: Schedule, seed: int) -> np.ndarray:
    """Units of each class, drawn at random."""
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(np.flatnonzero(units.labels == label))[: schedule.initial]
        for label in range(int(units.labels.max()) + 1)
    ]
    return np.concatenate(drawn)


def _fit(
    simulation: Simulation, rows: np.ndarray, weights: np.ndarray, before: LogisticHead | None
) -> LogisticHead:
    data = simulation.data
    return fit_head(
        data.features[rows], data.table.labels[rows], weights, len(data.table.classes),
        simulation.c, before,
    )  # fmt: skip


def _committee(
    simulation: Simulation, units: Units, labeled: np.ndarray, head: LogisticHead,
    features: np.ndarray, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """(models, n, classes): heads on the labeled units with random weights.

    The Bayesian bootstrap (Rubin 1981, Ann. Stat. 9:130-134): unlike resampling it never loses a
    class.
    """
    rows, shares = units.images(labeled)
    sizes = [len(units.rows[unit]) for unit in labeled]
    weights = rng.exponential(size=(COMMITTEE, len(labeled)))
    return np.stack(
        [
            _fit(simulation, rows, shares * np.repeat(drawn, sizes), head).probabilities(features)
            for drawn in weights
        ]
    )


def _standardized(features: np.ndarray) -> np.ndarray:
    deviation = features.std(0)
    return np.asarray((features - features.mean(0)) / np.where(deviation > 0, deviation, 1))

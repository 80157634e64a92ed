"""Trains repeats of two runs in turn until they are decided, or will not be within a bound."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from fashion_exp.atomic_io import file_lock, read_json, write_json
from fashion_exp.comparison.conclusions import verdict_sentences
from fashion_exp.comparison.gate import Decision, Gate
from fashion_exp.comparison.looks import begin_race, recipe, record_race_look
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.run_data import RunData, distinct_names
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import RunResult
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import check_writable, unique_name
from fashion_exp.racing.looks import RaceComparison, RacedRun, RaceLook, first_look, look
from fashion_exp.racing.recipes import config_to_repeat, require_pairs, title_of
from fashion_exp.reporting.drawing import optional_figure
from fashion_exp.reporting.formats import percent, pluralize
from fashion_exp.reporting.race_figure import Step, draw_race
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.stats.sequential import look_levels

if TYPE_CHECKING:
    from fashion_exp.racing.repeats import RepeatedRun
    from fashion_exp.reporting.progress import Progress

RACES, RACE_FILE, FIGURE = "races", "race.json", "race.png"
PART = "validation"
MAX_REPEATS = 200
LEAST_CHANCE = 0.05
"""A race is stopped when the chance that its last look decides is smaller."""

Outcome = Literal["running", "decided", "stopped", "undecided"]


@dataclass(frozen=True)
class RaceOptions:
    """Raises `InputError` for a bound out of range, and as `ComparisonSettings` and `Gate`."""

    at_most: int = 30
    metric: str = "accuracy"
    alpha: float = 0.05
    rope: float = 0.01
    gate: Gate | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.at_most <= MAX_REPEATS:
            raise InputError(f"at-most={self.at_most}: must be from 1 to {MAX_REPEATS} repeats")
        ComparisonSettings(self.metric, self.alpha, self.rope)


@dataclass(frozen=True)
class Race:
    """A race by its looks. `outcome`: "decided"; "stopped" because further repeats are unlikely to
    decide; "undecided" after the last repeat."""

    folder: Path
    names: tuple[str, str]
    """Of the candidate and the baseline."""
    options: RaceOptions
    recipes: tuple[str, str]
    runs: tuple[Path, Path]
    number: int = 1
    """Number of this race among the looks at these recipes; counted when it begins to train."""
    outcome: Outcome = "running"
    looks: tuple[RaceLook, ...] = ()
    sentences: tuple[str, ...] = ()
    decision: Decision | None = None
    trained: int = 0
    """Trainings that were computed for it, the others were reused."""

    @property
    def alpha(self) -> float:
        """Error rate of the race as a whole."""
        return self.options.alpha / self.number**2

    @property
    def verdict(self) -> str:
        """On the candidate: better, worse, equivalent or undecided."""
        return self.looks[-1].verdict if self.looks else "undecided"

    @property
    def figure(self) -> Path:
        return self.folder / FIGURE

    @property
    def table(self) -> pd.DataFrame:
        """One row per look."""
        return pd.DataFrame([look.as_json() for look in self.looks])

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "race": str(self.folder),
            "candidate": self.names[0],
            "baseline": self.names[1],
            "runs": [str(run) for run in self.runs],
            "at_most": self.options.at_most,
            "metric": self.options.metric,
            "rope": self.options.rope,
            "alpha": self.alpha,
            "look": self.number,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "trained": self.trained,
            "looks": [look.as_json() for look in self.looks],
            "conclusions": list(self.sentences),
            "gate": None if self.decision is None else self.decision.as_json(),
        }


OnLook = Callable[[Race], object]


def race(
    candidate: RunData,
    baseline: RunData,
    options: RaceOptions,
    outputs: Path,
    progress: Progress,
    on_look: OnLook = lambda race: None,
) -> Race:
    """Trains repeat by repeat of both recipes, and compares them after each from the fourth on.

    Trainings of finished runs are reused. The looks have the levels of `look_levels`: the chance
    of a wrong decision is about alpha, over all looks. The race stops as soon as it is decided,
    or when the chance that the last look decides is below `LEAST_CHANCE`. The same call continues
    an interrupted race with the same looks. The repeats become two finished runs in
    `outputs/runs`, whose test is held out. Raises `InputError` for runs that cannot be raced.
    """
    from fashion_exp.racing.repeats import RepeatedRun

    configs = [config_to_repeat(run, outputs) for run in (candidate, baseline)]
    require_pairs(candidate, baseline)
    check_writable(outputs)
    first = first_look(configs[0].split.folds or 1)
    if options.at_most < first:
        raise InputError(
            f"at-most={options.at_most}: needs at least {first} repeats, from which on the "
            "variance between trainings can be estimated"
        )
    begun = _begin(candidate, baseline, options, outputs)
    busy = f"{begun.folder}: another process is running this race"
    with file_lock(begun.folder / ".lock", busy=busy):
        begun = _stored(begun)
        if begun.outcome != "running":
            return begun
        a, b = (
            RepeatedRun(origin, cfg, RunDir(folder), options.at_most, progress)
            for origin, cfg, folder in zip((candidate, baseline), configs, begun.runs, strict=True)
        )
        with a, b:
            if not begun.looks:
                key = begun.folder.name
                number = begin_race(begun.recipes, PART, options.metric, outputs, key)
                begun = replace(begun, number=number)
            levels = look_levels(first, options.at_most, begun.alpha)
            return _run(begun, (a, b), levels, outputs, on_look)


def _begin(a: RunData, b: RunData, options: RaceOptions, outputs: Path) -> Race:
    """The race of these recipes with these options, without what it has done."""
    recipes = recipe(a), recipe(b)
    identity = [*recipes, a.data_fingerprint, repr(options)]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:6]
    folder = outputs / RACES / f"{title_of([a, b])}-{digest}"
    names = [str(run.options["model.name"]) for run in (a, b)]
    runs = tuple(outputs / "runs" / unique_name(name.replace("+", "-")) for name in names)
    shown = distinct_names([a, b])
    return Race(folder, (shown[0], shown[1]), options, recipes, (runs[0], runs[1]))


def _stored(begun: Race) -> Race:
    """The race with what an earlier call stored; its runs may have been deleted since."""
    file = begun.folder / RACE_FILE
    if not file.is_file():
        _save(begun)
        return begun
    stored = read_json(file)
    runs = [begun.folder.parent.parent / "runs" / name for name in stored["runs"]]
    if stored["outcome"] != "running" and not all(RunDir(run).is_finished for run in runs):
        _save(begun)
        return begun
    decision = stored["decision"]
    return replace(
        begun,
        number=stored["number"],
        runs=(runs[0], runs[1]),
        outcome=stored["outcome"],
        looks=tuple(RaceLook(**entry) for entry in stored["looks"]),
        sentences=tuple(stored["sentences"]),
        decision=None if decision is None else Decision(**decision),
        trained=stored["trained"],
    )


def _save(race: Race) -> None:
    write_json(
        race.folder / RACE_FILE,
        {
            "names": race.names,
            "options": asdict(race.options),
            "number": race.number,
            "runs": [run.name for run in race.runs],
            "outcome": race.outcome,
            "looks": [look.as_json() for look in race.looks],
            "sentences": race.sentences,
            "decision": None if race.decision is None else asdict(race.decision),
            "trained": race.trained,
        },
    )


def _run(
    race: Race, sides: tuple[RepeatedRun, RepeatedRun], levels: Sequence[float], outputs: Path,
    on_look: OnLook,
) -> Race:  # fmt: skip
    options, known = race.options, {look.repeats for look in race.looks}
    race, earlier = replace(race, looks=()), race.trained
    first = options.at_most - len(levels) + 1
    frames: tuple[list[pd.DataFrame], list[pd.DataFrame]] = ([], [])
    for repeats in range(1, options.at_most + 1):
        for side, own in zip(sides, frames, strict=True):
            own.append(side.train(repeats - 1))
            raise_if_interrupted()
        if repeats < first:
            continue
        level = levels[repeats - first]
        comparison = _comparison(race, sides, frames, level)
        runs, share = comparison.runs, level / options.alpha
        record_race_look(runs, PART, options.metric, outputs, race.folder.name, share)
        race_look, decision = look(comparison, repeats, options.at_most, levels[-1], options.gate)
        trained = earlier + sum(side.trained for side in sides)
        race = replace(race, looks=(*race.looks, race_look), decision=decision, trained=trained)
        if repeats not in known:
            on_look(race)
        outcome = _outcome(race_look, options)
        race = replace(race, sentences=_sentences(race, comparison, outcome))
        _save(race)
        if outcome != "running":
            break
    for side in sides:
        side.finish(repeats)
    race = replace(race, outcome=outcome)
    with optional_figure(race.figure):
        _draw(race, comparison)
    _save(race)
    return race


def _comparison(
    race: Race,
    sides: tuple[RepeatedRun, RepeatedRun],
    frames: tuple[list[pd.DataFrame], list[pd.DataFrame]],
    level: float,
) -> RaceComparison:
    options = race.options
    settings = ComparisonSettings(
        options.metric, options.alpha, options.rope, baseline=1, looks=race.number,
        share=level / options.alpha, race=race.folder.name,
    )  # fmt: skip
    runs = []
    for side, own in zip(sides, frames, strict=True):
        origin = side.origin
        names = [name for name in side.train_sizes if int(name[1:].split("f")[0]) < len(own)]
        sizes = {name: side.train_sizes[name] for name in names}
        known = ("data_fingerprint", "extensions")
        facts = {name: origin.result.facts[name] for name in known if name in origin.result.facts}
        result = RunResult(
            origin.name, side.run.path, "", 1 - options.alpha, 0.0, facts, sizes, origin.redrawn
        )
        frames_by_part = {PART: pd.concat(own, ignore_index=True)}
        runs.append(RacedRun(result, origin.options, origin.overrides, frames_by_part))
    return RaceComparison(runs, settings, names=race.names)


def steps(race: Race) -> list[Step]:
    """The looks that have an interval, in the unit that is shown."""
    scale = METRICS[race.options.metric].scale
    return [
        Step(look.repeats, scale * look.difference, scale * look.low, scale * look.high)
        for look in race.looks
        if look.difference is not None and look.low is not None and look.high is not None
    ]


def _draw(race: Race, comparison: RaceComparison) -> None:
    metric = comparison.settings.described
    title = f"{metric.label}: {race.names[0]} minus {race.names[1]}"
    rope, at_most = metric.scale * race.options.rope, race.options.at_most
    draw_race(steps(race), title, metric.unit, rope, at_most, race.figure)


def _outcome(race_look: RaceLook, options: RaceOptions) -> Outcome:
    if race_look.is_decided:
        return "decided"
    if race_look.repeats == options.at_most:
        return "undecided"
    is_hopeless = race_look.chance is not None and race_look.chance < LEAST_CHANCE
    return "stopped" if is_hopeless else "running"


def _sentences(race: Race, comparison: RaceComparison, outcome: Outcome) -> tuple[str, ...]:
    race_look, at_most, metric = race.looks[-1], race.options.at_most, comparison.settings.described
    repeats = pluralize(race_look.repeats, "repeat")
    ends = {
        "decided": f"Decided after {repeats} of each, of at most {at_most}.",
        "stopped": f"Stopped after {repeats} of each: the chance that {at_most} decide is "
        f"{percent(race_look.chance, 0)}.",
        "undecided": f"Not decided after {repeats} of each.",
    }
    sentences = [ends[outcome]] if outcome in ends else []
    if outcome in ("stopped", "undecided") and race_look.visible is not None:
        size = metric.format_difference(race_look.visible).lstrip("+")
        sentences.append(
            f"{at_most} repeats find a difference of {size} with a power of 80 %; more photos, or "
            "a larger --at-most, find smaller ones."
        )
    if race.number > 1:
        sentences.append(
            f"These recipes were compared before: the race is look {race.number} at them, and its "
            f"error rate is {race.options.alpha:g}/{race.number}² = {race.alpha:.2g}."
        )
    return (*sentences, *verdict_sentences(comparison))


def compare_command(race: Race) -> str:
    """The command that shows the runs of a race."""
    return shlex.join(["scripts/run", "compare", *(run.name for run in race.runs)])

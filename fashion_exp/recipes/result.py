"""The steps of a recipe, their verdicts, and the step that is chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.comparison.pairs import Pair, compare_pairs
from fashion_exp.comparison.run_data import load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import RunResult, load_result

LADDER_FILE = "ladder.json"

Outcome = Literal["kept", "not kept", "skipped", "failed"]


@dataclass(frozen=True)
class LadderStep:
    """A step with its cost, its gain and its verdict. Shares lie in [0, 1], times are seconds."""

    title: str
    options: tuple[str, ...]
    """The overrides that the step adds to those of the command line."""
    outcome: Outcome
    reason: str
    """Why it is kept or not, or why it did not run."""
    command: str = ""
    folder: str = ""
    """Of the run, in the recipe's folder."""
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    """Validation accuracy with its Wilson interval."""
    against: str = ""
    """The title of the best step before, which it is compared with."""
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    """Accuracy minus that of `against`, with the interval for all steps jointly."""
    p: float | None = None
    """Corrected for the number of steps."""
    verdict: str = ""
    parameters: int | None = None
    trainable: int | None = None
    seconds: float | None = None
    """Of the whole run when it was first run, with features and evaluation."""
    estimate: float | None = None
    """The bound on `seconds` that was stated before."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))  # JSON has lists


@dataclass(frozen=True)
class Ladder:
    steps: Sequence[LadderStep]
    rope: float
    alpha: float
    stopped: str = ""
    """Why no further step was run; empty if all were."""
    test: dict[str, Any] | None = None
    """Of the chosen step: test_acc, test_lo, test_hi, and the number of test evaluations."""

    @property
    def chosen(self) -> LadderStep | None:
        """The last step that was kept."""
        return next((step for step in reversed(self.steps) if step.outcome == "kept"), None)


def judge(
    before: Path, after: Path, comparisons: int, rope: float, alpha: float
) -> tuple[Pair, Outcome, str]:
    """Compares two runs on their validation images; whether the second is kept, and why.

    The test is the one of `compare` for the runs' design. `comparisons` are all that the recipe
    makes at most: p-values and limits allow for them by Bonferroni's method.
    """
    settings = ComparisonSettings(alpha=alpha, rope=rope, baseline=0)
    runs = [load_run(folder).at_level(settings.level) for folder in (before, after)]
    (pair,) = compare_pairs(runs, [(1, 0)], "validation", settings, omitted=comparisons - 1)
    if pair.verdict == "not comparable":
        return pair, "not kept", pair.note
    if pair.verdict == "better" and not pair.is_negligible:
        return pair, "kept", "better by the paired test"
    reasons = {
        "better": "better, by less than matters",
        "worse": "worse by the paired test",
        "equivalent": "equivalent by the paired test",
    }
    return pair, "not kept", reasons.get(pair.verdict, "the paired test is undecided")


def measured(step: LadderStep, result: RunResult, seconds: float) -> LadderStep:
    """The step with the accuracy and the cost of its run."""
    accuracy = result.summary("validation").accuracy
    counts = json.loads(result.facts["parameters"])
    return replace(
        step, accuracy=accuracy.estimate, low=accuracy.low, high=accuracy.high, seconds=seconds,
        parameters=counts["total"], trainable=counts["trainable"],
    )  # fmt: skip


def with_gain(step: LadderStep, against: str, pair: Pair) -> LadderStep:
    """The step with its comparison; a pair that cannot be compared has no numbers."""
    interval = pair.simultaneous
    limits = (interval.estimate, interval.low, interval.high) if interval else (None, None, None)
    gain, low, high = limits
    return replace(
        step, against=against, gain=gain, gain_low=low, gain_high=high, p=pair.p_holm,
        verdict=pair.label,
    )  # fmt: skip


def write_ladder(ladder: Ladder, folder: Path) -> None:
    chosen = ladder.chosen
    write_json(folder / LADDER_FILE, asdict(ladder) | {"chosen": chosen.title if chosen else None})


def read_ladder(folder: Path) -> Ladder | None:
    """The ladder in a recipe's folder; None if there is none. Raises `InputError`."""
    file = folder / LADDER_FILE
    if not file.is_file():
        return None
    content = read_json(file)
    content.pop("chosen", None)
    try:
        steps = [LadderStep(**step) for step in content.pop("steps")]
        return Ladder(steps=steps, **content)
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: damaged ({error}); delete it and run the recipe again") from None


def earlier_seconds(ladder: Ladder | None) -> dict[str, float]:
    """The seconds of the runs that an earlier command ran, by folder."""
    steps = ladder.steps if ladder else []
    return {step.folder: step.seconds for step in steps if step.seconds is not None}


def test_scores(folder: Path) -> dict[str, Any]:
    """The test accuracy of a run that was evaluated on its test set."""
    result = load_result(folder)
    metrics = result.summary("test").metrics()
    scores = {name: metrics[name] for name in ("test_acc", "test_lo", "test_hi")}
    return scores | {"evaluations": result.test_evaluations}

"""The steps of a recipe, their verdicts, and the step that is chosen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.comparison.best_run import plan_separation
from fashion_exp.comparison.pairs import Pair, compare_pairs
from fashion_exp.comparison.run_data import load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import RunResult, load_result

RESULT_FILE = "recipe.json"

Outcome = Literal["kept", "not kept", "skipped", "failed"]


@dataclass(frozen=True)
class RecipeStep:
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
    equivalent: bool = False
    """Whether the gain is within ±rope: it makes no difference that matters, and ends a recipe."""
    parameters: int | None = None
    trainable: int | None = None
    seconds: float | None = None
    """Of the whole run when it was first run, with features and evaluation."""
    estimate: float | None = None
    """The bound on `seconds` that was stated before."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))  # JSON has lists


@dataclass(frozen=True)
class RecipeResult:
    steps: Sequence[RecipeStep]
    rope: float
    alpha: float
    stopped: str = ""
    """Why no further step was run; empty if all were."""
    test: dict[str, Any] | None = None
    """Of the chosen step: test_acc, test_lo, test_hi, and the number of test evaluations."""

    @property
    def chosen(self) -> RecipeStep | None:
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
    if pair.verdict == "better" and not pair.is_negligible:
        return pair, "kept", "better by the paired test"
    if is_equivalent(pair):
        return pair, "not kept", f"equivalent: the interval of its gain is within ±{_points(rope)}"
    if pair.verdict == "undecided":
        return pair, "not kept", _why_undecided(pair, comparisons, rope, alpha)
    return pair, "not kept", pair.note or "worse by the paired test"


def is_equivalent(pair: Pair) -> bool:
    """Whether the difference is within the region of practical equivalence."""
    return pair.verdict == "equivalent" or pair.is_negligible


def _why_undecided(pair: Pair, comparisons: int, rope: float, alpha: float) -> str:
    """With the number of photos that would decide the smallest gain that matters."""
    text = f"undecided: neither better nor within ±{_points(rope)}; more repeats would narrow it"
    plan = None
    if pair.differences is not None:
        plan = plan_separation(pair.differences, rope, alpha / comparisons, pair.prior)
    if plan is None or plan.needed is None:
        return text
    unit = "validation photos" if plan.unit == "images" else "trainings"
    needed = float(f"{plan.needed:.2g}")
    return f"{text}, and about {needed:,.0f} {unit} would decide a gain of {_points(rope)}"


def _points(share: float) -> str:
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"


def measured(step: RecipeStep, run: RunResult, seconds: float) -> RecipeStep:
    """The step with the accuracy and the cost of its run."""
    accuracy = run.summary("validation").accuracy
    counts = json.loads(run.facts["parameters"])
    return replace(
        step, accuracy=accuracy.estimate, low=accuracy.low, high=accuracy.high, seconds=seconds,
        parameters=counts["total"], trainable=counts["trainable"],
    )  # fmt: skip


def with_gain(step: RecipeStep, against: str, pair: Pair) -> RecipeStep:
    """The step with its comparison; a pair that cannot be compared has no numbers."""
    interval = pair.simultaneous
    limits = (interval.estimate, interval.low, interval.high) if interval else (None, None, None)
    gain, low, high = limits
    return replace(
        step, against=against, gain=gain, gain_low=low, gain_high=high, p=pair.p_holm,
        verdict=pair.label, equivalent=is_equivalent(pair),
    )  # fmt: skip


def write_result(result: RecipeResult, folder: Path) -> None:
    chosen = result.chosen
    write_json(folder / RESULT_FILE, asdict(result) | {"chosen": chosen.title if chosen else None})


def read_result(folder: Path) -> RecipeResult | None:
    """The result in a recipe's folder; None if there is none. Raises `InputError`."""
    file = folder / RESULT_FILE
    if not file.is_file():
        return None
    content = read_json(file)
    content.pop("chosen", None)
    try:
        steps = [RecipeStep(**step) for step in content.pop("steps")]
        return RecipeResult(steps=steps, **content)
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: damaged ({error}); delete it and run the recipe again") from None


def earlier_seconds(result: RecipeResult | None) -> dict[str, float]:
    """The seconds of the runs that an earlier command ran, by folder."""
    steps = result.steps if result else []
    return {step.folder: step.seconds for step in steps if step.seconds is not None}


def test_scores(folder: Path) -> dict[str, Any]:
    """The test accuracy of a run that was evaluated on its test set."""
    run = load_result(folder)
    metrics = run.summary("test").metrics()
    scores = {name: metrics[name] for name in ("test_acc", "test_lo", "test_hi")}
    return scores | {"evaluations": run.test_evaluations}

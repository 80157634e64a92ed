"""Decides whether to keep a change, by the comparison of a candidate with a baseline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from fashion_exp.errors import ExitCode, InputError, suggest
from fashion_exp.reporting.formats import difference_range, difference_text

if TYPE_CHECKING:
    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.comparison.metrics import Metric
    from fashion_exp.comparison.pairs import Pair

Kind = Literal["better", "not-worse"]
KINDS: tuple[Kind, ...] = ("better", "not-worse")

Choice = Literal["keep", "discard", "undecided"]

EXIT_CODES: dict[Choice, ExitCode] = {
    "keep": ExitCode.DONE,
    "discard": ExitCode.DISCARD,
    "undecided": ExitCode.UNDECIDED,
}


@dataclass(frozen=True)
class Gate:
    """Raises `InputError` for an unknown kind or a margin that it cannot have."""

    kind: Kind
    margin: float = 0.0
    """In the unit of differences: points of a share, else the unit of the metric."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"gate={self.kind}: no such gate; {suggest(self.kind, KINDS)}")
        if not 0 <= self.margin < float("inf"):
            raise InputError(f"margin={self.margin:g}: must be a number from 0 on")
        if self.kind == "not-worse" and self.margin == 0:
            raise InputError(
                "gate=not-worse: needs the difference that may be lost, such as --margin 0.5 "
                "(points of an accuracy); without one, only a better candidate is not worse"
            )


@dataclass(frozen=True)
class Decision:
    """`effect`, `low` and `high` are positive where the candidate is better, in the unit of the
    margin; `level` is that of the interval."""

    decision: Choice
    gate: Kind
    margin: float
    candidate: str
    baseline: str
    effect: float | None
    low: float | None
    high: float | None
    level: float
    p: float | None
    """Of no difference, for gate=better."""
    alpha: float
    reason: str
    budget: dict[str, Any] | None = None
    """Where the decision is in a series: name, number, alpha left."""

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.decision]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"exit_code": int(self.exit_code)}

    @property
    def sentence(self) -> str:
        return f"{self.decision}: {self.reason}."


def require_one_candidate(runs: int) -> None:
    """Raises `InputError` unless one candidate is compared with the baseline."""
    if runs != 2:
        raise InputError(
            f"gate: decides on one candidate, but {runs - 1} are compared with the baseline; name "
            "one"
        )


def decide(comparison: PairwiseComparison, gate: Gate, *, same_recipe: bool = False) -> Decision:
    """Keep or discard the candidate, or undecided.

    `better`: the two-sided test at alpha, as in the verdicts; with a margin, the whole interval has
    to be above it. `not-worse` is the non-inferiority test: one-sided at alpha, by the interval at
    1 - 2 alpha. Runs of the `same_recipe` differ by their seeds, which is no change: discarded.
    """
    (pair,) = comparison.pairs
    settings, metric = comparison.settings, comparison.settings.described
    if metric.is_share and gate.margin >= metric.scale:
        raise InputError(
            f"margin={gate.margin:g}: no difference reaches that many points; half a point is 0.5"
        )
    alpha = settings.pair_alpha
    level = 1 - alpha if gate.kind == "better" else 1 - 2 * alpha
    names = comparison.names[pair.a], comparison.names[pair.b]
    effect, low, high = _effect(pair, level, metric.scale, metric.lower_is_better)
    decision, reason = _rule(gate, pair, effect, low, high, metric)
    if same_recipe:
        decision, reason = "discard", "the runs differ in their seeds alone, which is no change"
    p = pair.p_holm if gate.kind == "better" else None
    return Decision(
        decision, gate.kind, gate.margin, *names, effect, low, high, level, p, alpha, reason
    )


def _effect(
    pair: Pair, level: float, scale: float, lower_is_better: bool
) -> tuple[float | None, float | None, float | None]:
    """The effect and its limits, positive where the candidate is better."""
    if pair.differences is None or pair.test is None or pair.test.difference is None:
        return None, None, None
    interval = pair.differences.test(level, prior=pair.prior).interval.or_fallback
    interval = interval.negated if lower_is_better else interval
    estimate, low, high = (
        None if value is None else scale * value
        for value in (interval.estimate, interval.low, interval.high)
    )
    return estimate, low, high


def _rule(
    gate: Gate,
    pair: Pair,
    effect: float | None,
    low: float | None,
    high: float | None,
    metric: Metric,
) -> tuple[Choice, str]:
    if effect is None or low is None or high is None:
        return "undecided", f"the comparison has no interval ({pair.note or 'too few data'})"
    limits = _with_limits(effect, low, high, metric)
    size = f"{gate.margin:g} {metric.unit}".rstrip()
    if gate.kind == "not-worse":
        if low > -gate.margin:
            return "keep", f"at most {size} are lost: {limits}"
        if high < -gate.margin:
            return "discard", f"more than {size} are lost: {limits}"
        return "undecided", f"whether more than {size} are lost: {limits}"
    if pair.verdict == "better" and low > gate.margin:
        more = f", by more than {size}" if gate.margin else ""
        return "keep", f"the candidate is better{more}: {limits}"
    if pair.verdict == "worse":
        return "discard", f"the candidate is worse: {limits}"
    if pair.verdict == "equivalent":
        return "discard", f"the candidate is equivalent: {limits}"
    if high < gate.margin:
        return "discard", f"the candidate is not better by {size}: {limits}"
    return "undecided", f"whether the candidate is better: {limits}"


def _with_limits(effect: float, low: float, high: float, metric: Metric) -> str:
    effect, low, high = (value / metric.scale for value in (effect, low, high))
    size = f"{difference_text(effect, metric.is_share)} {metric.unit}".rstrip()
    text = f"{size} ({difference_range(low, high, metric.is_share)})"
    # A lower loss would otherwise be expected to have a minus sign.
    return f"{text}, positive where it is better" if metric.lower_is_better else text

"""The options of `compare` and `judge` that make a decision of a comparison."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fashion_exp.comparison.gate import KINDS, Gate, decide, require_one_candidate
from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.comparison.gate import Decision

EXIT_CODES = (
    "Exit codes: 0 done, of a gate keep; 2 invalid arguments; of a gate 4 discard and 5 undecided."
)


def add_gate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--gate", metavar="KIND",
        help=f"decide whether to keep the candidate, by the exit code: {' or '.join(KINDS)}; "
        "needs --baseline",
    )  # fmt: skip
    parser.add_argument(
        "--margin", type=float, metavar="POINTS",
        help="difference that a gate tolerates (not-worse) or requires (better), in points of a "
        "share, else in the unit of the metric",
    )  # fmt: skip
    parser.add_argument(
        "--budget", metavar="NAME",
        help="count the decision in a series whose error rate as a whole is alpha",
    )  # fmt: skip


def gate_of(args: argparse.Namespace) -> Gate | None:
    """Raises `InputError` for a margin without a gate, and a gate without a baseline."""
    if args.gate is None:
        for name in ("margin", "budget"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name}: has no effect without --gate")
        return None
    gate = Gate(args.gate, args.margin or 0.0)
    if args.baseline is None:
        raise InputError("--gate: needs --baseline, which says what a candidate is compared with")
    return gate


def decision_of(
    comparison: PairwiseComparison,
    gate: Gate,
    budget: str | None,
    outputs: Path,
    same_recipe: bool = False,
) -> Decision:
    """Raises `InputError` unless one candidate is compared with the baseline."""
    from fashion_exp.comparison.budget import decide_in_budget

    require_one_candidate(len(comparison.runs))
    if budget is None:
        return decide(comparison, gate, same_recipe=same_recipe)
    return decide_in_budget(comparison, gate, budget, outputs, same_recipe=same_recipe)

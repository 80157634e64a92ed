"""The options of `compare` and `judge` that make a decision of a comparison."""

from __future__ import annotations

import argparse

from fashion_exp.comparison.gate import KINDS, Gate
from fashion_exp.errors import InputError

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


def gate_of(args: argparse.Namespace) -> Gate | None:
    """Raises `InputError` for a margin without a gate, and a gate without a baseline."""
    if args.gate is None:
        if args.margin is not None:
            raise InputError("--margin: has no effect without --gate")
        return None
    gate = Gate(args.gate, args.margin or 0.0)
    if args.baseline is None:
        raise InputError("--gate: needs --baseline, which says what a candidate is compared with")
    return gate

"""The command line options that `compare` and `report` share."""

from __future__ import annotations

import argparse
from typing import Any

from fashion_exp.commands.parser import Parser
from fashion_exp.comparison.metrics import METRICS, Metric
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import InputError


def build_parser(subcommand: str, description: str | None) -> argparse.ArgumentParser:
    parser = Parser(prog=f"fashion_exp {subcommand}", description=description)
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folder or name of a run or sweep, id of a tracked run, or a filter in MLflow's "
        "language; default: the newest sweep",
    )
    parser.add_argument("--baseline", metavar="RUN", help="compare all other runs with this one")
    parser.add_argument(
        "--pairs",
        default="best",
        help="best: the best run with each other one (default); all: every pair",
    )
    parser.add_argument(
        "--on", metavar="NAME", help="compare on the photos of an evaluation: evaluate RUN … --as"
    )
    parser.add_argument(
        "--metric", default="accuracy", help=f"{' or '.join(METRICS)}, or a metric of extensions"
    )
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="family-wise error rate; default: 0.05"
    )
    parser.add_argument(
        "--rope",
        type=float,
        default=0.01,
        help="region of practical equivalence: smaller differences do not matter; in the unit of "
        "the metric, an accuracy being a share; default: 0.01, one percentage point",
    )
    parser.add_argument("--exact", action="store_true", help="McNemar's exact test, not mid-p")
    parser.add_argument("--target", type=float, help="accuracy to be reached, such as 0.95")
    parser.add_argument(
        "--human", metavar="ACCURACY[:N]", help="accuracy of people, measured on N images"
    )
    parser.add_argument(
        "--evaluate-test", action="store_true", help="evaluate the test predictions of every run"
    )
    parser.add_argument(  # the name in earlier versions
        "--open-test", dest="evaluate_test", action="store_true", help=argparse.SUPPRESS
    )
    parser.add_argument("--uri", help="URI of the tracking store, for filters")
    parser.add_argument(
        "--outputs", help="folder of the runs; default: the same as for experiments"
    )
    return parser


def comparison_options(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `api.comparison.compare`. Raises `InputError` before any run is loaded."""
    names = ("metric", "alpha", "rope", "exact", "target", "pairs", "on")
    settings: dict[str, Any] = {name: getattr(args, name) for name in names}
    settings["human"] = parse_human_accuracy(args.human)
    ComparisonSettings(**settings, column=Metric(args.metric))  # the metric may be a run's own
    others = ("baseline", "evaluate_test", "uri", "outputs")
    return settings | {name: getattr(args, name) for name in others}


def parse_human_accuracy(text: str | None) -> tuple[float, int | None] | None:
    """Parses `0.95` or `0.95:200`. Raises `InputError`."""
    if text is None:
        return None
    first, _, second = text.partition(":")
    try:
        return float(first), int(second) if second else None
    except ValueError:
        raise InputError(f"--human {text}: use ACCURACY or ACCURACY:N, such as 0.95:200") from None

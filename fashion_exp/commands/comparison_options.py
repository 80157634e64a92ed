"""The command line options that `compare` and `report` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.errors import InputError, suggest
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:  # numpy and scipy, which --help and a mistyped option need not wait for
    from fashion_exp.comparison.comparison import Comparison


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
    parser.add_argument("--metric", default="accuracy", help=" or ".join(METRICS))
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="family-wise error rate; default: 0.05"
    )
    parser.add_argument(
        "--rope",
        type=float,
        default=0.01,
        help="region of practical equivalence: smaller differences do not matter; default: 0.01",
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


def validate_options(args: argparse.Namespace) -> None:
    """Raises `InputError` before any run is loaded."""
    if args.metric not in METRICS:
        raise InputError(f"--metric {args.metric}: no such metric; {suggest(args.metric, METRICS)}")
    if not 0 < args.alpha < 0.5:
        raise InputError(f"--alpha {args.alpha:g}: must be between 0 and 0.5")
    if args.target is not None and not 0 < args.target < 1:
        raise InputError(f"--target {args.target:g}: must be between 0 and 1")
    if not 0 <= args.rope < 1:
        raise InputError(f"--rope {args.rope:g}: must be a difference of at least 0 and below 1")
    parse_human_accuracy(args.human)


def parse_human_accuracy(text: str | None) -> tuple[float, int | None] | None:
    """Parses `0.95` or `0.95:200`. Raises `InputError`."""
    if text is None:
        return None
    first, _, second = text.partition(":")
    try:
        accuracy, images = float(first), int(second) if second else None
    except ValueError:
        raise InputError(f"--human {text}: use ACCURACY or ACCURACY:N, such as 0.95:200") from None
    if not 0 < accuracy < 1 or (images is not None and images < 1):
        raise InputError(f"--human {text}: needs an accuracy between 0 and 1, and N of at least 1")
    return accuracy, images


def load_comparison(args: argparse.Namespace) -> Comparison:
    """Loads the requested runs; evaluates their test predictions first if requested."""
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.find_runs import count_unfinished_jobs, find_runs
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.comparison.settings import ComparisonSettings
    from fashion_exp.evaluation.test_usage import mark_test_evaluated

    outputs = outputs_dir(args.outputs)
    folders = find_runs(args.runs, outputs, args.uri)
    baseline = None
    if args.baseline is not None:
        matches = find_runs([args.baseline], outputs, args.uri)
        if len(matches) > 1:
            raise InputError(f"--baseline {args.baseline}: matches {len(matches)} runs; name one")
        folders = list(dict.fromkeys([*folders, *matches]))
        baseline = folders.index(matches[0])
    if args.evaluate_test:
        for folder in folders:
            mark_test_evaluated(folder, outputs)
    settings = ComparisonSettings(
        metric=args.metric,
        alpha=args.alpha,
        rope=args.rope,
        exact=args.exact,
        target=args.target,
        baseline=baseline,
        human=parse_human_accuracy(args.human),
    )
    runs = [load_run(folder) for folder in folders]
    return Comparison(runs, settings, count_unfinished_jobs(folders))

"""Measures how far annotators agree, and makes soft labels from their labels."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser

if TYPE_CHECKING:
    from fashion_exp.stats.interval import Interval
    from fashion_exp.tools.annotators import AnnotatorReport

MAX_PAIRS = 45
"""Pairs of annotators in the table on the terminal; --json has all."""


def run(arguments: list[str]) -> int:
    options = _parse(arguments)
    from fashion_exp.api.annotators import annotators
    from fashion_exp.reporting.progress import plain_console

    report = annotators(
        options.votes, into=options.into, labels=options.labels, level=options.level
    )
    if options.json:
        print(json.dumps(report.as_json(), indent=1))
        return 0
    console = plain_console()
    for table in _tables(report):
        console.print(table)
    for line in _sentences(report, options.into):
        console.print(line, soft_wrap=True)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="fashion_exp data annotators", description=__doc__,
        epilog="Exit codes: 0 done; 2 invalid arguments or votes; 130 interrupted",
    )  # fmt: skip
    parser.add_argument("votes", metavar="VOTES", help="CSV: path (or image), annotator, label")
    parser.add_argument("--into", metavar="FILE", help="CSV for the soft labels, for dataset=csv")
    parser.add_argument(
        "--labels", choices=("dawid_skene", "votes"), default="dawid_skene",
        help="soft labels: probabilities by the model of Dawid and Skene, or the shares of the "
        "votes; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--level", type=float, default=0.95, help="of intervals; default: 0.95")
    parser.add_argument("--json", action="store_true", help="print all results as JSON")
    return parser.parse_args(arguments)


def _tables(report: AnnotatorReport) -> list[object]:
    from fashion_exp.reporting.tables import PlainTable

    labels = (report.votes.codes >= 0).sum(axis=0)
    rows = [
        (name, f"{count:,}", _percent(report.accuracies[name]))
        for name, count in zip(report.votes.annotators, labels, strict=True)
    ]
    pairs = sorted(report.kappas.items(), key=lambda pair: pair[1].estimate or 0)
    shown = [(" and ".join(names), f"{k.n:g}", _number(k)) for names, k in pairs[:MAX_PAIRS]]
    omitted = len(pairs) - len(shown)
    notes = [f"{omitted:,} pairs that agree more are in --json."] if omitted else []
    return [
        PlainTable(["annotator", "labels", "accuracy (Dawid and Skene)"], rows),
        PlainTable(["pair", "common photos", "Cohen's kappa"], shown, notes=notes),
    ]


def _sentences(report: AnnotatorReport, into: str | None) -> list[str]:
    votes, human = report.votes, report.human
    lines = [
        f"{int((votes.codes >= 0).sum()):,} labels of {len(votes.images):,} photos by "
        f"{len(votes.annotators)} annotators; {len(votes.classes)} classes.",
        f"Krippendorff's alpha (nominal): {_number(report.alpha)}, {report.alpha.n:g} photos with "
        "two labels or more.",
    ]
    if human.estimate is None:
        lines.append(f"No human accuracy: {human.note}.")
    else:
        lines.append(
            f"Human accuracy, each label against the majority of the others: {_percent(human)}, "
            f"{human.n:g} photos. compare and report: --human {human.estimate:.4f}:{human.n:.0f}"
        )
    if into is not None:
        lines.append(f"soft labels: {into}; train with training.targets=soft")
    return lines


def _percent(interval: Interval) -> str:
    from fashion_exp.reporting.formats import DASH, percent, percent_range

    if interval.low is None or interval.high is None:
        return DASH if interval.estimate is None else percent(interval.estimate)
    return f"{percent(interval.estimate)} ({percent_range(interval.low, interval.high)})"


def _number(interval: Interval) -> str:
    from fashion_exp.reporting.formats import DASH

    if interval.estimate is None:
        return DASH
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:.2f}"
    return f"{interval.estimate:.2f} ({interval.low:.2f} to {interval.high:.2f})"

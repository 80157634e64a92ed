"""Train further repeats of two finished runs in turn until it is decided which is better, or until
it will hardly be decided within the bound. Trainings of finished runs are reused, and the chance of
any wrong decision is about alpha, however often the race looks. The same command continues a race
that was interrupted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fashion_exp.commands.gate_options import EXIT_CODES, gate_of
from fashion_exp.commands.parser import Parser
from fashion_exp.comparison.gate import KINDS
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from fashion_exp.racing.race import Race


def run(arguments: list[str]) -> int:
    """Prints a line per look, and the conclusions. Raises `InputError` and `Diverged`."""
    args = build_parser().parse_args(arguments)
    gate = gate_of(args)
    from fashion_exp.api.racing import race
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    console = plain_console(stderr=args.json)
    try:
        with Progress(console) as progress:
            result = race(
                args.candidate, args.baseline, at_most=args.at_most, metric=args.metric,
                alpha=args.alpha, rope=args.rope, gate=gate.kind if gate else None,
                margin=gate.margin if gate else 0.0, uri=args.uri, outputs=args.outputs,
                progress=progress, on_look=lambda race: progress.print(look_line(race)),
            )  # fmt: skip
    except KeyboardInterrupt as error:
        error.add_note("stopped; the same command continues the race")
        raise
    if args.json:
        print(json.dumps(result.as_json(), indent=1))
    else:
        _print(result, console)
    return ExitCode.DONE if result.decision is None else result.decision.exit_code


def build_parser() -> Parser:
    parser = Parser(prog="fashion_exp race", description=__doc__, epilog=EXIT_CODES)
    parser.add_argument("candidate", metavar="RUN", help="folder, name or tracked id of a run")
    parser.add_argument("baseline", metavar="BASELINE", help="the run that it is compared with")
    parser.add_argument(
        "--at-most", type=int, default=30, metavar="N",
        help="repeats of each run at most; fixed for the whole race; default: 30",
    )  # fmt: skip
    parser.add_argument("--metric", default="accuracy", help=" or ".join(METRICS))
    parser.add_argument(
        "--alpha",
        type=float,
        default=0.05,
        help="about the chance of any wrong decision; default: 0.05",
    )
    parser.add_argument(
        "--rope", type=float, default=0.01,
        help="region of practical equivalence: smaller differences do not matter; in the unit of "
        "the metric, an accuracy being a share; default: 0.01, one percentage point",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--gate", metavar="KIND",
        help=f"decide whether to keep RUN, by the exit code: {' or '.join(KINDS)}",
    )  # fmt: skip
    parser.add_argument(
        "--margin", type=float, metavar="POINTS",
        help="difference that a gate tolerates (not-worse) or requires (better), in points of a "
        "share, else in the unit of the metric",
    )  # fmt: skip
    parser.add_argument("--uri", help="tracking store, for ids of tracked runs")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    parser.set_defaults(budget=None)
    return parser


def look_line(race: Race) -> str:
    """ "repeat  7/30  ────●───|──  +1.2 points (−0.3 to +2.7)  alpha 0.0014  undecided"."""
    from fashion_exp.comparison.metrics import METRICS
    from fashion_exp.racing.race import steps
    from fashion_exp.reporting.formats import difference_range, percent
    from fashion_exp.reporting.race_figure import interval_strip

    look, metric, drawn = race.looks[-1], METRICS[race.options.metric], steps(race)
    parts = [f"repeat {look.repeats:>2}/{race.options.at_most}"]
    if drawn and look.low is not None and look.high is not None:
        limit = max(abs(drawn[0].low), abs(drawn[0].high))
        limits = difference_range(look.low, look.high, metric.is_share)
        parts.append(interval_strip(drawn[-1], limit))
        parts.append(f"{metric.format_difference(look.difference)} ({limits})")
    parts.append(f"alpha {look.level:.2g}")
    parts.append(look.decision or look.verdict)
    if look.chance is not None:
        parts.append(f"chance to be decided {percent(look.chance, 0)}")
    return "  ".join(parts)


def _print(race: Race, console: Console) -> None:
    from fashion_exp.racing.race import compare_command

    for sentence in race.sentences:
        console.print(sentence)
    trainings = sum(look.repeats for look in race.looks[-1:]) * 2
    console.print(f"{race.trained} trainings were computed for the {trainings} repeats.")
    for name, folder in zip(race.names, race.runs, strict=True):
        console.print(f"{name}: {folder}", soft_wrap=True)
    console.print(f"figure: {race.figure}", soft_wrap=True)
    console.print(f"to compare them: {compare_command(race)}", soft_wrap=True)
    if race.decision is not None:
        console.print(race.decision.sentence)

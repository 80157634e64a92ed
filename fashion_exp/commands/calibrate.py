"""How far the probabilities of a finished run can be trusted, and what follows from them: the
temperature that corrects them, sets of classes with a stated coverage, the confidence from which an
accuracy is reached, and photos of no known class. RUN is a run's folder, its name, a sweep (its
winner), or the id of a tracked run. Everything is fitted to the validation predictions; the test is
used to check it if the run was evaluated on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    from fashion_exp.inference.calibration_report import CalibrationReport
    from fashion_exp.reporting.calibration_figure import CalibrationPlot
    from fashion_exp.stats.interval import Interval


def run(arguments: list[str]) -> int:
    """Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    from fashion_exp.inference.calibration_report import as_json, check_shares, measure_calibration
    from fashion_exp.inference.calibration_tables import sentences, tables_of
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting import style
    from fashion_exp.reporting.calibration_figure import calibration_figure
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.drawing import optional_figure
    from fashion_exp.reporting.progress import Progress

    check_shares(coverage=args.coverage, at_least=args.at_least)
    trained = load_run(args.run, outputs_dir(args.outputs), args.uri)
    with Progress(plain_console(stderr=True)) as progress:
        report = measure_calibration(
            trained, progress, args.coverage, args.per_class, args.at_least, not args.quick
        )
    with optional_figure(trained.run.figures / "calibration.png") as file:
        style.save(calibration_figure(plot_of(report, trained.result.name)), file)
    if args.json:
        print(json.dumps(as_json(report), indent=1))
        return ExitCode.DONE
    console = plain_console()
    for table in tables_of(report):
        console.print(table)
    for sentence in sentences(report):
        console.print(sentence)
    console.print(f"figure:  {trained.run.figures / 'calibration.png'}", soft_wrap=True)
    return ExitCode.DONE


def build_parser() -> Parser:
    parser = Parser(prog="fashion_exp calibrate", description=__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument(
        "--coverage", type=float, default=0.95, help="of the prediction sets; default: 0.95"
    )
    parser.add_argument(
        "--per-class", action="store_true", help="the coverage holds for the photos of each class"
    )
    parser.add_argument(
        "--at-least", metavar="ACCURACY", type=float,
        help="find the confidence from which photos are right at least this often",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="without leaving each class out, which takes longest"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    return parser


def plot_of(report: CalibrationReport, title: str) -> CalibrationPlot:
    from fashion_exp.reporting.calibration_figure import CalibrationPlot, Point

    last = report.parts[-1]

    def point(x: float, interval: Interval) -> Point:
        shown = interval.or_fallback
        estimate = shown.estimate or 0.0
        low, high = (estimate if v is None else v for v in (shown.low, shown.high))
        return Point(x, estimate, low, high)

    bins = {"as predicted": last.reliability_before, "calibrated": last.reliability_after}
    return CalibrationPlot(
        {name: [point(b.confidence, b.accuracy) for b in part] for name, part in bins.items()},
        {part.part: (part.curve.coverage, part.curve.risk) for part in report.parts},
        {part.part: part.sizes for part in report.parts},
        {stranger.name: point(0, stranger.auroc) for stranger in report.strangers},
        f"{title}: calibration on {last.part} photos, sets of {100 * report.coverage:g} % coverage",
    )

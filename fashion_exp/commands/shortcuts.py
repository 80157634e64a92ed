"""Whether color, size, background or file properties alone tell the classes of a run apart: heads
on these few numbers, under the splits of the run and its paired test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    from fashion_exp.inference.source_control import SourceResult
    from fashion_exp.judging.shortcuts import ShortcutControl


def run(arguments: list[str]) -> int:
    """Prints a table and a sentence for each signal. Raises `InputError`."""
    parser = Parser(prog="fashion_exp shortcuts", description=__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--alpha", type=float, default=0.05, help="family-wise error rate: 0.05")
    parser.add_argument(
        "--leave-out", metavar="COLUMN",
        help="instead: the accuracy on each source of photos, trained without it: group, or a "
        "column of --table",
    )  # fmt: skip
    parser.add_argument(
        "--table", metavar="TABLE", help="has the sources of the photos, by path, id or image_hash"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    args = parser.parse_args(arguments)
    if args.table and not args.leave_out:
        raise InputError("--table: has no effect without --leave-out COLUMN")
    from fashion_exp.api.shortcuts import leave_one_source_out, shortcuts

    if args.leave_out:
        results = leave_one_source_out(
            args.run, args.leave_out, args.table, uri=args.uri, outputs=outputs_dir(args.outputs)
        )
        if args.json:
            sources = [result.as_json() for result in results]
            print(json.dumps({"schema": 1, "sources": sources}, indent=1))
        else:
            print_sources(results)
        return 0
    control = shortcuts(args.run, alpha=args.alpha, uri=args.uri, outputs=outputs_dir(args.outputs))
    if args.json:
        print(json.dumps(control.as_json(), indent=1))
    else:
        print_control(control)
    return 0


def print_sources(results: Sequence[SourceResult]) -> None:
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import DASH, difference_range, difference_text, with_limits
    from fashion_exp.reporting.tables import PlainTable

    rows = []
    for result in results:
        accuracy, difference = result.accuracy, result.difference
        row = [result.source, f"{result.images:,}", DASH, DASH, result.verdict]
        if accuracy is not None and accuracy.estimate is not None:
            row[2] = with_limits(accuracy.estimate, accuracy.low, accuracy.high)
        if difference is not None and difference.estimate is not None:
            row[3] = difference_text(difference.estimate)
            if difference.low is not None and difference.high is not None:
                row[3] += f" ({difference_range(difference.low, difference.high)})"
        rows.append(row)
    notes = [
        "Accuracy on the development photos of a source, of a head trained on those of the others, "
        "with its 95 % interval; minus own: compared with the run's models on the same photos, "
        "with limits for all sources jointly."
    ]
    notes += [
        f"{result.source}: no other source has {', '.join(result.missing_classes)}."
        for result in results
        if result.missing_classes
    ]
    if larger := [result.source for result in results if result.has_more_training]:
        notes.append(
            f"Trained on more photos than the run's models were, which favors the head: "
            f"{', '.join(larger)}."
        )
    header = ["left out", "photos", "accuracy", "minus own", "verdict"]
    plain_console().print(PlainTable(header, rows, title="Sources left out", notes=notes))


def print_control(control: ShortcutControl) -> None:
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import (
        DASH,
        difference_range,
        difference_text,
        percent,
        with_limits,
    )
    from fashion_exp.reporting.tables import PlainTable

    rows = []
    for item in control.shortcuts:
        accuracy = item.accuracy
        assert accuracy.estimate is not None
        limits = (
            DASH if item.low is None or item.high is None else difference_range(item.low, item.high)
        )
        rows.append([
            item.name, with_limits(accuracy.estimate, accuracy.low, accuracy.high),
            f"{difference_text(item.network_minus)} ({limits})", percent(item.share), item.verdict,
        ])  # fmt: skip
    network = control.network
    assert network.estimate is not None
    note = (
        f"{control.part}: network {with_limits(network.estimate, network.low, network.high)}, most "
        f"frequent class {percent(control.chance)}. Share of gain: what the signal alone reaches "
        "of the network's gain over that class. Alarming: above the most frequent class by the "
        "test, and at least half of the gain. Limits hold for all signals jointly."
    )
    console = plain_console()
    header = ["signal alone", "accuracy", "network minus it", "share of gain", "verdict"]
    console.print(PlainTable(header, rows, title="Shortcut control", notes=[note]))
    for item in control.shortcuts:
        console.print(
            f"{item.name} alone reaches {percent(item.accuracy.estimate)}, the most frequent class "
            f"{percent(control.chance)}; the network is {difference_text(item.network_minus)} "
            f"points above it: {item.verdict}."
        )

"""Which items a change gained and lost, from BEFORE to AFTER, beside the flips that a new training
alone makes. Tables are those of `judge`: files of predictions, or runs. Items of a group, such as
copies, count once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fashion_exp.commands.gate_options import EXIT_CODES
from fashion_exp.commands.judge import add_reading_options, judging_options
from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError
from fashion_exp.paths import writable_file

if TYPE_CHECKING:
    from fashion_exp.judging.flips import ClassDecision, Flips


def run(arguments: list[str]) -> int:
    """Prints counts by class, the items, and the decision on classes. Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    from fashion_exp.api.judging import flips, flips_page
    from fashion_exp.comparison.gate import Gate

    gate = None if args.margin is None else Gate("not-worse", args.margin)
    if args.items < 0:
        raise InputError(f"--items {args.items}: must be 0 or more")
    page = writable_file(args.page, "--page") if args.page else None
    options = judging_options(args)
    result = flips(args.before, args.after, **options)
    if page is not None:
        flips_page(result, args.before, args.after, page, **options)
    decision = None if gate is None else result.decide_classes(gate)
    if args.json:
        content = {
            "schema": 1,
            "before": result.judgement.names[0],
            "after": result.judgement.names[1],
            "counts": [counts.as_json() for counts in result.counts],
            "items": result.items.to_dict("records"),
            "notes": list(result.judgement.notes),
            "gate": None if decision is None else decision.as_json(),
        }
        print(json.dumps(content, indent=1))
    else:
        print_flips(result, decision, args.items)
        if page is not None:
            print(f"page: {page}")
    return 0 if decision is None else int(decision.exit_code)


def build_parser() -> Parser:
    parser = Parser(prog="fashion_exp flips", description=__doc__, epilog=EXIT_CODES)
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER")
    parser.add_argument("--json", action="store_true", help="print JSON, with all items")
    parser.add_argument(
        "--page", metavar="FILE", help="write an HTML page with the photos that are lost and gained"
    )
    parser.add_argument(
        "--items", type=int, default=20, metavar="N", help="items listed; default: 20"
    )
    parser.add_argument(
        "--margin", type=float, metavar="POINTS",
        help="a gate: whether no class loses more accuracy than this, by the exit code",
    )  # fmt: skip
    parser.add_argument("--alpha", type=float, default=0.05, help="error rate of the gate: 0.05")
    add_reading_options(parser)
    return parser


def print_flips(result: Flips, decision: ClassDecision | None, shown: int) -> None:
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import DASH, percent
    from fashion_exp.reporting.tables import PlainTable

    rows = [
        [c.name, f"{c.items:,.0f}", f"{c.lost:.1f}", f"{c.gained:.1f}",
         DASH if c.new_training is None else f"{c.new_training:.1f}"]
        for c in result.counts
    ]  # fmt: skip
    note = (
        "Items, as means over the pairs of trainings; those of a group count once together. New "
        "training: as many are lost, and as many gained, between two trainings of one tool."
    )
    console = plain_console()
    console.print(
        PlainTable(["class", "items", "lost", "gained", "new training"], rows, notes=[note])
    )
    items = result.items
    if len(items) and shown:
        listed = [
            [row["id"], row["label"], percent(row["before"]), percent(row["after"])]
            for row in items.head(shown).to_dict("records")
        ]
        more = f"{len(items) - shown:,} more items changed." if len(items) > shown else ""
        header = ["item", "label", "right before", "right after"]
        console.print(PlainTable(header, listed, notes=[more] if more else []))
    for line in [result.sentence(), *result.judgement.notes]:
        console.print(line)
    if decision is not None:
        for line in decision.sentences:
            console.print(line)

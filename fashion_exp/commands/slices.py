"""The accuracy of a run, or of another tool's predictions, on slices of its images: by class,
color, brightness, size, or any column. Several RUNs are also compared on each slice. A RUN is a
run or a table of `judge`; photos of a run are looked at where they are."""

from __future__ import annotations

import json

from fashion_exp.commands.judge import add_reading_options, judging_options
from fashion_exp.commands.parser import Parser
from fashion_exp.commands.slice_options import add_slice_options, print_slices, slice_options


def run(arguments: list[str]) -> int:
    """Prints the slices, the differences between the runs, and sentences. Raises `InputError`."""
    parser = Parser(prog="fashion_exp slices", description=__doc__)
    parser.add_argument("tables", nargs="+", metavar="RUN")
    parser.add_argument("--baseline", metavar="NAME", help="compare all others with this run")
    parser.add_argument("--alpha", type=float, default=0.05, help="family-wise error rate: 0.05")
    add_slice_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_reading_options(parser)
    args = parser.parse_args(arguments)
    from fashion_exp.api.slices import slices

    analysis = slices(args.tables, **slice_options(args), **judging_options(args))
    if args.json:
        print(json.dumps(analysis.as_json(), indent=1))
    else:
        print_slices(analysis)
    return 0

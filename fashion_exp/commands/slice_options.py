"""The options of slices, which several subcommands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fashion_exp.commands.parser import split_names
from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from fashion_exp.comparison.slices import SliceAnalysis


def add_slices_switch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--slices", action="store_true", help="also by class, color, size, or any column (--by)"
    )
    add_slice_options(parser)


def slice_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `api.slices`. Raises `InputError` for one that has no effect."""
    chosen = {"by": args.by, "table": args.table, "bins": args.bins}
    if not getattr(args, "slices", True):
        for name, value in chosen.items():
            if value is not None:
                raise InputError(f"--{name}: has no effect without --slices")
    bins = DEFAULT_BINS if args.bins is None else args.bins
    return chosen | {"by": split_names(args.by), "bins": bins}


DEFAULT_BINS = 4


def add_slice_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by", metavar="COLUMN", action="append",
        help="columns to slice by: class, color, brightness, contrast, background, size, aspect, "
        "bytes, format, quality, or one of a table; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--table", metavar="TABLE", help="more columns of the images, by id, path or image_hash"
    )
    parser.add_argument(
        "--bins", type=int, metavar="N",
        help="ranges of a column of numbers, with as many images each; default: 4",
    )  # fmt: skip


def print_slices(analysis: SliceAnalysis) -> None:
    from fashion_exp.comparison.slice_tables import pairs_of_slices_table, slices_table
    from fashion_exp.reporting.console import plain_console

    console = plain_console()
    console.print(slices_table(analysis))
    if (pairs := pairs_of_slices_table(analysis)) is not None:
        console.print(pairs)
    for sentence in analysis.sentences:
        console.print(sentence)

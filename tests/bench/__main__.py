"""Measures claims of speed and of error rates, prints them as a table and writes them as JSON."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.bench.runner import REPOSITORY, Figure, figure_table, write_json

GROUPS: dict[str, tuple[str, ...]] = {
    "caches": ("index", "pixels", "reuse", "heads"),
    "training": ("solver", "step", "precision", "tracking", "processes", "startup"),
    "robustness": ("command_lines", "statistics"),
    "comparison": ("judge",),
    "inference": ("predict", "serve"),
    "retrieval": ("search",),
}
"""Claims by topic. Each is a module of this package with `measure(quick) -> list[Figure]`."""

CLAIMS = tuple(claim for claims in GROUPS.values() for claim in claims)


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if all bounds are reached, else 1."""
    options = _parser().parse_args(arguments)
    claims = CLAIMS if options.claim == "all" else GROUPS.get(options.claim, (options.claim,))
    console = Console()
    figures: list[Figure] = []
    for claim in claims:
        console.print(f"measuring {claim} …", highlight=False)
        figures += importlib.import_module(f"tests.bench.{claim}").measure(options.quick)
    console.print(figure_table(figures))
    path = options.json or REPOSITORY / "outputs" / "bench" / f"{options.claim}.json"
    write_json(path, figures, arguments)
    console.print(f"figures: {path}", soft_wrap=True, highlight=False)
    return int(any(figure.reached is False for figure in figures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("claim", choices=["all", *GROUPS, *CLAIMS])
    parser.add_argument("--quick", action="store_true", help="small sizes and few repetitions")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="default: outputs/bench/CLAIM.json"
    )
    return parser


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main(sys.argv[1:]))

"""`scripts/bench CLAIM …`: measures claims in turn, prints a table, writes a JSON beside it."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fashion_exp.reporting.tables import rich_table
from tests.bench.runner import REPOSITORY, Figure, table, write_json

GROUPS: dict[str, tuple[str, ...]] = {
    "caches": ("index", "pixels", "reuse", "heads"),
    "training": ("step", "precision", "tracking", "processes", "startup"),
}
"""Claims, each a module here with `measure(quick) -> list[Figure]`, by what they are about."""

CLAIMS = tuple(claim for claims in GROUPS.values() for claim in claims)


def main(arguments: Sequence[str]) -> int:
    """0 where everything asked was reached, else 1."""
    options = _parser().parse_args(arguments)
    asked = CLAIMS if options.claim == "all" else GROUPS.get(options.claim, (options.claim,))
    console = Console()
    figures: list[Figure] = []
    for claim in asked:
        console.print(f"measuring {claim} …", highlight=False)
        figures += importlib.import_module(f"tests.bench.{claim}").measure(options.quick)
    console.print(rich_table(table(figures)))
    path = options.json or REPOSITORY / "outputs" / "bench" / f"{options.claim}.json"
    write_json(path, figures, arguments)
    console.print(f"figures: {path}", soft_wrap=True, highlight=False)
    return int(any(figure.reached is False for figure in figures))


def _parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    choices = ["all", *GROUPS, *(claim for claim in CLAIMS if claim not in GROUPS)]
    own.add_argument("claim", choices=choices)
    own.add_argument("--quick", action="store_true", help="at a small size")
    own.add_argument("--json", type=Path, metavar="FILE", help="default: outputs/bench/CLAIM.json")
    return own


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main(sys.argv[1:]))

"""List, clear or verify the cache of pixels, features and trainings. The cache never changes a
result, and whatever is cleared is computed again when it is needed."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashion_exp.cache.manager import (
    KINDS,
    TRAININGS,
    Store,
    is_used,
    list_stores,
    remove_leftovers,
)
from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def run(arguments: list[str]) -> int:
    """Returns the exit code: 1 if `verify` found damage. Raises `InputError`."""
    args = _parser().parse_intermixed_args(arguments)
    cache = outputs_dir(args.outputs) / "cache"
    stores = _select(list_stores(cache), args)
    if args.action == "list":
        rows = [_row(store) for store in stores]
    elif args.action == "clear":
        rows = [_row(store) | {"cleared": store.clear()} for store in stores]
        remove_leftovers(cache)
    else:
        rows = _verify(stores, quiet=args.json)
    _print(rows, cache, args.json)
    return int(any(row.get("damaged") for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="fashion_exp cache", description=__doc__)
    parser.add_argument(
        "action",
        choices=["list", "clear", "verify"],
        help="list: show the stores; clear: remove stores that no process uses; verify: read every "
        "entry and report damage",
    )
    parser.add_argument("names", nargs="*", help="names of stores, or prefixes; default: all")
    parser.add_argument("--kind", choices=[*KINDS, TRAININGS], help="only stores of this kind")
    parser.add_argument(
        "--unused", metavar="AGE", help="only stores unused for this long: 12h, 30d, 4w"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    return parser


def _select(stores: Sequence[Store], args: argparse.Namespace) -> list[Store]:
    for name in args.names:
        if not any(store.folder.name.startswith(name) for store in stores):
            raise InputError(f"{name}: no such store; `cache list` shows the existing ones")
    unused_since = time.time() - _seconds(args.unused) if args.unused else float("inf")
    return [
        store
        for store in stores
        if (args.kind is None or store.kind == args.kind)
        and store.last_used <= unused_since
        and (not args.names or store.folder.name.startswith(tuple(args.names)))
    ]


def _seconds(age: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", age)
    if match is None:
        raise InputError(f"--unused {age}: expected hours, days or weeks, such as 12h, 30d, 4w")
    return float(match[1]) * _UNITS[match[2]]


def _row(store: Store) -> dict[str, Any]:
    return {
        "kind": store.kind,
        "name": store.folder.name if store.kind != TRAININGS else "",
        "of": store.description,
        "entries": store.entries,
        "bytes": store.size,
        "last used": time.strftime("%Y-%m-%d %H:%M", time.localtime(store.last_used)),
        "in use": is_used(store),
    }


def _verify(stores: Sequence[Store], quiet: bool) -> list[dict[str, Any]]:
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    rows = []
    with Progress(plain_console(quiet=quiet)) as progress:
        for store in stores:
            tick = progress.stage(f"{store.kind} {store.folder.name}", store.entries)
            rows.append(_row(store) | {"damaged": store.verify(tick)})
    return rows


def _print(rows: list[dict[str, Any]], cache: Path, as_json: bool) -> None:
    total = sum(row["bytes"] for row in rows)
    if as_json:
        print(json.dumps({"cache": str(cache), "bytes": total, "stores": rows}, indent=1))
        return
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import data_size
    from fashion_exp.reporting.tables import PlainTable

    console = plain_console()
    if rows:
        header = ["MB" if name == "bytes" else name for name in rows[0]]
        texts = [[_text(name, value) for name, value in row.items()] for row in rows]
        console.print(PlainTable(header, texts))
    console.print(f"{data_size(total)} in {cache}", soft_wrap=True)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "name":
        return str(value)[:8]  # enough to type; --json has the full name
    if name == "bytes":
        return f"{value / 1e6:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

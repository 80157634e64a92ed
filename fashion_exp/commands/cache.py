"""`cache`: what is kept of earlier runs, so that nothing is computed twice. It never changes a
result, and whatever is cleared is made again when it is needed."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from fashion_exp.cache.manager import (
    KINDS,
    TRAININGS,
    Store,
    is_used,
    list_stores,
    remove_leftovers,
)
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def run(arguments: list[str]) -> int:
    """Lists, clears or verifies; 1 where something was damaged. Raises `InputError`."""
    options = _parser().parse_intermixed_args(arguments)
    cache = outputs_dir(options.outputs) / "cache"
    chosen = _chosen(list_stores(cache), options)
    if options.what == "list":
        _tell([_facts(store) for store in chosen], cache, options.json)
        return 0
    if options.what == "clear":
        _tell(_clear(chosen, cache), cache, options.json)
        return 0
    told = _verify(chosen, quiet=options.json)
    _tell(told, cache, options.json)
    return int(any(int(str(row["damaged"])) for row in told))


def _parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(prog="fashion_exp cache", description=__doc__)
    own.add_argument(
        "what",
        choices=["list", "clear", "verify"],
        help="list: what is there; clear: remove what no process uses; verify: read all of it, and "
        "tell what is damaged",
    )
    own.add_argument("names", nargs="*", help="of stores, or their beginnings; default: all")
    own.add_argument("--kind", choices=[*KINDS, TRAININGS], help="of one kind alone")
    own.add_argument("--unused", metavar="AGE", help="not used for so long: 12h, 30d, 4w")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--outputs", help="where the cache is; default: as for experiments")
    return own


def _chosen(found: Sequence[Store], options: argparse.Namespace) -> list[Store]:
    for name in options.names:
        if not any(store.folder.name.startswith(name) for store in found):
            raise InputError(f"{name}: no such store; `cache list` shows those that there are")
    before = time.time() - _seconds(options.unused) if options.unused else float("inf")
    return [
        store
        for store in found
        if (options.kind is None or store.kind == options.kind)
        and store.last_used <= before
        and (not options.names or store.folder.name.startswith(tuple(options.names)))
    ]


def _seconds(age: str) -> float:
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", age)
    if parsed is None:
        raise InputError(f"--unused {age}: a number of hours, days or weeks: 12h, 30d, 4w")
    return float(parsed[1]) * _UNITS[parsed[2]]


def _facts(store: Store) -> dict[str, object]:
    return {
        "kind": store.kind,
        "name": store.folder.name if store.kind != TRAININGS else "",
        "of": store.described,
        "entries": store.entries,
        "bytes": store.size,
        "last used": time.strftime("%Y-%m-%d %H:%M", time.localtime(store.last_used)),
        "in use": is_used(store),
    }


def _clear(chosen: Sequence[Store], cache: Path) -> list[dict[str, object]]:
    """What was removed, and what is in use and stayed."""
    told = []
    for store in chosen:
        facts = _facts(store)
        told.append(facts | {"cleared": store.clear()})
    remove_leftovers(cache)
    return told


def _verify(chosen: Sequence[Store], quiet: bool) -> list[dict[str, object]]:
    from rich.console import Console

    from fashion_exp.reporting.progress import Progress

    told = []
    with Progress(Console(quiet=quiet)) as progress:
        for store in chosen:
            tick = progress.stage(f"{store.kind} {store.folder.name}", store.entries)
            told.append(_facts(store) | {"damaged": store.verify(tick)})
    return told


def _tell(rows: list[dict[str, object]], cache: Path, as_json: bool) -> None:
    total = sum(int(str(row["bytes"])) for row in rows)
    if as_json:
        print(json.dumps({"cache": str(cache), "bytes": total, "stores": rows}, indent=1))
        return
    from rich.console import Console

    from fashion_exp.reporting.tables import PlainTable, rich_table

    console = Console()
    if rows:
        cells = [[_cell(name, value) for name, value in row.items()] for row in rows]
        header = ["MB" if name == "bytes" else name for name in rows[0]]
        console.print(rich_table(PlainTable(header, cells)))
    console.print(f"{total / 1e6:,.1f} MB in {cache}", soft_wrap=True, highlight=False)


def _cell(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "name":
        return str(value)[:8]  # enough to type; --json has all
    if name == "bytes":
        return f"{int(str(value)) / 1e6:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

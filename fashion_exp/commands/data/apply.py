"""`data apply`: decisions on labels made a new version of the data set. The photos stay as and
where they are; versions are lines of label_versions.jsonl beside them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from fashion_exp.data.label_versions import History, Version

ENDING = """\
A file of decisions has the columns image_id, given and decision: keep, exclude, a class, or several
separated by | ("dress|shirt"); rows without a decision are passed over. data labels writes one, and
its page exports one.
"""


def run(arguments: list[str]) -> int:
    """Appends a version and tells of it. Raises `InputError` for what cannot be done."""
    options = _parser().parse_args(arguments)
    _check(options)
    data = _data(options)
    if options.list:
        from fashion_exp.data.label_versions import journal_of, read_history

        _print_list(read_history(journal_of(data)), options.json)
        return 0
    from fashion_exp.data.sources.classes import normal
    from fashion_exp.tools.relabel.apply import apply_decisions, restore

    root = Path(options.root).expanduser().resolve() if options.root else None
    if options.undo or options.revert:
        made = restore(data, options.revert, root)
    else:
        new = [normal(name) for name in options.new_class]
        made = apply_decisions(Path(options.what).expanduser(), data, root, new)
    _print_made(made, data, options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(
        prog="fashion_exp data apply", description=__doc__, epilog=ENDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    own.add_argument(
        "what", metavar="DECISIONS.csv|DATA",
        help="a file of decisions; with --list, --undo and --revert the folder or list of photos",
    )  # fmt: skip
    own.add_argument("--data", help="folder or list the decisions are about; default: as they say")
    own.add_argument("--root", help="of the paths of a list, if not its own folder")
    own.add_argument(
        "--new-class", action="append", default=[], metavar="NAME", help="a class no photo has yet"
    )
    does = own.add_mutually_exclusive_group()
    does.add_argument("--undo", action="store_true", help="the version before the current one")
    does.add_argument("--revert", metavar="VERSION", help="an earlier version again: v2, or none")
    does.add_argument("--list", action="store_true", help="the versions that there are")
    own.add_argument("--json", action="store_true", help="for programs")
    return own


def _check(options: argparse.Namespace) -> None:
    """Raises `InputError` for options that cannot act together, before anything is read."""
    if options.undo or options.revert or options.list:
        if options.data:
            raise InputError(
                f"--data {options.data}: acts when decisions are applied; name it alone"
            )
        if options.new_class:
            raise InputError("--new-class: acts when decisions are applied")
        return
    if Path(options.what).expanduser().is_dir():
        raise InputError(
            f"{options.what}: a folder; name a file of decisions, or say --list, --undo or --revert"
        )


def _data(options: argparse.Namespace) -> Path:
    if options.undo or options.revert or options.list:
        return _existing(options.what)
    if options.data:
        return _existing(options.data)
    from fashion_exp.data.label_decisions import data_named, read_decisions

    file = Path(options.what).expanduser()
    read_decisions(file)  # its own mistakes first
    named = data_named(file)
    if named is None:
        raise InputError(f"{file}: does not say which photos it is about; add --data DIR")
    return _existing(str(named))


def _existing(name: str) -> Path:
    from fashion_exp.data.sources.walk import existing_folder

    place = Path(name).expanduser()
    return (place if place.is_file() else existing_folder("data", name)).resolve()


def _print_made(made: Version | None, data: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from fashion_exp.data.labels import in_words

    if as_json:
        told = {} if made is None else {**asdict(made), "changed": len(made.changes)}
        print(json.dumps({"data": str(data), "new": made is not None, **told}, indent=1))
    elif made is None:
        print(f"{data}: nothing to change, its labels are so already")
    else:
        print(
            f"{data}: labels {made.version}, {len(made.changes)} changed against {made.parent}; "
            f"decided now: {in_words(made.counts)}"
        )
        print("Runs read them from now on; the photos and their folders are as they were.")
        print(f"back:    scripts/run data apply {data} --revert {made.parent}")


def _print_list(history: History, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        versions = [asdict(version) for version in history.versions]
        print(json.dumps({"current": history.current, "versions": versions}, indent=1))
        return
    if not history.versions:
        print("No versions: the labels are the original ones.")
        return
    from rich.console import Console

    from fashion_exp.data.labels import in_words
    from fashion_exp.reporting.tables import PlainTable, rich_table

    rows = [
        [
            one.version,
            one.parent,
            one.time[:16].replace("T", " "),
            f"{len(one.changes)}",
            in_words(one.counts),
            one.decisions or f"{one.restores} again",
            one.fingerprint[:8],
        ]
        for one in history.versions
    ]
    header = ["version", "parent", "time", "changed", "in force", "by", "fingerprint"]
    notes = [f"Current: {history.current}; dataset.labels=VERSION reads another."]
    Console().print(rich_table(PlainTable(header, rows, notes=notes)))

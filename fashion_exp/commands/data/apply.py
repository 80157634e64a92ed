"""Applies decisions on labels as a new version of the data set. Photos are not changed; versions
are lines of label_versions.jsonl in the same folder."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.commands.data.common import add_layout_option
from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from fashion_exp.data.label_versions import LabelHistory, LabelVersion

EPILOG = """\
A file of decisions has the columns image_id, given and decision. A decision is keep, exclude, a
class, or several classes separated by | ("dress|shirt"); rows without a decision are skipped.
data labels writes such a file, and its page exports one.
"""


def run(arguments: list[str]) -> int:
    """Appends a version and prints it, or lists the versions."""
    options = _parse(arguments)
    data = _data(options)
    if options.list:
        from fashion_exp.data.label_versions import journal_path, read_history

        _print_history(read_history(journal_path(data)), options.json)
        return 0
    from fashion_exp.configuration.schema import Layout
    from fashion_exp.data.sources.classes import normalize_name
    from fashion_exp.tools.relabel.apply import apply_decisions, restore_version

    root = Path(options.root).expanduser().resolve() if options.root else None
    layout = Layout(options.layout)
    if options.undo or options.revert:
        version = restore_version(data, options.revert, root, layout)
    else:
        new_classes = [normalize_name(name) for name in options.new_class]
        decisions = Path(options.what).expanduser()
        version = apply_decisions(decisions, data, root, new_classes, layout)
    _print_version(version, data, options.json)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Raises `InputError` for options that do not fit together, before anything is read."""
    parser = Parser(
        prog="fashion_exp data apply", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "what", metavar="DECISIONS.csv|DATA",
        help="file of decisions; with --list, --undo and --revert the folder or list of photos",
    )  # fmt: skip
    parser.add_argument("--data", help="folder or list of photos; default: as in the decisions")
    parser.add_argument("--root", help="root of the paths in a list; default: the list's folder")
    add_layout_option(parser)
    parser.add_argument(
        "--new-class", action="append", default=[], metavar="NAME",
        help="accept decisions for a class that no photo has yet",
    )  # fmt: skip
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--undo", action="store_true", help="restore the previous version")
    action.add_argument("--revert", metavar="VERSION", help="restore a version: v2, or none")
    action.add_argument("--list", action="store_true", help="list the versions")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    if options.undo or options.revert or options.list:
        for name, value in (("data", options.data), ("new-class", options.new_class)):
            if value:
                raise InputError(
                    f"--{name}: only applies to a file of decisions; not with --list, --undo or "
                    "--revert"
                )
    elif Path(options.what).expanduser().is_dir():
        raise InputError(
            f"{options.what}: is a folder; name a file of decisions, or add --list, --undo or "
            "--revert"
        )
    return options


def _data(options: argparse.Namespace) -> Path:
    """The folder or list of photos."""
    if options.undo or options.revert or options.list:
        return _existing(options.what)
    if options.data:
        return _existing(options.data)
    from fashion_exp.data.label_decisions import read_data_path, read_decisions

    file = Path(options.what).expanduser()
    read_decisions(file)  # reports a malformed file first
    data = read_data_path(file)
    if data is None:
        raise InputError(f"{file}: does not name the photos that it is about; add --data DIR")
    return _existing(str(data))


def _existing(name: str) -> Path:
    from fashion_exp.data.sources.walk import existing_folder

    path = Path(name).expanduser()
    return (path if path.is_file() else existing_folder("data", name)).resolve()


def _print_version(version: LabelVersion | None, data: Path, as_json: bool) -> None:
    from fashion_exp.data.labels import describe_changes
    from fashion_exp.reporting.formats import pluralize

    if as_json:
        fields = {} if version is None else asdict(version) | {"changed": len(version.changes)}
        print(json.dumps({"data": str(data), "new": version is not None, **fields}, indent=1))
    elif version is None:
        print(f"{data}: no changes; the labels already match")
    else:
        print(
            f"{data}: labels {version.version}, {pluralize(len(version.changes), 'change')} from "
            f"{version.parent}; decisions in force: {describe_changes(version.counts)}"
        )
        print("Runs use these labels from now on; photos and folders are unchanged.")
        print(f"undo:    scripts/run data apply {data} --revert {version.parent}")


def _print_history(history: LabelHistory, as_json: bool) -> None:
    if as_json:
        versions = [asdict(version) for version in history.versions]
        print(json.dumps({"current": history.current, "versions": versions}, indent=1))
        return
    if not history.versions:
        print("No versions: the labels are the original ones.")
        return
    from fashion_exp.data.labels import describe_changes
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.tables import PlainTable

    rows = [
        [
            version.version,
            version.parent,
            version.time[:16].replace("T", " "),
            f"{len(version.changes)}",
            describe_changes(version.counts),
            version.decisions or f"{version.restores} restored",
            version.fingerprint[:8],
        ]
        for version in history.versions
    ]
    header = ["version", "parent", "time", "changes", "decisions in force", "from", "fingerprint"]
    notes = [f"Current: {history.current}. dataset.labels=VERSION selects another."]
    plain_console().print(PlainTable(header, rows, notes=notes))

"""Options, inspection and output that check, duplicates and summary share."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import write_text
from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError, os_error_reason
from fashion_exp.paths import expand_user, outputs_dir, writable_folder

if TYPE_CHECKING:
    from rich.console import Console

    from fashion_exp.inspection.image import ImageInspection
    from fashion_exp.inspection.image_tree import ImageTree
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.report import FolderReport

MAX_ROWS_SHOWN = 40
"""Rows of a table on the terminal, such as classes; the page has all."""

EPILOG = (
    "Exit codes: 0 done, with or without findings; 2 invalid arguments or lists; 130 interrupted"
)


def base_parser(subcommand: str, description: str | None) -> argparse.ArgumentParser:
    """Parser with the options that all three subcommands have."""
    parser = Parser(f"fashion_exp data {subcommand}", description=description, epilog=EPILOG)
    parser.add_argument("folder", metavar="DIR", help="folder of photos, usually one per class")
    add_layout_option(parser)
    parser.add_argument("--json", action="store_true", help="print all results as JSON")
    parser.add_argument("--into", help="folder for the page; default: one in outputs/data/")
    parser.add_argument("--outputs", help="folder of pages and caches; default: as for runs")
    parser.add_argument(
        "--max-megapixels", type=float, default=40.0,
        help="do not decode larger images; default: %(default)g",
    )  # fmt: skip
    return parser


def add_layout_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layout", choices=("auto", "classes", "parts"), default="auto",
        help="what the folders in DIR are, as dataset.layout of a run; default: %(default)s",
    )  # fmt: skip


def read_folder(options: argparse.Namespace) -> ImageTree:
    """The images of DIR, read as --layout says."""
    from fashion_exp.configuration.schema import Layout
    from fashion_exp.inspection.image_tree import scan_folder

    return scan_folder(options.folder, Layout(options.layout))


def validate(options: argparse.Namespace) -> None:
    """Raises `InputError` for invalid values of the shared options."""
    if not options.max_megapixels > 0:
        raise InputError(f"--max-megapixels {options.max_megapixels:g}: must be above 0")
    if options.into:
        writable_folder(options.into, "--into")


def stderr_if_json(options: argparse.Namespace) -> Console:
    """Console for progress and text; with --json, stdout carries only the JSON."""
    from fashion_exp.reporting.console import plain_console

    return plain_console(stderr=options.json)


def inspect_images(
    tree: ImageTree, options: argparse.Namespace, progress: Progress
) -> Iterator[tuple[int, ImageInspection]]:
    """(position in `tree.images`, inspection) of every image, new or from the cache."""
    from fashion_exp.inspection.cache import InspectionCache, inspect_files
    from fashion_exp.process import cpu_count

    cache = InspectionCache(outputs_dir(options.outputs) / "cache" / "looks.sqlite")
    tick = progress.stage("inspecting photos", len(tree.images))
    return inspect_files(tree.images, cache, options.max_megapixels, cpu_count(), tick)


def all_inspections(
    tree: ImageTree, options: argparse.Namespace, progress: Progress
) -> list[ImageInspection]:
    """One inspection per image of the tree."""
    inspections = dict(inspect_images(tree, options, progress))
    return [inspections[position] for position in range(len(tree.images))]


def page_folder(options: argparse.Namespace, root: Path) -> Path:
    """--into, or a folder in outputs that is unique to the data folder."""
    if options.into:
        return expand_user(options.into, "--into").resolve()
    resolved = root.resolve()
    suffix = hashlib.sha256(str(resolved).encode(errors="surrogateescape")).hexdigest()[:6]
    return outputs_dir(options.outputs) / "data" / f"{resolved.name}-{suffix}"


def publish(
    report: FolderReport,
    subcommand: str,
    tree: ImageTree,
    options: argparse.Namespace,
    warnings: Sequence[str] = (),
) -> None:
    """Writes SUBCOMMAND.html and .json into the page folder; prints the JSON or the conclusions.

    `warnings` are appended to the conclusions; empty ones are skipped.
    """
    from fashion_exp.inspection.image_tree import display_path
    from fashion_exp.reporting.photo_page import PhotoPage, write_photo_page
    from fashion_exp.reporting.tables import first_rows

    folder = page_folder(options, tree.root)
    page = folder / f"{subcommand}.html"
    conclusions = [*report.conclusions, *tree.notes, *filter(None, warnings)]
    root = display_path(tree.root)
    title = f"{subcommand.capitalize()}: {root}"
    footer = f"The same results as JSON: {subcommand}.json."
    data = {"folder": root, "files": len(tree.images), **report.data, "page": display_path(page)}
    text = json.dumps(data, indent=1, ensure_ascii=False)
    try:
        write_photo_page(PhotoPage(title, conclusions, report.sections, footer), page)
        write_text(page.with_suffix(".json"), text + "\n")
    except OSError as error:
        raise InputError(
            f"--into {folder}: cannot be written ({os_error_reason(error)})"
        ) from error
    if options.json:
        print(text)
        return
    console = stderr_if_json(options)
    for sentence in conclusions:
        console.print(sentence)
    for table in report.sections[0].tables:
        if table.rows:
            console.print(first_rows(table, MAX_ROWS_SHOWN, page))
    for name in ("quarantine", "groups", "conflicts", "page"):
        if path := data.get(name):
            line = f"{name + ':':<13}{path}"
            console.print(line, soft_wrap=True)

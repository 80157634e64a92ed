"""What the verbs that look through a folder have in common: their words, and the looking."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.atomic_io import write_text
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    from rich.console import Console

    from fashion_exp.reporting.photo_page import Album
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.tables import PlainTable
    from fashion_exp.tools.curate.image_tree import Place
    from fashion_exp.tools.curate.inspection import Look

CODES = "Exit codes: 0 done, whatever was found; 2 a mistake in the words or the lists; 130 stopped"


def parser(verb: str, does: str | None) -> argparse.ArgumentParser:
    """With the words that all of them take."""
    own = argparse.ArgumentParser(f"fashion_exp data {verb}", description=does, epilog=CODES)
    own.add_argument("folder", metavar="DIR", help="photos in a folder per class, or any below it")
    own.add_argument("--json", action="store_true", help="for programs: all that was found")
    own.add_argument("--into", help="the folder for the page; default: one in outputs/data/")
    own.add_argument("--outputs", help="where pages and kept looks are; default: as for runs")
    own.add_argument(
        "--max-megapixels", type=float, default=40.0, help="files of more are not decoded"
    )
    return own


def checked(options: argparse.Namespace) -> None:
    """Raises `InputError` for what the words alone show to be wrong."""
    if not options.max_megapixels > 0:
        raise InputError(f"--max-megapixels {options.max_megapixels:g}: a number above 0")
    if options.into and Path(options.into).expanduser().is_file():
        raise InputError(f"--into {options.into}: is a file; name a folder")


def looks_at(
    places: Sequence[Place], options: argparse.Namespace, progress: Progress
) -> list[Look]:
    """Each file's, taken now or kept from an earlier time."""
    from fashion_exp.data.parallel import cores
    from fashion_exp.tools.curate.inspection_cache import LookStore, look_at_all

    store = LookStore(outputs_dir(options.outputs) / "cache" / "looks.sqlite")
    tick = progress.stage("looking at photos", len(places))
    return look_at_all(places, store, options.max_megapixels, cores(), tick)


def shown(path: Path) -> str:
    """The whole path, as it can be printed and written."""
    from fashion_exp.data.image_files import printable

    return printable(str(path.resolve()))


def page_folder(options: argparse.Namespace, root: Path) -> Path:
    """Where the page goes: the folder asked for, or one of its own for each data folder."""
    if options.into:
        return Path(options.into).expanduser().resolve()
    real = root.resolve()
    mark = hashlib.sha256(str(real).encode(errors="surrogateescape")).hexdigest()[:6]
    return outputs_dir(options.outputs) / "data" / f"{real.name}-{mark}"


def console_of(options: argparse.Namespace) -> Console:
    """For progress: beside the JSON, not in it."""
    from rich.console import Console

    return Console(stderr=options.json)


def tell(
    console: Console,
    options: argparse.Namespace,
    verb: str,
    data: dict[str, Any],
    album: Album,
    table: PlainTable | None,
    folder: Path,
    more: Sequence[str] = (),
) -> None:
    """Writes the page and the data beside it; prints either the data or what a person reads.

    `more` sentences join the page's answer.
    """
    from fashion_exp.reporting.photo_page import write_album
    from fashion_exp.reporting.tables import rich_table

    album = replace(album, answer=[*album.answer, *filter(None, more)])
    try:
        page = write_album(album, folder / f"{verb}.html")
        text = json.dumps(data | {"page": shown(page)}, indent=1, ensure_ascii=False)
        write_text(folder / f"{verb}.json", text + "\n")
    except OSError as error:
        raise InputError(f"--into {folder}: cannot be written ({error.strerror})") from error
    if options.json:
        print(text)
        return
    for sentence in album.answer:
        console.print(sentence, highlight=False, markup=False)
    if table is not None and table.rows:
        console.print(rich_table(table))
    for name in ("quarantine", "groups", "conflicts"):
        if data.get(name):
            line = f"{name + ':':<13}{data[name]}"
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{'page:':<13}{shown(page)}", soft_wrap=True, highlight=False, markup=False)

"""Search an index by photos and words: `search PHOTO`, `search "red striped dress"`,
`search PHOTO "but blue"`. A word that is a file is a photo. The score is the product of the
similarity to the photos, the probabilities of classes and the shares of colors.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode, InputError, printable_line
from fashion_exp.paths import writable_file

if TYPE_CHECKING:
    from fashion_exp.retrieval.search import Results

_PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic"}


def run(arguments: list[str]) -> int:
    """Prints the photos found, best first; or serves a page. Raises `InputError`."""
    args = build_parser().parse_intermixed_args(arguments)
    photos, words = split_query(args.query)
    if args.serve and (photos or words):
        raise InputError("--serve: leave out the query; type it on the page")
    from fashion_exp.retrieval import require_lancedb

    require_lancedb()
    from fashion_exp.api.search import open_index

    index = open_index(args.index, outputs=args.outputs, uri=args.uri)
    if args.serve:
        from fashion_exp.inference.export import require_package

        for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
            require_package(package, "serve")
        from fashion_exp.retrieval.serving.server import serve

        return serve(index.searcher, args.host, args.port)
    if not (photos or words or args.where):
        raise InputError("search: needs photos, words or --where; or --serve for a page")
    page = writable_file(args.page, "--page") if args.page else None
    results = index.search(photos, words, args.top, args.where)
    if page is not None:
        from fashion_exp.retrieval.results_page import write_results_page

        write_results_page(results, " ".join(args.query), page)
    if args.json:
        print(json.dumps(as_json(results), indent=1))
    else:
        _print(results, index.location, args.page)
    return ExitCode.DONE


def split_query(words: Sequence[str]) -> tuple[list[str], str]:
    """The photos and the text of a query. Raises `InputError` for a photo that is not there."""
    photos, texts = list[str](), list[str]()
    for word in words:
        path = os.path.expanduser(word)
        if os.path.isfile(path):
            photos.append(path)
        elif os.path.isdir(path) and os.sep in word:
            raise InputError(f"{word}: a folder; give a photo, or words")
        elif Path(word).suffix.lower() in _PHOTO_SUFFIXES:
            raise InputError(f"{word}: no such file")
        else:
            texts.append(word)
    return photos, " ".join(texts)


def as_json(results: Results) -> dict[str, Any]:
    rows = results.rows.astype(object).where(results.rows.notna(), None)
    terms = [
        {"text": term.text, "kind": term.kind, "word": term.word, "negated": term.negated,
         "how": term.how or "word"}
        for term in results.words.terms
    ]  # fmt: skip
    return {"understood": terms, "not_understood": list(results.words.unknown),
            "read_by": results.words.read_by,
            "photos": rows.to_dict("records")}  # fmt: skip


def common_folder(folders: Sequence[str]) -> str:
    """The folder that all are in; "" if there is none, as between relative and absolute ones."""
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return ""


def _print(results: Results, location: str, page: str | None) -> None:
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import copies_text, pluralize
    from fashion_exp.reporting.tables import PlainTable

    notes = [f"read as: {results.words.sentence}"] if results.words.sentence else []
    folders = [os.path.dirname(path) for path in results.rows["path"]]
    folder, rows = common_folder(folders), list[list[str]]()
    for number, row in enumerate(results.rows.to_dict("records"), start=1):
        copies = copies_text(row["copies"])
        gone = " (file is gone)" if row["missing"] else ""
        name = os.path.relpath(row["path"], folder) if folder else row["path"]
        shown = printable_line(f"{name}{gone}{copies}")
        rows.append([str(number), f"{row['score']:.2f}", shown, row["color"], row["why"]])
    if lost := int(results.rows["missing"].sum()):
        notes.append(
            f"{pluralize(lost, 'photo')} shown here {'has' if lost == 1 else 'have'} no file any "
            "more; `index build` again brings the index up to date"
        )
    console = plain_console()
    if rows:
        header = ["", "score", "photo", "color", "why"]
        intro = [f"Photos in {folder}"] if folder else []
        console.print(PlainTable(header, rows, intro=intro, notes=notes, optional=["color"]))
    else:
        console.print("no photos found", *notes, sep="\n", markup=False, highlight=False)
    console.print(f"index: {location}", soft_wrap=True, markup=False, highlight=False)
    if page:
        console.print(f"page:  {page}", soft_wrap=True, markup=False, highlight=False)


def build_parser() -> Parser:
    parser = Parser(
        prog="fashion_exp search", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("query", metavar="PHOTO|WORDS", nargs="*", help="photos and words")
    parser.add_argument(
        "--in", dest="index", metavar="INDEX",
        help="name, folder or address of an index; default: the only one",
    )  # fmt: skip
    parser.add_argument("--top", type=int, default=24, help="photos shown; default: 24")
    parser.add_argument(
        "--where", metavar="CONDITION", help="on attributes: 'price<50 and size=\"M\"'"
    )
    parser.add_argument("--page", metavar="FILE", help="write the photos found as an HTML page")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--serve", action="store_true", help="a page to search with, over HTTP")
    parser.add_argument("--host", default="127.0.0.1", help="of --serve; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="of --serve; default: 8001; 0: any")
    parser.add_argument("--uri", help="tracking store of a run given by its id")
    parser.add_argument("--outputs", help="folder of the indexes; default: as for experiments")
    return parser

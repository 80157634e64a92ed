"""Index photos to search them by picture and by words.

index build PHOTOS --by RUN|MODEL… [--into NAME]   features, colors and attributes of each photo
index show [NAME]                                  what an index holds
index list                                         all indexes
index evaluate [NAME] [OTHER]                      how well it finds, with intervals
index delete NAME
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser, split_names
from fashion_exp.errors import ExitCode, InputError, printable_line
from fashion_exp.paths import outputs_dir, with_outputs_option

if TYPE_CHECKING:
    from fashion_exp.api.search import Index


def run(arguments: list[str]) -> int:
    """Returns 3 if photos could not be read. Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    from fashion_exp.retrieval import require_lancedb

    require_lancedb()
    return int(_ACTIONS[args.action](args))


def _build(args: argparse.Namespace) -> int:
    from fashion_exp.api.search import build_index

    weights = dict(_pair(text) for text in args.weights or ())
    index = build_index(
        args.photos, split_names(args.by) or [], into=args.into, attributes=args.attributes,
        weights=weights, outputs=args.outputs, uri=args.uri,
    )  # fmt: skip
    built = index.built
    assert built is not None
    code = ExitCode.SOME_FAILED if built.unreadable else ExitCode.DONE
    counts = {"photos": len(index), "added": built.added, "changed": built.changed,
              "deleted": built.deleted}  # fmt: skip
    if args.json:
        print(json.dumps({"index": index.location, **counts, "unreadable": dict(built.unreadable)}))
        return code
    print(
        f"{len(index):,} photos: "
        + ", ".join(f"{n:,} {word}" for word, n in counts.items() if word != "photos")
    )
    for path, reason in list(built.unreadable.items())[:20]:
        print(printable_line(f"not read: {path}: {reason}"))
    print(f"index: {index.location}")
    search = f"scripts/run search 'red dress' --in {args.into}"
    print(f"to search it: {with_outputs_option(search, outputs_dir(args.outputs))}")
    return code


def _pair(text: str) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    if not (equals and name and file):
        raise InputError(f"--weights {text}: write NETWORK=FILE")
    return name, file


def _show(args: argparse.Namespace) -> int:
    index = _open(args, args.name)
    about, photos = index.photos.about, index.photos
    rows = photos.rows(["color", "pattern", "copies"])
    content = {
        "index": index.location, "photos": len(index), "files": int(rows["copies"].sum()),
        "by": list(about.by), "networks": about.identity, "classes": list(about.classes),
        "attributes": list(about.attributes), "sources": list(about.sources),
        "colors": rows["color"].value_counts().to_dict(),
        "patterns": rows["pattern"].value_counts().to_dict(),
    }  # fmt: skip
    if args.json:
        print(json.dumps(content, indent=1))
        return ExitCode.DONE
    for name, value in content.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {count}" for key, count in value.items())
        elif name == "networks":
            value = "; ".join(", ".join(network.values()) for network in about.identity)
        elif isinstance(value, list):
            value = ", ".join(map(str, value)) or "none"
        print(printable_line(f"{name + ':':<12}{value}"))
    return ExitCode.DONE


def _list(args: argparse.Namespace) -> int:
    from fashion_exp.retrieval.index import known_indexes

    folder = outputs_dir(args.outputs)
    names = known_indexes(folder)
    if args.json:
        print(json.dumps({"folder": str(folder / "indexes"), "indexes": names}))
    else:
        print(
            "\n".join(names) if names else "no indexes; make one with `index build PHOTOS --by RUN`"
        )
    return ExitCode.DONE


def _delete(args: argparse.Namespace) -> int:
    index = _open(args, args.name)
    index.photos.delete()
    print(f"deleted: {index.location}; the photos are untouched")
    return ExitCode.DONE


def _evaluate(args: argparse.Namespace) -> int:
    from fashion_exp.retrieval.evaluation import metric_names

    first, *others = [_open(args, name) for name in args.names or [None]]
    report = first.evaluate(*others, by=args.by, words=args.words, queries=args.queries)
    if args.json:
        print(json.dumps(report.as_json(metric_names()), indent=1))
        return ExitCode.DONE
    from fashion_exp.reporting.console import plain_console

    console = plain_console()
    for part in report.parts:
        console.print(part)
    return ExitCode.DONE


def _open(args: argparse.Namespace, name: str | None) -> Index:
    from fashion_exp.api.search import open_index

    return open_index(name, outputs=args.outputs, uri=getattr(args, "uri", None))


_ACTIONS = {"build": _build, "show": _show, "list": _list, "delete": _delete, "evaluate": _evaluate}


def build_parser() -> Parser:
    parser = Parser(
        prog="fashion_exp index", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit codes: 0 done; 2 invalid arguments; 3 some photos could not be read.",
    )  # fmt: skip
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="index photos, or bring an index up to date")
    build.add_argument("photos", metavar="PHOTOS", nargs="+", help="folders, files, patterns, CSV")
    build.add_argument(
        "--by", action="append", required=True, metavar="RUN|MODEL",
        help="a run, networks of timm (mobilenetv1_100,tf_efficientnet_lite2), or clip:MODEL",
    )  # fmt: skip
    build.add_argument(
        "--into", default="photos", metavar="INDEX",
        help="a name, a folder, or an address such as s3://BUCKET/photos; default: photos",
    )  # fmt: skip
    build.add_argument("--attributes", metavar="CSV", help="columns of photos, by `path`")
    build.add_argument(
        "--weights", action="append", metavar="NETWORK=FILE", help="weights of a network of --by"
    )
    show = actions.add_parser("show", help="what an index holds")
    show.add_argument("name", metavar="INDEX", nargs="?")
    delete = actions.add_parser("delete", help="delete an index, not its photos")
    delete.add_argument("name", metavar="INDEX")
    listing = actions.add_parser("list", help="all indexes")
    evaluate = actions.add_parser(
        "evaluate", help="how well photos find others of the same label, with intervals"
    )
    evaluate.add_argument("names", metavar="INDEX", nargs="*", help="several are compared")
    evaluate.add_argument(
        "--by", default="folder", metavar="COLUMN", help="the label; default: folder"
    )
    evaluate.add_argument(
        "--words", metavar="CSV", help="also by words: labeled photos with path, class, color"
    )
    evaluate.add_argument("--queries", type=int, default=2000, help="most photos; default: 2000")
    for action in (build, show, delete, listing, evaluate):
        action.add_argument("--outputs", help="folder of the indexes; default: as for experiments")
        if action is not delete:
            action.add_argument("--json", action="store_true", help="machine-readable output")
    for action in (build, evaluate):
        action.add_argument("--uri", help="tracking store of a run given by its id")
    return parser

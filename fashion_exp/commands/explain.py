"""`explain`: what the networks of a run look at in photos, as pictures."""

from __future__ import annotations

import json
import sys

from fashion_exp.commands.parser import Parser, split_names
from fashion_exp.errors import ExitCode, InputError, printable_line
from fashion_exp.paths import writable_folder


def run(arguments: list[str]) -> int:
    """Writes the pictures and a page; prints what the check says. Returns 3 if a photo could not be
    read. Raises `InputError`."""
    args = build_parser().parse_intermixed_args(arguments)
    if args.count is not None and args.count < 1:
        raise InputError(f"--count {args.count}: must be 1 or more")
    into = writable_folder(args.into, "--into") if args.into else None
    from fashion_exp.api.runs import load
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    with Progress(plain_console(file=sys.stderr)) as progress:
        explained = load(args.run, uri=args.uri, outputs=args.outputs).explain(
            args.photos or None,
            count=args.count,
            class_name=args.class_name,
            models=split_names(args.model),
            methods=args.method,
            check=args.check,
            into=into,
            progress=progress,
        )
    code = ExitCode.SOME_FAILED if explained.unreadable else ExitCode.DONE
    if args.json:
        document = {
            "page": str(explained.page), "photos": explained.rows, "checks": explained.checks,
            "unreadable": explained.unreadable,
        }  # fmt: skip
        print(json.dumps(document, indent=2))
        return code
    print(*explained.sentences, sep="\n", end="\n" * bool(explained.sentences))
    for name, reason in explained.unreadable.items():
        print(printable_line(f"not read: {name}: {reason}"))
    print(f"pictures: {explained.page.parent}")
    print(f"page:     {explained.page}")
    return code


def build_parser() -> Parser:
    parser = Parser(
        prog="fashion_exp explain", description=__doc__,
        epilog="Exit codes: 0 done; 2 invalid arguments; 3 some photos could not be read.",
    )  # fmt: skip
    parser.add_argument(
        "run", metavar="RUN", help="folder, name or tracked id of a run, or a sweep"
    )
    parser.add_argument(
        "photos", metavar="PHOTO", nargs="*",
        help="files, folders, patterns, a CSV list, or - for paths on standard input; default: the "
        "misclassified photos of the run, the most confident first",
    )  # fmt: skip
    parser.add_argument(
        "--count", type=int,
        help="explain at most so many photos; default: all named ones, or 24 misclassified ones",
    )  # fmt: skip
    parser.add_argument(
        "--class", dest="class_name", metavar="CLASS", help="explain it; default: the predicted one"
    )
    parser.add_argument(
        "--model", action="append", help="trainings, such as r0f0 or r0f0,r1f0; default: all"
    )
    parser.add_argument(
        "--method", action="append",
        help="activation or occlusion; default: both, as far as the run has them",
    )  # fmt: skip
    parser.add_argument(
        "--no-check", dest="check", action="store_false",
        help="no deletion curves: much faster, but nothing says whether the maps matter",
    )  # fmt: skip
    parser.add_argument("--into", help="folder to write; default: explain/ in the run's folder")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--uri", help="URI of the tracking store")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    return parser

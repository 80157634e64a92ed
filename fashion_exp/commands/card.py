"""`card`: a model card of a run, in Markdown and as a page, derived from the run's files."""

from __future__ import annotations

import json

from fashion_exp.commands.parser import Parser
from fashion_exp.paths import writable_folder


def run(arguments: list[str]) -> int:
    """Writes both and prints their paths. Raises `InputError`."""
    parser = Parser(prog="fashion_exp card", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder, name or id of a run, or a sweep")
    parser.add_argument("--into", help="folder to write; default: the folder of the run")
    parser.add_argument("--json", action="store_true", help="print the card as JSON, write nothing")
    parser.add_argument("--uri", help="URI of the tracking store")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    args = parser.parse_args(arguments)
    into = writable_folder(args.into, "--into") if args.into else None
    from fashion_exp.api.runs import load
    from fashion_exp.reporting.photo_page import as_json

    loaded = load(args.run, uri=args.uri, outputs=args.outputs)
    if args.json:
        print(json.dumps(as_json(loaded.card()), indent=2, ensure_ascii=False))
        return 0
    files = loaded.write_card(into)
    print(f"card: {files.markdown}")
    print(f"page: {files.page}")
    return 0

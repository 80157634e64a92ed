"""`data collect`: collect images by a plan of search terms, with license and creator."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError

if TYPE_CHECKING:  # imported late, so that --help and input errors are fast
    from fashion_exp.tools.collect.plan_file import PlanFile
    from fashion_exp.tools.collect.plan_lint import PlanWarning
    from fashion_exp.tools.collect.provider import Provider

DONE, STOPPED, INCOMPLETE = 0, 1, 3

EPILOG = """\
plan file:

  classes:                      # a folder per class, with its search terms
    dress: [dress]
    shirt: {terms: [shirt], target: 500}
  prefixes: [red, blue, gray]   # colors: red dress, blue dress, ...; recorded as an attribute
  cap: 100                      # maximum number of results to examine per query
  target: 1000                  # number of images per class
  providers:                    # default: openverse only
    - openverse                 # or {kind: openverse, licences: [cc0, pdm, by, by-sa]}
    - {kind: urls, file: list.csv}      # columns url, class; optional: licence, creator, group ...
    - {kind: folder, path: photos}      # with a subfolder per class

Run the same command again to resume: it downloads nothing twice, tries failed images again, and
does not restore images that you deleted. Then train: dataset=csv dataset.manifest=DIR/images.csv.

Environment: OPENVERSE_TOKEN, an access token that raises the rate limits.
Exit codes: 0 each class has its target; 1 a provider stopped early; 2 an error in the plan or the
options; 3 all results were examined and a class is below its target.
"""


def run(arguments: list[str]) -> int:
    """Collects images and prints a summary. Raises `InputError` for invalid input."""
    options = _create_parser().parse_args(arguments)
    _check_options(options)
    from fashion_exp.tools.collect.plan_file import read_plan
    from fashion_exp.tools.collect.plan_lint import lint

    file = read_plan(Path(options.plan).expanduser())
    warnings = lint(file)
    for warning in warnings:
        print(f"{file.path}, line {warning.line}: {warning.text}", file=sys.stderr)
    return (_show_queries if options.dry_run else _collect)(file, warnings, options)


def _create_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fashion_exp data collect", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("plan", help="YAML file, see below")
    add("--into", metavar="DIR", help="folder of the collection")
    add("--dry-run", action="store_true", help="print the queries without sending them")
    add("--json", action="store_true", help="print the summary as JSON")
    for name, default, text in (
        ("pace", 1.0, "seconds between two requests to a host"),
        ("patience", 300.0, "longest wait for a busy host in seconds"),
        ("deadline", 60.0, "longest transfer of a file in seconds"),
        ("largest", 20.0, "largest file in megabytes"),
    ):
        add(f"--{name}", type=float, default=default, help=f"{text}; default: %(default)g")
    add("--contact", default="", help="your e-mail or web address, sent to the servers")
    add(
        "--allow-address", action="append", default=[], metavar="IP",
        help="private address or network of yours that may be accessed",
    )  # fmt: skip
    return parser


def _check_options(options: argparse.Namespace) -> None:
    if not options.into and not options.dry_run:
        raise InputError("--into: give the folder of the collection, or use --dry-run")
    for name, maximum in (("deadline", 86_400), ("largest", 10_000)):
        value = getattr(options, name)
        if not 0 < value <= maximum:
            raise InputError(f"--{name} {value:g}: must be greater than 0 and at most {maximum:,}")
    for name in ("pace", "patience"):
        value = getattr(options, name)
        if not value >= 0:
            raise InputError(f"--{name} {value:g}: must not be negative")
    if not (options.contact.isascii() and options.contact.isprintable()):
        raise InputError("--contact: must be one line of ASCII text (it is sent as a header)")


def _show_queries(file: PlanFile, warnings: list[PlanWarning], options: argparse.Namespace) -> int:
    providers = _providers(file, options, print)
    queries = {
        label: [query for provider in providers for query in provider.queries(label)]
        for label in file.plan.classes
    }
    texts = {label: [query.text for query in queries[label]] for label in queries}
    if options.json:
        print(json.dumps({"queries": texts, "warnings": [asdict(item) for item in warnings]}))
        return DONE
    for label in queries:
        total = sum(query.cap for query in queries[label])
        query_list = ", ".join(texts[label])
        print(f"{label}: {len(texts[label])} queries, at most {total} results: {query_list}")
    return DONE


def _collect(file: PlanFile, warnings: list[PlanWarning], options: argparse.Namespace) -> int:
    from fashion_exp.data.sources.walk import COLLECTED_MANIFEST
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.tools.collect.collector import collect
    from fashion_exp.tools.collect.summary import print_summary

    folder = Path(options.into).expanduser().resolve()
    _check_sources(file, folder)
    errors, output = plain_console(stderr=True), plain_console()
    log = partial(errors.print, soft_wrap=True)
    providers = _providers(file, options, log)
    with _disk_errors(folder):
        result = collect(file.plan, folder, providers, _max_bytes(options), errors)
    for message in result.stop_messages:
        log(f"fashion_exp: {message}")
    if options.json:
        report = {
            "into": str(folder),
            "page": str(result.page),
            "classes": {item.label: item.to_json() for item in result.summaries},
            "conflicts": result.conflicts,
            "warnings": [asdict(warning) for warning in warnings],
            "stopped": result.stop_messages,
        }
        print(json.dumps(report, indent=1))
    else:
        print_summary(result.summaries, output)
        for files in result.conflicts:
            print(f"same image in several classes (ignored by training): {', '.join(files)}")
        print(f"page:   {result.page}")
        if sum(item.accepted > 0 for item in result.summaries) > 1:
            command = [
                "scripts/run",
                "dataset=csv",
                f"dataset.manifest={folder / COLLECTED_MANIFEST}",
            ]
            print(f"train:  {shlex.join(command)}")
    if result.stop_messages:
        return STOPPED
    is_complete = all(item.accepted >= item.target for item in result.summaries)
    return DONE if is_complete else INCOMPLETE


def _check_sources(file: PlanFile, folder: Path) -> None:
    from fashion_exp.tools.collect.plan import FolderSource

    for source in file.plan.providers:
        if isinstance(source, FolderSource) and file.resolve(source.path).resolve() == folder:
            raise InputError(
                f"--into {folder}: is a source folder of the plan; choose another folder"
            )


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Reports a full disk and similar errors as input errors."""
    try:
        yield
    except OSError as error:
        from fashion_exp.errors import os_error_reason

        raise InputError(
            f"{error.filename or folder}: {os_error_reason(error)}; fix the cause and run the same "
            "command again to continue"
        ) from error


def _providers(
    file: PlanFile, options: argparse.Namespace, notify: Callable[[str], None]
) -> list[Provider]:
    from fashion_exp.tools.collect.collector import create_providers
    from fashion_exp.tools.collect.fetcher import Fetcher
    from fashion_exp.tools.collect.openverse import TOKEN_VARIABLE
    from fashion_exp.tools.collect.rate_limit import RateLimiter
    from fashion_exp.tools.collect.url_guard import UrlGuard, parse_networks

    fetcher = Fetcher(
        UrlGuard(parse_networks(options.allow_address)),
        RateLimiter(options.pace, options.patience, notify=notify),
        options.deadline,
        options.contact,
    )
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return create_providers(file, fetcher, _max_bytes(options), token)


def _max_bytes(options: argparse.Namespace) -> int:
    return round(options.largest * 1e6)

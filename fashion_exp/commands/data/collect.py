"""`data collect`: photos gathered by a plan, with where each came from and whom to thank."""

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
from typing import TYPE_CHECKING, Any

from fashion_exp.errors import InputError

if TYPE_CHECKING:  # what takes time to load, and --help and a typo need not wait for
    from fashion_exp.tools.collect.lint import Doubt
    from fashion_exp.tools.collect.manifest import Manifest
    from fashion_exp.tools.collect.plan_file import PlanFile
    from fashion_exp.tools.collect.progress_counts import Tally
    from fashion_exp.tools.collect.providers import Provider

DONE, STOPPED, SHORT = 0, 1, 3

EPILOG = """\
a plan:

  classes:                      # a folder each, with its search terms
    dress: [dress]
    shirt: {terms: [shirt], target: 500}
  prefixes: [red, blue, grey]   # colours: red dress, blue dress, ...; kept as an attribute
  cap: 100                      # results looked at of each query
  target: 1000                  # pictures wanted of each class
  providers:                    # the default is openverse alone
    - openverse                 # or {kind: openverse, licences: [cc0, pdm, by, by-sa]}
    - {kind: urls, file: list.csv}      # columns url, class; licence, creator, group ...
    - {kind: folder, path: photos}      # with a folder for each class

The same line goes on where it stopped: nothing is fetched twice, what failed is tried again, and
what you delete stays deleted. Then: dataset=csv dataset.manifest=DIR/images.csv.

OPENVERSE_TOKEN in the environment: an access token, for wider limits.
exit codes: 0 each class has its target; 1 a provider stopped before; 2 a mistake in the plan or
the line; 3 all was looked at, and a class has less than its target.
"""


def run(arguments: list[str]) -> int:
    """Collects, and prints what came of it. Raises `InputError` for what cannot be done."""
    options = _parser().parse_args(arguments)
    _check(options)
    from fashion_exp.tools.collect.lint import lint
    from fashion_exp.tools.collect.plan_file import read_plan

    file = read_plan(Path(options.plan).expanduser())
    warnings = lint(file)
    for warning in warnings:
        print(f"{file.path}, line {warning.line}: {warning.text}", file=sys.stderr)
    return (_tell if options.dry_run else _collect)(file, warnings, options)


def _parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(
        prog="fashion_exp data collect", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    own.add_argument("plan", help="a YAML file, see below")
    own.add_argument("--into", metavar="DIR", help="the collection's folder")
    own.add_argument("--dry-run", action="store_true", help="tell the queries, ask nobody")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument(
        "--pace",
        type=float,
        default=1.0,
        help="seconds between requests to a host; default: %(default)g",
    )
    own.add_argument(
        "--patience",
        type=float,
        default=300.0,
        help="longest wait for a busy host, seconds; default: %(default)g",
    )
    own.add_argument(
        "--deadline",
        type=float,
        default=60.0,
        help="longest transfer of a file, seconds; default: %(default)g",
    )
    own.add_argument(
        "--largest", type=float, default=20.0, help="largest file, megabytes; default: %(default)g"
    )
    own.add_argument("--contact", default="", help="your mail or web address, told to the servers")
    own.add_argument(
        "--allow-address", action="append", default=[], metavar="IP",
        help="an address or network of yours that may be asked although it is private",
    )  # fmt: skip
    return own


def _check(options: argparse.Namespace) -> None:
    if not options.into and not options.dry_run:
        raise InputError("--into: name the folder to collect into, or --dry-run")
    for name, most in (("deadline", 86_400), ("largest", 10_000)):
        if not 0 < getattr(options, name) <= most:
            raise InputError(
                f"--{name} {getattr(options, name):g}: must be greater than 0, at most {most:,}"
            )
    for name in ("pace", "patience"):
        if not getattr(options, name) >= 0:
            raise InputError(f"--{name} {getattr(options, name):g}: must not be negative")
    if not (options.contact.isascii() and options.contact.isprintable()):
        raise InputError("--contact: is sent in a header, and must be one line of plain ASCII")


def _tell(file: PlanFile, warnings: list[Doubt], options: argparse.Namespace) -> int:
    """The queries, without asking anybody."""
    providers = _providers(file, options, print)
    asked = {
        label: [query.text for one in providers for query in one.queries(label)]
        for label in file.plan.classes
    }
    if options.json:
        print(json.dumps({"queries": asked, "warnings": [asdict(one) for one in warnings]}))
        return DONE
    for label, texts in asked.items():
        most = sum(query.cap for one in providers for query in one.queries(label))
        print(f"{label}: {len(texts)} queries, at most {most} results: {', '.join(texts)}")
    return DONE


def _collect(file: PlanFile, warnings: list[Doubt], options: argparse.Namespace) -> int:
    from rich.console import Console

    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.collect.collection import Collection
    from fashion_exp.tools.collect.decoder import Decoder
    from fashion_exp.tools.collect.exports import refuse_foreign
    from fashion_exp.tools.collect.image_store import held
    from fashion_exp.tools.collect.manifest import Manifest

    into = Path(options.into).expanduser().resolve()
    refuse_foreign(into)
    _refuse_own(file, into)
    errors = Console(stderr=True)
    say = partial(errors.print, soft_wrap=True, highlight=False, markup=False)
    providers = _providers(file, options, say)
    with _writing(into), held(into), Manifest(into) as manifest, Decoder() as decoder:
        with Progress(errors) as progress:
            collection = Collection(
                file.plan, into, providers, manifest, decoder, progress, _largest(options)
            )
            try:
                collection.run()
            finally:  # an interrupted collection is a data set too
                _export(file, manifest, into)
        tallies, page = _conclude(file, manifest, decoder, into)
        told = _told(into, page, tallies, warnings, manifest, list(collection.stopped.values()))
    for line in told["stopped"]:
        say(f"fashion_exp: {line}")
    if options.json:
        print(json.dumps(told, indent=1))
    else:
        _print(told, tallies)
    if collection.stopped:
        return STOPPED
    return SHORT if any(one.accepted < one.wanted for one in tallies) else DONE


def _refuse_own(file: PlanFile, into: Path) -> None:
    from fashion_exp.tools.collect.plan import FolderSource

    for source in file.plan.providers:
        if isinstance(source, FolderSource) and file.beside(source.path).resolve() == into:
            raise InputError(
                f"--into {into}: is the plan's own source; each photo would be copied beside itself"
            )


@contextmanager
def _writing(into: Path) -> Iterator[None]:
    """A full disk and the like in one line."""
    try:
        yield
    except OSError as error:
        from fashion_exp.data.decode import reason

        raise InputError(
            f"{error.filename or into}: {reason(error)}; mend that, and the same line goes on"
        ) from error


def _providers(
    file: PlanFile, options: argparse.Namespace, tell: Callable[[str], None]
) -> list[Provider]:
    from fashion_exp.tools.collect.fetching import Fetcher
    from fashion_exp.tools.collect.openverse import TOKEN
    from fashion_exp.tools.collect.providers import providers
    from fashion_exp.tools.collect.rate_limit import Pace
    from fashion_exp.tools.collect.url_guard import Guard, networks

    fetcher = Fetcher(
        Guard(networks(options.allow_address)),
        Pace(options.pace, options.patience, tell=tell),
        options.deadline,
        options.contact,
    )
    return providers(file, fetcher, _largest(options), os.environ.get(TOKEN, "").strip())


def _largest(options: argparse.Namespace) -> int:
    """Bytes."""
    return round(options.largest * 1e6)


def _export(file: PlanFile, manifest: Manifest, into: Path) -> None:
    from fashion_exp.tools.collect.exports import write_attribution, write_images
    from fashion_exp.tools.collect.progress_counts import kept

    there = kept(manifest, into)
    write_images(into, there, file.plan.attribute)
    write_attribution(into, there)


def _conclude(
    file: PlanFile, manifest: Manifest, decoder: Any, into: Path
) -> tuple[list[Tally], Path]:
    """What each class has, and the page that shows it."""
    from fashion_exp.tools.collect.progress_counts import tally
    from fashion_exp.tools.collect.summary_page import write_sheet

    tallies = tally(file.plan, manifest, into)
    return tallies, write_sheet(file.plan, manifest, decoder, into, tallies)


def _told(
    into: Path,
    page: Path,
    tallies: list[Tally],
    warnings: list[Doubt],
    manifest: Manifest,
    stopped: list[str],
) -> dict[str, Any]:
    """What `--json` gives."""
    from fashion_exp.tools.collect.progress_counts import conflicts, present

    return {
        "into": str(into),
        "page": str(page),
        "classes": {one.label: asdict(one) for one in tallies},
        "conflicts": conflicts(present(manifest, into)),
        "warnings": [asdict(warning) for warning in warnings],
        "stopped": stopped,
    }


def _print(told: dict[str, Any], tallies: list[Tally]) -> None:
    from rich.console import Console

    from fashion_exp.data.sources.csv_manifest import IMAGES
    from fashion_exp.reporting.tables import rich_table
    from fashion_exp.tools.collect.summary_page import not_taken, summary

    console = Console()
    console.print(rich_table(summary(tallies)))
    if (reasons := not_taken(tallies)).rows:
        console.print("", rich_table(reasons), sep="\n")
    for files in told["conflicts"]:
        line = f"one picture under several classes, used by no training: {', '.join(files)}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    last = [f"page:   {told['page']}"]
    if sum(one.accepted > 0 for one in tallies) > 1:
        manifest = f"dataset.manifest={Path(told['into']) / IMAGES}"
        command = shlex.join(["scripts/run", "dataset=csv", manifest])
        last.append(f"train:  {command}")
    for line in last:
        console.print(line, soft_wrap=True, highlight=False, markup=False)

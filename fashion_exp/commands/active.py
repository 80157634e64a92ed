"""Which photos to label. With OPTION=VALUE of an experiment, strategies are simulated on labeled
photos and compared with a random choice. The same command continues after an interruption.
`active next RUN PHOTOS` chooses unlabeled photos: `active next --help`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser, split_names
from fashion_exp.errors import InputError
from fashion_exp.paths import writable_file

if TYPE_CHECKING:
    from collections.abc import Sequence

NEXT = """Which unlabeled photos to label next for a run, as a page that exports the decisions.
Photos of the run and copies are left out. --decided begins from the decisions of earlier pages."""


def run(arguments: list[str]) -> int:
    """Raises `InputError`."""
    if arguments[:1] == ["next"]:
        return _next(arguments[1:])
    return _simulate(arguments)


def _simulate(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="fashion_exp active", description=__doc__,
        epilog="Example: active strategy=margin,usdm dataset=folder dataset.root=PHOTOS "
        "model=probe model.name=resnet50",
    )  # fmt: skip
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE", help="of the experiment")
    parser.add_argument(
        "--strategy", action="append", metavar="NAME,NAME",
        help="strategies to compare with random, which is always run: least_confidence, margin, "
        "entropy, bald, coreset, badge, usdm; default: margin,usdm. Also: strategy=NAME,NAME",
    )  # fmt: skip
    parser.add_argument("--initial", type=int, metavar="N", help="labels of each class; default: 2")
    parser.add_argument("--count", type=int, metavar="N", help="labels of a round; default: 20")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 15")
    parser.add_argument(
        "--target", type=float, metavar="SHARE",
        help="accuracy to compare the numbers of labels at; default: the last one of random",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes; default: one for each core"
    )
    parser.add_argument("--config-dir", help="folder with choices of your own")
    parser.add_argument("--outputs", help="folder of the results; default: as for experiments")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    words = [f"--{word}" if word.startswith("strategy=") else word for word in arguments]
    args = parser.parse_intermixed_args(words)
    options = [*args.options]
    options += [f"outputs={args.outputs}"] if args.outputs else []
    options += [f"--config-dir={args.config_dir}"] if args.config_dir else []
    from fashion_exp.api.active import COUNT, INITIAL, ROUNDS, simulate_labeling

    simulation = simulate_labeling(
        *options, strategies=split_names(args.strategy) or ["margin", "usdm"],
        initial=INITIAL if args.initial is None else args.initial,
        count=COUNT if args.count is None else args.count,
        rounds=ROUNDS if args.rounds is None else args.rounds,
        target=args.target, workers=args.workers,
    )  # fmt: skip
    if args.json:
        print(
            json.dumps({**simulation.result.as_json(), "folder": str(simulation.folder)}, indent=1)
        )
        return 0
    from fashion_exp.reporting.console import plain_console

    console = plain_console()
    console.print(simulation.result.as_table())
    for sentence in simulation.result.sentences():
        console.print(sentence)
    console.print(f"files: {simulation.folder}", soft_wrap=True)
    return 0


def _next(arguments: Sequence[str]) -> int:
    parser = Parser(prog="fashion_exp active next", description=NEXT)
    parser.add_argument(
        "words", metavar="RUN PHOTOS", nargs="+",
        help="folder, name or tracked id of a run, then files, folders or CSV lists; with "
        "--between PHOTOS alone",
    )  # fmt: skip
    parser.add_argument(
        "--between", nargs=2, metavar="RUN",
        help="show only photos on which two runs differ, in random order, and tell from the "
        "--decided ones which run is better on all PHOTOS",
    )  # fmt: skip
    parser.add_argument("--count", type=int, metavar="N", help="photos to label; default: 50")
    parser.add_argument(
        "--strategy", metavar="NAME",
        help="random, least_confidence, margin, entropy, bald (of the run's models), coreset, "
        "badge, usdm; default: badge, or margin without a shared frozen backbone",
    )  # fmt: skip
    parser.add_argument(
        "--decided", action="append", default=[], metavar="FILE",
        help="decisions exported from earlier pages; these photos are left out",
    )  # fmt: skip
    parser.add_argument(
        "--manifest", metavar="FILE.csv",
        help="write the run's photos and the decided ones as a list to train on",
    )  # fmt: skip
    parser.add_argument(
        "--page", metavar="FILE", help="the page to write; default: below outputs/active"
    )
    parser.add_argument("--seed", type=int, help="of random choices; default: 0")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_intermixed_args(arguments)
    for option in ("page", "manifest"):
        if (value := getattr(args, option)) is not None:
            writable_file(value, f"--{option}")
    return _next_of_run(args) if args.between is None else _between(args)


def _next_of_run(args: argparse.Namespace) -> int:
    from fashion_exp.api.labeling import COUNT, SEED, label_next
    from fashion_exp.reporting.formats import pluralize

    run, *photos = args.words
    if not photos:
        raise InputError("active next: needs RUN and PHOTOS")
    chosen = label_next(
        run, photos, count=COUNT if args.count is None else args.count,
        strategy=args.strategy, decided=args.decided, page=args.page, manifest=args.manifest,
        seed=SEED if args.seed is None else args.seed, uri=args.uri, outputs=args.outputs,
    )  # fmt: skip
    if args.json:
        content = {"schema": 1, "paths": chosen.paths, "page": chosen.page and str(chosen.page),
                   "manifest": None if chosen.manifest is None else str(chosen.manifest),
                   "notes": chosen.notes}  # fmt: skip
        print(json.dumps(content, indent=1))
        return 0
    print(*chosen.notes, sep="\n")
    if chosen.page is not None:
        print(f"{pluralize(len(chosen.paths), 'photo')} to label: {chosen.page}")
    if chosen.manifest is not None:
        print(f"train: dataset=csv dataset.manifest={chosen.manifest}")
    return 0


def _between(args: argparse.Namespace) -> int:
    from fashion_exp.api.labeling import COUNT, SEED, label_between

    for option in ("strategy", "manifest"):
        if getattr(args, option) is not None:
            raise InputError(f"--{option}: has no effect with --between")
    first, second = args.between
    result = label_between(
        first, second, args.words, count=COUNT if args.count is None else args.count,
        decided=args.decided, page=args.page, seed=SEED if args.seed is None else args.seed,
        uri=args.uri, outputs=args.outputs,
    )  # fmt: skip
    page = None if result.page is None else str(result.page)
    if args.json:
        print(
            json.dumps({**result.result.as_json(), "page": page, "notes": result.notes}, indent=1)
        )
        return 0
    print(*result.notes, *result.result.sentences(), sep="\n")
    if page is not None:
        print(f"to label: {page}")
    return 0

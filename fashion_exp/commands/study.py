"""Several runs in one file: write it, show what it has, or add its runs to those of an outputs
folder, to be compared, reported and judged there.

  export  study export STUDY.zip [RUN|SWEEP …]: predictions, configs, splits, metrics and logs
  show    study show STUDY.zip: what it has, and its sizes
  import  study import STUDY.zip: add its runs to the outputs folder"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir, with_outputs_option

if TYPE_CHECKING:
    from fashion_exp.api.studies import Study
    from fashion_exp.study.import_study import PlacedRun


def run(arguments: list[str]) -> int:
    """Raises `InputError` for a run that does not exist, and an archive that cannot be used."""
    args = build_parser().parse_intermixed_args(arguments)
    is_export = args.action == "export"
    if not is_export and args.runs:
        raise InputError(f"study {args.action}: takes STUDY.zip alone")
    for name, used in {"weights": is_export, "thumbnails": is_export, "uri": is_export,
                       "root": args.action == "import", "code": args.action == "import",
                       "outputs": args.action != "show"}.items():  # fmt: skip
        if getattr(args, name) and not used:
            raise InputError(f"--{name}: has no effect on study {args.action}")
    if is_export:
        export(args)
    elif args.action == "show":
        _show(args)
    else:
        _import(args)
    return 0


def build_parser() -> Parser:
    parser = Parser(
        prog="fashion_exp study", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("action", choices=["export", "show", "import"], help="see above")
    parser.add_argument("file", metavar="STUDY.zip")
    parser.add_argument(
        "runs", nargs="*", metavar="RUN",
        help="a run or a sweep with all its jobs, as for compare; default: the newest sweep",
    )  # fmt: skip
    parser.add_argument(
        "--weights",
        action="store_true",
        help="with the models, and the backbones and the code of yours (extensions) they need",
    )
    parser.add_argument(
        "--thumbnails", action="store_true",
        help="with small pictures of the misclassified photos, for reports",
    )  # fmt: skip
    parser.add_argument("--root", metavar="FOLDER", help="import: where the photos are here")
    parser.add_argument(
        "--code", metavar="keep|drop",
        help="import: what happens to the code of runs that were trained with extensions",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--uri", help="export: URI of the tracking store, for filters")
    parser.add_argument(
        "--outputs", help="export, import: folder of the runs; default: as for experiments"
    )
    return parser


def export(args: argparse.Namespace) -> None:
    """Says the sizes before and after it writes the archive."""
    from fashion_exp.api.studies import Study, checked_archive, plan_study
    from fashion_exp.reporting.formats import data_size, pluralize

    path = checked_archive(args.file)
    plan = plan_study(
        args.runs, weights=args.weights, thumbnails=args.thumbnails, uri=args.uri,
        outputs=outputs_dir(args.outputs),
    )  # fmt: skip
    sizes, runs = plan.sizes, pluralize(len(plan.runs), "run")
    if not args.json:
        and_thumbnails = " and thumbnails" if plan.thumbnails else ""
        files = pluralize(len(sizes), "file")
        print(f"to pack: {runs}, {files}, {data_size(sum(sizes))}{and_thumbnails}", flush=True)
    study = Study(path, plan.write(path))
    if args.json:
        print(json.dumps({"planned_bytes": sum(sizes)} | study.as_json(), indent=1))
        return
    print(f"written: {path}, {data_size(path.stat().st_size)} ({_kinds(study.as_json())})")


def _kinds(content: dict[str, Any]) -> str:
    from fashion_exp.reporting.formats import data_size

    kinds = content["unpacked_by_kind"]
    return ", ".join(f"{kind} {data_size(size)}" for kind, size in kinds.items())


def _show(args: argparse.Namespace) -> None:
    from fashion_exp.api.studies import read_study

    study = read_study(args.file)
    if args.json:
        print(json.dumps(study.as_json(), indent=1))
    else:
        _print_study(study)


def _print_study(study: Study) -> None:
    from fashion_exp.reporting.formats import data_size

    content = study.as_json()
    print(f"{study.file}: {data_size(content['bytes'])}, written {content['created']}")
    print(f"unpacked: {content['files']:,} files, {data_size(content['unpacked'])} "
          f"({_kinds(content)})")  # fmt: skip
    for name in study.manifest.code:
        print(f"code: {name}")
    for run in study.manifest.runs:
        print(f"{run.folder}\n    {run.name or 'no result'}; {run.state}")


def _import(args: argparse.Namespace) -> None:
    from fashion_exp.api.studies import import_study, read_study
    from fashion_exp.reporting.formats import data_size

    study = read_study(args.file)
    if not args.json:
        content = study.as_json()
        print(f"to unpack: {content['files']:,} files, {data_size(content['unpacked'])}",
              flush=True)  # fmt: skip
    outputs = outputs_dir(args.outputs)
    placed = import_study(args.file, root=args.root, code=args.code, outputs=outputs)
    if args.json:
        runs = [vars(run) | {"folder": str(run.folder)} for run in placed]
        print(json.dumps(study.as_json() | {"imported": runs}, indent=1))
        return
    _print_placed(placed, kept_code=args.code == "keep")
    folders = {run.folder.parent if run.folder.parent.parent.name == "sweeps" else run.folder
               for run in placed}  # fmt: skip
    names = " ".join(sorted(folder.name for folder in folders))
    print(with_outputs_option(f"scripts/run compare {names}", outputs))


def _print_placed(placed: list[PlacedRun], kept_code: bool) -> None:
    from fashion_exp.evaluation.own_code import CODE_FOLDER, RUN_CODE

    for run in placed:
        print(f"{run.status}: {run.folder}")
    new = sum(run.status != "already here" for run in placed)
    print(f"{new} of {len(placed)} runs are new here.")
    for run in placed if kept_code else []:
        if run.status != "already here" and (run.folder / CODE_FOLDER).is_dir():
            print(
                f"code to read before {RUN_CODE}=1 lets it be executed: {run.folder / CODE_FOLDER}"
            )

"""Predict the classes of photos with a finished run. RUN is the folder of a run, its name, a sweep
(its winner), or the id of a tracked run. PHOTOS are files, folders, patterns ("new/**/*.jpg"), a
CSV file with a column path, or - for paths on standard input. By default the mean of the
probabilities of all models of the run counts."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser, split_names
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.paths import outputs_dir, writable_file

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


MAX_ROWS_SHOWN = 40
MIN_NAME = 20
"""Terminal columns that the name of a photo has at least; of longer ones the end is shown."""


def run(arguments: list[str]) -> int:
    """Returns 3 if a photo could not be read. Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    if args.processes is not None and args.processes < 0:
        raise InputError(f"--processes {args.processes}: must be 0 or more")
    into = writable_file(args.into, "--into") if args.into else None
    page = writable_file(args.page, "--page") if args.page else None
    if not 0 < args.coverage < 1:
        raise InputError(f"--coverage {args.coverage:g}: must be above 0 and below 1")
    from fashion_exp.inference.output import check_into, json_array, open_predictions

    if into is not None:
        check_into(into)
    from fashion_exp.experiment.worker import log_to_console
    from fashion_exp.inference.album import Album
    from fashion_exp.inference.calibration import load_calibration
    from fashion_exp.inference.predict import predict_paths
    from fashion_exp.inference.ray_cluster import predict_on_ray
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    console = plain_console(stderr=args.json)
    with log_to_console(console):
        trained = load_run(args.run, outputs_dir(args.outputs), args.uri, several=True)
    coverage = _coverage(args, trained.predicts_several)
    for name in (models := split_names(args.model)) or ():
        trained.check_model(name)
    paths = _list_inputs(args.photos, {"--into": into, "--page": page})
    album, shown = Album(trained), []
    with ExitStack() as stack:
        writers = [stack.enter_context(open_predictions(into))] if into else []
        writers += [stack.enter_context(json_array(sys.stdout))] if args.json else []
        progress = stack.enter_context(Progress(console))
        if coverage is not None:
            load_calibration(trained, progress)  # saved in the run's folder
        tick = progress.stage("predicting", len(paths))
        tables = (
            predict_on_ray(trained, paths, models, args.ray, tick, coverage)
            if args.ray
            else predict_paths(trained, paths, models, args.processes, tick, coverage)
        )
        for table in tables:
            album.add(table)
            for write in writers:
                write(table)
            if not writers and album.photos - len(table) < MAX_ROWS_SHOWN:
                shown.append(table)
    if page is not None:
        album.write(page)
    if shown:
        _print_rows(shown, album.photos)
    console.print(f"{album.summary}", soft_wrap=True)
    console.print(f"run:         {trained.run.path} ({trained.result.name})", soft_wrap=True)
    for name, file in (("predictions", into), ("page", page)):
        if file is not None:
            console.print(f"{name + ':':<13}{file}", soft_wrap=True)
    return ExitCode.SOME_FAILED if album.unreadable else ExitCode.DONE


def _coverage(args: Namespace, several: bool) -> float | None:
    """That of the prediction sets, if there are any: several classes at once have none. Raises
    `InputError` for options that are for one class."""
    if not several:
        return None if args.no_calibration else float(args.coverage)
    for option in [name for name in ("page", "ray") if getattr(args, name)]:
        raise InputError(
            f"--{option}: is for runs of one class for each photo, but {args.run} was trained "
            "with training.targets=several; use --into or --json"
        )
    return None


def build_parser() -> Parser:
    parser = Parser(
        prog="fashion_exp predict", description=__doc__,
        epilog="Exit codes: 0 done; 2 invalid arguments; 3 some photos could not be read.",
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN", help="the run whose models predict")
    parser.add_argument("photos", metavar="PHOTOS", nargs="+", help="see above")
    parser.add_argument("--into", metavar="FILE", help="write .csv, .parquet or .jsonl")
    parser.add_argument("--page", metavar="FILE", help="write an HTML page, most doubtful first")
    parser.add_argument("--json", action="store_true", help="print the predictions as JSON")
    parser.add_argument(
        "--model", metavar="NAME", action="append",
        help="predict with this model of the run, or with several (r0f0,r1f0); default: with all",
    )  # fmt: skip
    parser.add_argument(
        "--coverage", type=float, default=0.95, metavar="SHARE",
        help="share of photos whose class is in their prediction set; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--no-calibration", action="store_true",
        help="leave out the columns prediction_set and unfamiliar",
    )  # fmt: skip
    parser.add_argument(
        "--processes", metavar="N", type=int,
        help="processes that read photos ahead, 0: none; default: 0 on a CPU, else one per core",
    )  # fmt: skip
    parser.add_argument(
        "--ray", metavar="ADDRESS",
        help="predict on the nodes of this Ray cluster (HOST:PORT, auto, or local: here)",
    )  # fmt: skip
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    return parser


def _list_inputs(photos: Sequence[str], outputs: Mapping[str, Path | None]) -> list[str]:
    """The paths of all photos. Raises `InputError` if a file to write, by its option, is among the
    inputs or is written twice."""
    from fashion_exp.inference.sources import list_photos

    paths = list_photos(photos, sys.stdin)
    files = {option: file for option, file in outputs.items() if file is not None}
    if len(set(files.values())) < len(files):
        raise InputError(f"{' and '.join(files)}: name two files")
    existing = {option: file for option, file in files.items() if file.exists()}
    for text in (*photos, *paths) if existing else ():
        path = os.path.expanduser(text)
        for option, file in existing.items():
            if os.path.exists(path) and os.path.samefile(path, file):
                raise InputError(f"{option} {text}: is one of PHOTOS; name another file to write")
    return paths


def _print_rows(tables: Sequence[pd.DataFrame], photos: int) -> None:
    from fashion_exp.evaluation.predictions import class_names
    from fashion_exp.inference.output import json_rows
    from fashion_exp.inference.predictions_table import SET_SEPARATOR
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import percent
    from fashion_exp.reporting.tables import PlainTable

    shown = [row for table in tables for row in json_rows(table)][:MAX_ROWS_SHOWN]
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(row["path"])) for row in shown])
    console, rows = plain_console(), list[list[str]]()
    omitted, notes = photos - MAX_ROWS_SHOWN, []
    if omitted > 0:
        notes.append(f"and {omitted:,} more; --into FILE writes all")
    for row in shown:
        name = os.path.relpath(row["path"], folder)
        if row["reason"]:
            notes.append(f"could not be read: {name}: {row['reason']}")
            continue
        most = max(MIN_NAME, console.width // 2)
        name = name if len(name) <= most else f"…{name[1 - most :]}"
        if "probability" not in row:
            cells = [percent(row[p]) for p in row if p.startswith("p_")]
            rows.append([name, row["predicted"], *cells, percent(row["agreement"], 0)])
            continue
        shares = percent(row["probability"]), percent(row["agreement"], 0)
        classes = row.get("prediction_set", "").replace(SET_SEPARATOR, " or ")
        classes += "; unfamiliar" * bool(row.get("unfamiliar"))
        rows.append([name, row["predicted"], shares[0], row["runner_up"], shares[1], classes])
    header = ["photo", "predicted", "probability", "runner-up", "models that agree"]
    header.append("prediction set")
    optional = [header[4], header[3], header[5], header[2]]
    if "probability" not in tables[0]:  # several classes at once
        names = list(class_names(tables[0]))
        header, optional = [*header[:2], *names, header[4]], [header[4], *names[::-1]]
        notes.append("Predicted from the thresholds in the columns t_ of --into and --json.")
    elif rows:
        notes.append(
            "Probabilities as the models give them; `serve` and exported files calibrate them."
        )
    intro = [f"Photos in {folder}"]
    if rows:
        console.print(PlainTable(header, rows, intro=intro, notes=notes, optional=optional))
    else:
        console.print(*intro, *notes, sep="\n", soft_wrap=True, markup=False, highlight=False)

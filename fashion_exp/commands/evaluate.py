"""Evaluate a finished run on labeled photos that it has never seen. RUN is a run's folder, its
name, a sweep (its winner), or the id of a tracked run. LABELED is a folder with one folder per
class, or a CSV file with the columns path and label. Photos of the run and copies of them are
left out. The predictions are kept in the run's folder: `compare --on NAME` compares runs on
them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fashion_exp.inference.calibration_report import PartCalibration
    from fashion_exp.inference.evaluate import PhotoEvaluation
    from fashion_exp.reporting.tables import PlainTable

MAX_CONFUSIONS = 10


def run(arguments: list[str]) -> int:
    """Returns 3 if a photo could not be read. Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    rename = dict(_pair(text) for text in args.rename)
    from fashion_exp.inference.evaluate import as_json, evaluate, sentences
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting import style
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.drawing import optional_figure
    from fashion_exp.reporting.figures import confusion_matrix
    from fashion_exp.reporting.progress import Progress

    outputs = outputs_dir(args.outputs)
    trained = load_run(args.run, outputs, args.uri, several=True)
    with Progress(plain_console(stderr=True)) as progress:
        result = evaluate(
            trained, args.labeled, outputs, progress, args.name, rename, args.overwrite
        )
    with optional_figure(trained.run.figures / f"confusion_{result.name}.png") as file:
        shown, title = result.summary, f"{trained.result.name}: {result.name}"
        counts = shown.class_counts if trained.predicts_several else None
        style.save(confusion_matrix(shown.confusion, shown.classes, title, counts), file)
    code = ExitCode.SOME_FAILED if result.unreadable else ExitCode.DONE
    if args.json:
        print(json.dumps(as_json(result), indent=1))
        return code
    console = plain_console()
    for table in tables_of(result):
        console.print(table)
    for sentence in sentences(result):
        console.print(sentence)
    console.print(f"predictions: {result.file}", soft_wrap=True)
    console.print(f"confusion:   {file}", soft_wrap=True)
    return code


def build_parser() -> Parser:
    parser = Parser(
        prog="fashion_exp evaluate", description=__doc__,
        epilog="Exit codes: 0 done; 2 invalid arguments; 3 some photos could not be read.",
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("labeled", metavar="LABELED", help="a folder or a CSV file")
    parser.add_argument(
        "--as", dest="name", metavar="NAME", help="of the evaluation; default: that of LABELED"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier evaluation of this name"
    )
    parser.add_argument(
        "--rename", metavar="OLD=NEW", action="append", default=[],
        help="a class of the photos, and the class of the run that it is",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    return parser


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise InputError(f"--rename {text}: write OLD=NEW")
    return old, new


def _summary_table(result: PhotoEvaluation) -> PlainTable:
    from fashion_exp.inference.interval_texts import interval_text as text
    from fashion_exp.inference.interval_texts import points_text
    from fashion_exp.reporting.tables import PlainTable

    here, own, calibration = result.summary, result.own, result.calibration
    measure = "accuracy" if calibration else "exact match"
    scores = "Accuracies" if calibration else "Exact matches"
    accuracy, ensemble, ensemble_note = measure, [], ""
    if here.trainings > 1:
        accuracy = f"{measure}, mean of {here.trainings} models"
        accuracies = text(result.ensemble), text(result.own_ensemble)
        ensemble = [(f"{measure} of their ensemble", *accuracies)]
        ensemble_note = (
            "The ensemble, the mean of the models' probabilities, is what `predict` gives; the "
            "photos wrong are its errors. The difference is that of the mean of the models. "
        )
    return PlainTable(
        ["", result.name, f"own {result.own_part}"],
        [
            (accuracy, text(here.accuracy), text(own.accuracy)),
            *ensemble,
            ("difference, points", points_text(result.difference), ""),
            ("macro-F1", text(here.macro_f1), text(own.macro_f1)),
            *([] if calibration else [
                (name, text(here.own[name]), text(own.own[name])) for name in own.own
            ]),
            ("photos", f"{here.images:,}", f"{own.images:,}"),
            ("photos wrong", f"{here.wrong_images:,}", f"{own.wrong_images:,}"),
            *(_calibration_rows(calibration) if calibration else []),
        ],
        notes=[f"{ensemble_note}{scores} with their 95 % Wilson interval."],
    )  # fmt: skip


def _calibration_rows(calibration: PartCalibration) -> list[tuple[str, str, str]]:
    from fashion_exp.inference.interval_texts import interval_text as text

    return [
        ("NLL, calibrated ensemble", text(calibration.after["NLL"], False), ""),
        ("ECE, calibrated ensemble", text(calibration.after["ECE"]), ""),
        ("coverage of 95 % sets", text(calibration.coverage), ""),
        ("classes in a set, mean", text(calibration.set_size, False), ""),
        ("called unfamiliar", text(calibration.false_alarms), ""),
    ]


def tables_of(result: PhotoEvaluation) -> Iterator[PlainTable]:
    import numpy as np

    from fashion_exp.inference.interval_texts import interval_text as text
    from fashion_exp.inference.interval_texts import points_text
    from fashion_exp.reporting.formats import percent
    from fashion_exp.reporting.tables import PlainTable

    here = result.summary
    yield _summary_table(result)
    rows = [
        (row.name, f"{row.images:,}", text(row.recall), text(row.own_recall),
         points_text(row.difference))
        for row in result.classes
    ]  # fmt: skip
    header = ["class", "photos", "recall", f"own {result.own_part}", "difference, points"]
    note = "With 95 % confidence all these intervals hold at once (Bonferroni)."
    yield PlainTable(header, rows, notes=[note])
    counts = here.confusion * (1 - np.eye(len(here.classes), dtype=int))
    largest = np.argsort(-counts, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = [divmod(int(cell), len(here.classes)) for cell in largest]
    confused = [
        (here.classes[true], here.classes[predicted], f"{counts[true, predicted]:,}")
        for true, predicted in pairs
        if counts[true, predicted]
    ]
    if confused:
        note = "Predictions of all models are counted; the figure shows every confusion."
        yield PlainTable(["confused", "predicted as", "predictions"], confused, notes=[note])
    if len(result.errors):
        yield PlainTable(
            ["most confident errors", "label", "predicted", "probability"],
            [
                (row["path"], row["label"], row["predicted"], percent(row["probability"]))
                for row in result.errors.to_dict("records")
            ],
        )

"""The accuracy on new photos of which only some tens are labeled. Without labels yet, it writes a
random sample of the photos to label. MODEL is a run, with PHOTOS: files, folders or CSV lists; or a
table of predictions of any tool, as for judge, without PHOTOS."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import csv_text, write_text
from fashion_exp.commands.judge import assignments
from fashion_exp.commands.parser import Parser, split_names
from fashion_exp.errors import InputError
from fashion_exp.paths import expand_user, outputs_dir, writable_file

if TYPE_CHECKING:
    from fashion_exp.judging.new_data import Batch, NewDataEstimate


LEVEL = 0.95


def run(arguments: list[str]) -> int:
    """Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    if args.level is not None and not 0 < args.level < 1:
        raise InputError(f"--level {args.level}: must be between 0 and 1")
    labels = expand_user(args.labels, "--labels")
    writable_file(args.labels, "--labels")
    from fashion_exp.api.estimates import read_labels
    from fashion_exp.judging.new_data import estimate_accuracy

    _refuse_idle(args, labels)
    known = read_labels(labels) if labels.exists() else None
    batch, reference, notes = _batches(args)
    if known is None:
        _write_sample(batch, labels, args)
        return 0
    level = LEVEL if args.level is None else args.level
    estimate = estimate_accuracy(batch, known, reference, level, notes)
    if args.json:
        print(json.dumps(estimate.as_json(), indent=1))
    else:
        print(*sentences(estimate), sep="\n")
    return 0


def build_parser() -> Parser:
    parser = Parser(prog="fashion_exp estimate", description=__doc__)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("photos", nargs="*", metavar="PHOTOS")
    parser.add_argument(
        "--labels", required=True, metavar="FILE.csv",
        help="path (or id) and label; if there is no such file, it is written to be filled in",
    )  # fmt: skip
    parser.add_argument("--count", type=int, metavar="N", help="photos to label; default: 50")
    parser.add_argument("--seed", type=int, help="of the random sample; default: 0")
    parser.add_argument("--level", type=float, help="confidence level: 0.95")
    parser.add_argument(
        "--reference", metavar="TABLE",
        help="of a table: labeled predictions to compare with; a run has its test",
    )  # fmt: skip
    parser.add_argument(
        "--columns", metavar="ROLE=COLUMN", action="append", default=[], help="as for judge"
    )
    parser.add_argument("--classes", metavar="NAME", action="append", help="as for judge")
    parser.add_argument("--scores", help="as for judge")
    parser.add_argument(
        "--where", metavar="COLUMN=VALUE", action="append", default=[], help="as for judge"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    return parser


def _refuse_idle(args: argparse.Namespace, labels: Path) -> None:
    """Raises `InputError` for an option of the other call: the sample, or the estimate."""
    if labels.exists():
        names, reason = ("count", "seed"), f"{labels} is there; remove it to draw another sample"
    else:
        names, reason = ("level", "reference"), f"{labels} is not there yet: leave it out"
    for name in names:
        if getattr(args, name) is not None:
            raise InputError(f"--{name}: has no effect now: {reason}")


def _batches(args: argparse.Namespace) -> tuple[Batch, Batch | None, list[str]]:
    """Of a run that predicts the photos, or of tables."""
    from fashion_exp.judging.sources import source_options

    outputs = outputs_dir(args.outputs)
    reading = {"columns": assignments(args.columns, "--columns"), "classes": args.classes,
               "where": assignments(args.where, "--where")}  # fmt: skip
    if args.photos:
        from fashion_exp.api.estimates import predict_batch
        from fashion_exp.inference.trained_run import load_run
        from fashion_exp.reporting.console import plain_console
        from fashion_exp.reporting.progress import Progress

        for name, value in {**reading, "scores": args.scores, "reference": args.reference}.items():
            if value:
                raise InputError(f"--{name}: has no effect on a run")
        trained = load_run(args.model, outputs, args.uri)
        with Progress(plain_console(stderr=True)) as progress:
            return predict_batch(trained, args.photos, progress)
    from fashion_exp.api.estimates import read_batch

    options = source_options(
        columns=reading["columns"], classes=split_names(args.classes) or [],
        scores=args.scores or "probabilities", where=reading["where"], outputs=outputs,
        uri=args.uri,
    )  # fmt: skip
    path = Path(args.model).expanduser()
    if not path.is_file():
        raise InputError(f"{args.model}: no such table; a run needs PHOTOS: estimate RUN PHOTOS")
    reference = None if args.reference is None else read_batch(args.reference, options)
    return read_batch(args.model, options), reference, []


def _write_sample(batch: Batch, labels: Path, args: argparse.Namespace) -> None:
    from fashion_exp.api.estimates import COUNT, SEED
    from fashion_exp.judging.new_data import sample_to_label

    seed = SEED if args.seed is None else args.seed
    count = min(COUNT, len(batch)) if args.count is None else args.count
    sample = sample_to_label(batch, count, seed)
    write_text(labels, csv_text([list(sample), *sample.to_numpy().tolist()]))
    if args.json:
        print(json.dumps({"schema": 1, "written": str(labels), "count": count, "seed": seed}))
        return
    print(f"{labels}: {count} of {len(batch):,} items, drawn at random with seed {seed}.")
    names = ", ".join([*batch.classes[:8], *(["…"] if len(batch.classes) > 8 else [])])
    print(f"Write the class of each ({names}) into the column label, and run this command again.")
    print("Label them in this order, without looking at predictions; the first ones alone will do.")


def sentences(estimate: NewDataEstimate) -> list[str]:
    """What the estimate says."""
    from fashion_exp.reporting.formats import difference_range, difference_text, p_text, with_limits

    powered, interval = estimate.powered, estimate.interval
    assert interval.estimate is not None and interval.n is not None
    accuracy = with_limits(interval.estimate, interval.low, interval.high)
    lines = [
        f"accuracy: {accuracy}, {100 * interval.level:g} % interval from {powered.labels} labels "
        f"and {powered.items:,} predictions"
    ]
    if powered.explained:
        lines.append(
            f"The predictions make the {powered.labels} labels worth {interval.n:.0f}: the "
            f"confidence explains {100 * powered.explained:.0f} % of what is right and wrong."
        )
    else:
        lines.append(f"{interval.note[0].upper()}{interval.note[1:]}.")
    more = powered.labels_to_halve
    lines.append(
        f"For an interval half as wide: about {more:,} labels in all."
        if more is not None
        else f"An interval half as wide needs more than these {powered.items:,} items."
    )
    difference = estimate.difference
    if difference is not None and difference.estimate is None:
        lines.append(f"No comparison with the test: {difference.note}.")
    elif estimate.reference is not None and difference is not None:
        own = estimate.reference
        assert own.estimate is not None and difference.estimate is not None
        limits = ""
        if difference.low is not None and difference.high is not None:
            limits = f" ({difference_range(difference.low, difference.high)})"
        lines.append(
            f"{difference_text(difference.estimate)} points compared with the test, "
            f"{with_limits(own.estimate, own.low, own.high)}{limits}: {estimate.verdict}."
        )
    for drift in estimate.drift:
        verdict = "differ" if drift.is_significant else "are not shown to differ"
        name = "The confidences" if drift.quantity == "confidence" else "The predicted classes"
        lines.append(
            f"{name} {verdict} from those on the test (effect {drift.effect:.2f}, "
            f"{p_text(drift.p)})."
        )
    return [*lines, *estimate.notes]

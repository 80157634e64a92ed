"""Which of several tools is better, by their predictions on the same items, and whether the data
support it. A TABLE is a file (CSV, Parquet, JSON, JSON lines, npy, npz), a dataset folder of
Hugging Face, a log of lm-eval or inspect_ai, an artifact of MLflow (runs:/ID/PATH) or a run;
NAME=FILE,FILE are several trainings or folds of one tool. Columns: id, path or image_hash; label;
p_CLASS …, probabilities or predicted; and, where there are several trainings, group, fold, repeat
and seed."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fashion_exp.commands.gate_options import EXIT_CODES, add_gate_options, decision_of, gate_of
from fashion_exp.commands.parser import Parser, split_names
from fashion_exp.commands.slice_options import add_slices_switch, print_slices, slice_options
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    from fashion_exp.judging.judgement import Judgement


def run(arguments: list[str]) -> int:
    """Prints the tools, their differences and conclusions. Raises `InputError`."""
    args = build_parser().parse_args(arguments)
    gate = gate_of(args)
    from fashion_exp.api.judging import judge

    options = judging_options(args)
    judgement = judge(args.tables, **options)
    analysis = None
    chosen = slice_options(args)
    if args.slices:
        from fashion_exp.api.slices import judgement_slices

        analysis = judgement_slices(judgement, args.tables, **chosen, **options)
    if args.page is not None:
        from fashion_exp.judging.page import write_page

        command = redact_credentials(shlex.join(["scripts/run", "judge", *arguments]))
        page = write_page(judgement, args.page, command, analysis)
        print(f"page: {page}", file=sys.stderr if args.json else sys.stdout)
    decision = None
    if gate is not None:
        decision = decision_of(judgement, gate, args.budget, options["outputs"])
    if args.json:
        from fashion_exp.comparison.comparison_json import comparison_json

        sentences = judgement.conclusions, judgement.plans
        gated = None if decision is None else decision.as_json()
        content = comparison_json(judgement, judgement.rows, *sentences, gated)
        more: dict[str, Any] = {"notes": list(judgement.notes)}
        more |= {} if analysis is None else {"slices": analysis.as_json()}
        print(json.dumps(content | more, indent=1))
    else:
        print_judgement(judgement)
        if analysis is not None:
            print_slices(analysis)
        if decision is not None:
            print(decision.sentence)
    return 0 if decision is None else int(decision.exit_code)


def build_parser() -> Parser:
    parser = Parser(prog="fashion_exp judge", description=__doc__, epilog=EXIT_CODES)
    parser.add_argument("tables", nargs="+", metavar="TABLE")
    parser.add_argument("--baseline", metavar="NAME", help="compare all others with this table")
    parser.add_argument(
        "--pairs", default="best", help="best: the best with each other one (default); all"
    )
    parser.add_argument(
        "--metric", help="accuracy (default), loss, macro_f1, or a column with a score per item"
    )
    parser.add_argument(
        "--lower-is-better", action="store_true", help="of a column with a score per item"
    )
    parser.add_argument("--alpha", type=float, default=0.05, help="family-wise error rate: 0.05")
    parser.add_argument(
        "--rope", type=float,
        help="smaller differences do not matter; in the unit of the metric, an accuracy being a "
        "share; default: 0.01 (one percentage point), 0 for other scores",
    )  # fmt: skip
    parser.add_argument("--exact", action="store_true", help="McNemar's exact test, not mid-p")
    parser.add_argument(
        "--page", metavar="FOLDER", help="write the comparison as a page with figures into FOLDER"
    )
    add_gate_options(parser)
    add_slices_switch(parser)
    add_reading_options(parser)
    return parser


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """How tables are read and joined."""
    parser.add_argument("--labels", metavar="TABLE", help="the true classes, for all tables")
    parser.add_argument(
        "--columns", metavar="ROLE=COLUMN", action="append", default=[],
        help="names of columns: label=target,predicted=yhat",
    )  # fmt: skip
    parser.add_argument(
        "--classes", metavar="NAME", action="append",
        help="names of the classes 0, 1, …, with commas between them",
    )  # fmt: skip
    parser.add_argument(
        "--scores", default="probabilities", help="of classes: probabilities, logits or ranking"
    )
    parser.add_argument(
        "--where", metavar="COLUMN=VALUE", action="append", default=[],
        help="read only these rows of tables: split=test",
    )  # fmt: skip
    parser.add_argument("--format", dest="form", default="auto", help="auto, table or timm")
    parser.add_argument(
        "--manifest", metavar="TABLE", help="the ids of the rows of npy and npz files, in order"
    )
    parser.add_argument("--join", default="auto", help="auto, id, hash, path or name (of the path)")
    parser.add_argument(
        "--images", metavar="FOLDER", help="join by the content of the images at the paths"
    )
    parser.add_argument("--unit", help="several files of one tool are: repeat or fold")
    parser.add_argument(
        "--shared-only", action="store_true", help="compare on the items that all tables have"
    )
    parser.add_argument(
        "--train-size", type=int, metavar="N", help="training items, if splits were redrawn"
    )
    parser.add_argument("--part", help="of runs: validation or test")
    parser.add_argument("--uri", help="tracking store of runs:/ID/PATH")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")


def judging_options(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `api.judging.judge`. Raises `InputError` for a text without =."""
    if args.part not in (None, "validation", "test"):
        raise InputError(f"--part {args.part}: choices: test, validation")
    names = (
        "baseline", "pairs", "metric", "lower_is_better", "alpha", "rope", "exact", "labels",
        "scores", "form", "manifest", "join", "images", "unit", "shared_only", "train_size",
        "part", "uri",
    )  # fmt: skip
    options = {name: getattr(args, name) for name in names if hasattr(args, name)}
    return options | {
        "columns": assignments(args.columns, "--columns"),
        "where": assignments(args.where, "--where"),
        "classes": split_names(args.classes) or [],
        "outputs": outputs_dir(args.outputs),
    }


def assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """`a=b,c=d` as a mapping. Raises `InputError`."""
    pairs = {}
    for text in split_names(texts) or []:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} {text}: write NAME=VALUE")
        pairs[name] = value
    return pairs


def print_judgement(judgement: Judgement) -> None:
    from fashion_exp.comparison.report_tables import joint_interval_header, pairs_table
    from fashion_exp.judging.page import tools_table
    from fashion_exp.reporting import tables
    from fashion_exp.reporting.console import plain_console

    console = plain_console()
    console.print(tools_table(judgement))
    if len(judgement.runs) > 1:
        header = joint_interval_header(judgement)
        columns = [
            "first",
            "second",
            "first minus second",
            header,
            "p (adjusted)",
            "verdict",
            "test",
        ]
        console.print(tables.select_columns(pairs_table(judgement), columns))
    for line in [*judgement.conclusions, *judgement.plans, *judgement.notes]:
        console.print(line)

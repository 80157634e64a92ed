"""Make a run of the predictions of another tool, to be seen beside runs of this project in compare,
report and MLflow. Tables are those of `judge`, with labels and the probabilities of all classes;
several are trainings or folds (--unit). A column split has validation and test."""

from __future__ import annotations

import shlex

from fashion_exp.commands.judge import add_reading_options, judging_options
from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError, redact_credentials


def run(arguments: list[str]) -> int:
    """Writes the run and prints its folder. Raises `InputError`."""
    parser = Parser(prog="fashion_exp import", description=__doc__)
    parser.add_argument("tables", nargs="+", metavar="TABLE")
    parser.add_argument("--as", dest="name", metavar="NAME", required=True, help="of the run")
    parser.add_argument("--no-tracking", action="store_true", help="leave MLflow out")
    parser.add_argument("--experiment", default="fashion_exp", help="of MLflow; fashion_exp")
    add_reading_options(parser)
    args = parser.parse_args(arguments)
    if not args.name.strip():
        raise InputError("--as: the name is empty")
    from fashion_exp.api.judging import import_predictions

    options = judging_options(args)
    for name in ("join", "shared_only", "labels"):
        if options.pop(name) not in ("auto", False, None):
            raise InputError(f"--{name.replace('_', '-')}: has no effect on an import")
    command = redact_credentials(shlex.join(["scripts/run", "import", *arguments]))
    folder = import_predictions(
        args.tables, args.name, track=not args.no_tracking, experiment=args.experiment,
        command=command, **options,
    )  # fmt: skip
    print(f"files:   {folder}")
    return 0

"""Train the recipe of a finished run again on all of its development photos, for deployment. The
accuracy of the new models is not measured: the estimate stays that of the run."""

from __future__ import annotations

import json

from fashion_exp.atomic_io import read_json
from fashion_exp.commands.parser import Parser
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.paths import check_writable, outputs_dir


def run(arguments: list[str]) -> int:
    """Prints the folder of the new models and their facts. Raises `InputError` and `Diverged`."""
    parser = Parser(prog="fashion_exp refit", description=__doc__)
    parser.add_argument(
        "run", metavar="RUN", help="folder or name of a run, or a sweep: its winner"
    )
    parser.add_argument("--with-test", action="store_true", help="train on the test photos too")
    parser.add_argument("--models", type=int, metavar="N", help="default: as many as the run has")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--uri", help="tracking store; default: mlflow.db in the outputs folder")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    args = parser.parse_args(arguments)
    from fashion_exp.experiment.worker import log_to_console
    from fashion_exp.inference.refit import describe, refit
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    outputs = outputs_dir(args.outputs)
    check_writable(outputs)
    console = plain_console(stderr=args.json)
    try:
        with log_to_console(console), Progress(console) as progress:
            study = load_run(args.run, outputs, args.uri)
            fitted = refit(study, progress, args.with_test, args.models)
    except KeyboardInterrupt as error:
        error.add_note("stopped; the same command continues the refit")
        raise
    if args.json:
        facts = read_json(fitted.run.path / REFIT_FILE)
        content = {"path": str(fitted.run.path), **facts, "sentences": describe(fitted)}
        print(json.dumps(content, indent=1))
        return 0
    for sentence in describe(fitted):
        console.print(sentence)
    console.print(f"models: {fitted.run.path}", soft_wrap=True)
    return 0

"""Register a run's models in MLflow under a name, with the alias champion."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode
from fashion_exp.paths import outputs_dir

EPILOG = """\
The run is compared with the present champion on the same test set. Without that, or if it is worse,
the promotion is refused unless --force is given. The last line serves the model with
MLflow: photos in, probabilities out.
"""


def run(arguments: list[str]) -> int:
    """Prints the new version and the evidence. Raises `InputError`."""
    args = _parser().parse_args(arguments)
    from fashion_exp.inference.promote import check_name, promote
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    check_name(args.name)
    trained = load_run(args.run, outputs_dir(args.outputs), args.uri)
    with Progress(plain_console(stderr=True)) as progress:
        done = promote(trained, args.name, progress, args.force)
    if args.json:
        print(json.dumps(asdict(done), indent=1))
    else:
        print(f"{done.name} version {done.version} is the champion.", *done.evidence, sep="\n")
        print(f"To serve it: {done.serve}")
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fashion_exp promote", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "run", metavar="RUN", help="folder or name of a run, a sweep (its winner), a tracked id"
    )
    parser.add_argument("name", metavar="NAME", help="of the registered model")
    parser.add_argument("--force", action="store_true", help="promote against the evidence")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--outputs", help="outputs folder; default: the same as for experiments")
    parser.add_argument("--uri", help="tracking store of a run given by its id")
    return parser

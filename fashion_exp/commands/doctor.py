"""`doctor`: what dead processes and older versions have left, and putting it right."""

from __future__ import annotations

import argparse
import json
import sys

from fashion_exp.experiment.job import DONE, FAILED
from fashion_exp.paths import outputs_dir, with_outputs_option


def run(arguments: list[str]) -> int:
    """Prints what is found; exits with 1 where something is left to mend. Raises `InputError`."""
    own = argparse.ArgumentParser(
        prog="fashion_exp doctor",
        description=__doc__,
        epilog="Exit code: 0, nothing to mend is left; 1, --fix would mend something.",
    )
    own.add_argument("--fix", action="store_true", help="do what is said")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--uri", help="of one tracking store; default: all that runs here are in")
    own.add_argument("--outputs", help="where the runs are; default: as for experiments")
    options = own.parse_args(arguments)
    from fashion_exp.tools.doctor import checkup
    from fashion_exp.tracking import store_uri

    outputs = outputs_dir(options.outputs)
    uri = store_uri(options.uri, outputs) if options.uri else None
    told = []
    for finding in checkup(outputs, uri):
        if options.fix and finding.mend is not None:
            finding.mend()  # before more is looked for: what is true now may not be so later
        told.append(
            {
                "what": finding.what,
                "where": finding.where,
                "remedy": finding.remedy,
                "state": _state(finding.mend is not None, options.fix),
            }
        )
    if options.json:
        json.dump(told, sys.stdout, indent=1)
    else:
        _print(told, with_outputs_option("scripts/run doctor --fix", outputs))
    return FAILED if any(one["state"] == "to mend" for one in told) else DONE


def _state(mendable: bool, fixed: bool) -> str:
    if not mendable:
        return "for you"
    return "mended" if fixed else "to mend"


def _print(told: list[dict[str, str]], fix: str) -> None:
    if not told:
        print("nothing found")
    for one in told:  # no table: paths are long, and are copied from here
        print(f"{one['what']}: {one['where']}\n    {one['state']}: {one['remedy']}")
    if any(one["state"] == "to mend" for one in told):
        print(f"{fix} does it")

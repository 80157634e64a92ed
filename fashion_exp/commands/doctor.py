"""`doctor`: find and fix what crashes and older versions leave in `outputs`."""

from __future__ import annotations

import json
import sys

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.paths import outputs_dir, with_outputs_option


def run(arguments: list[str]) -> int:
    """Prints all findings; returns 1 if --fix could fix any. Raises `InputError`."""
    parser = Parser(
        prog="fashion_exp doctor",
        description=__doc__,
        epilog="Exit code: 0 if nothing is left to fix, 1 if --fix would fix something.",
    )
    parser.add_argument("--fix", action="store_true", help="apply the remedies")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--uri", help="tracking store to check; default: all stores of the runs")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    options = parser.parse_args(arguments)
    from fashion_exp.tools.doctor.check import check_outputs
    from fashion_exp.tracking import store_uri

    outputs = outputs_dir(options.outputs)
    uri = store_uri(options.uri, outputs) if options.uri else None
    results = []
    for finding in check_outputs(outputs, uri):
        state, remedy = "manual", finding.remedy
        if finding.fix is not None:
            state = "fixable"
            if options.fix:
                try:  # before the next check, because a finding can become outdated
                    if finding.fix() is not False:
                        state = "fixed"
                except InputError as error:
                    remedy = f"{remedy} (failed: {error})"
        results.append(
            {"what": finding.what, "where": finding.where, "remedy": remedy, "state": state}
        )
    is_fixable = any(result["state"] == "fixable" for result in results)
    if options.json:
        json.dump(results, sys.stdout, indent=1)
    else:
        for result in results:  # not a table: long paths must stay copyable
            print(f"{result['what']}: {result['where']}")
            print(f"    {result['state']}: {result['remedy']}")
        if not results:
            print("no problems found")
        if is_fixable:
            print(f"to fix: {with_outputs_option('scripts/run doctor --fix', outputs)}")
    return ExitCode.FAILED if is_fixable else ExitCode.DONE

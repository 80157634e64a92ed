"""`report`: a page about one or several finished runs, with tables and figures."""

from __future__ import annotations

import shlex

from fashion_exp.commands.comparison_options import build_parser, comparison_options
from fashion_exp.errors import redact_credentials
from fashion_exp.paths import writable_folder


def run(arguments: list[str]) -> int:
    """Writes the page and prints its path. Raises `InputError`."""
    parser = build_parser("report", __doc__)
    parser.add_argument("--into", help="folder to write; default: report/ in the sweep or run")
    args = parser.parse_args(arguments)
    options = comparison_options(args)
    into = writable_folder(args.into, "--into") if args.into else None
    from fashion_exp.api.comparison import compare
    from fashion_exp.evaluation.results import missing_figures
    from fashion_exp.evaluation.run_dir import RunDir
    from fashion_exp.tools.runs.annotate import track_report

    comparison = compare(args.runs, **options)
    command = redact_credentials(shlex.join(["scripts/run", "report", *arguments]))
    page = comparison.report(into, command)
    print(*comparison.conclusions, sep="\n")
    print(f"page:    {page}")
    if len(comparison.runs) == 1:
        result = comparison.runs[0].result
        missing = ", ".join(file.name for file in missing_figures(result))
        if reason := track_report(RunDir(result.output), page.parent):
            print(f"The page was not added to the tracking store ({reason}).")
        print(f"figures: {result.output / 'figures'}{f' without {missing}' if missing else ''}")
    return 0

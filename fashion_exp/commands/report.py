"""`report`: a page about one or several finished runs, with tables and figures."""

from __future__ import annotations

import json
import shlex

from fashion_exp.commands.comparison_options import build_parser, comparison_options
from fashion_exp.commands.slice_options import add_slices_switch, slice_options
from fashion_exp.errors import redact_credentials
from fashion_exp.paths import writable_folder


def run(arguments: list[str]) -> int:
    """Writes the page and prints its path. Raises `InputError`."""
    parser = build_parser("report", __doc__)
    parser.add_argument("--into", help="folder to write; default: report/ in the sweep or run")
    parser.add_argument(
        "--maps", action="store_true",
        help="show misclassified photos beside what the best run looked at; a second per photo",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_slices_switch(parser)
    args = parser.parse_args(arguments)
    options, chosen = comparison_options(args), slice_options(args)
    into = writable_folder(args.into, "--into") if args.into else None
    from fashion_exp.api.comparison import compare
    from fashion_exp.evaluation.results import missing_figures
    from fashion_exp.evaluation.run_dir import RunDir
    from fashion_exp.tools.runs.annotate import track_report

    comparison = compare(args.runs, **options)
    command = redact_credentials(shlex.join(["scripts/run", "report", *arguments]))
    analysis = None
    if args.slices:
        from fashion_exp.api.slices import comparison_slices

        analysis = comparison_slices(comparison, **chosen)
    page = comparison.report(into, command, analysis, args.maps)
    figures, missing, reason = "", [], ""
    if len(comparison.runs) == 1:
        result = comparison.runs[0].result
        figures, missing = str(RunDir(result.output).figures), missing_figures(result)
        reason = track_report(RunDir(result.output), page.parent)
    if args.json:
        content = {
            "page": str(page), "conclusions": comparison.conclusions, "figures": figures,
            "missing_figures": [file.name for file in missing], "not_tracked": reason,
        }  # fmt: skip
        print(json.dumps(content, indent=1))
        return 0
    print(*comparison.conclusions, sep="\n")
    print(f"page:    {page}")
    if reason:
        print(f"The page was not added to the tracking store ({reason}).")
    if figures:
        names = ", ".join(file.name for file in missing)
        print(f"figures: {figures}{f' without {names}' if names else ''}")
    return 0

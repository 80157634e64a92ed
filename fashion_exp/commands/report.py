"""`report`: a page about one or several finished runs, with tables and figures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.commands.comparison_options import build_parser, load_comparison, validate_options
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.paths import outputs_dir, unique_name, why_not_writable, writable_folder

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData


def run(arguments: list[str]) -> int:
    """Writes the page and prints its path. Raises `InputError`."""
    parser = build_parser("report", __doc__)
    parser.add_argument("--into", help="folder to write; default: report/ in the sweep or run")
    args = parser.parse_args(arguments)
    validate_options(args)
    into = writable_folder(args.into, "--into") if args.into else None
    from fashion_exp.comparison.find_runs import common_sweep
    from fashion_exp.comparison.report_data import build_report
    from fashion_exp.reporting.page import write_report

    outputs = outputs_dir(args.outputs)
    comparison = load_comparison(args)
    folders = [run.result.output for run in comparison.runs]
    parent = folders[0] if len(folders) == 1 else common_sweep(folders)
    if into is not None:
        folder = into
    elif parent is not None:
        folder = parent / "report"
        if reason := why_not_writable(folder):
            raise InputError(f"{folder}: {reason}; choose another folder with --into FOLDER")
    else:
        folder = outputs / "reports" / unique_name("report")
    command = redact_credentials(shlex.join(["scripts/run", "report", *arguments]))
    report = build_report(comparison, command, outputs / "cache")
    page = write_report(report, folder)
    if len(folders) == 1:
        _draw_missing_figures(comparison.runs[0], outputs / "cache")
    print(*report.answer, sep="\n")
    print(f"page:    {page}")
    return 0


def _draw_missing_figures(run: RunData, cache: Path) -> None:
    """Draws the figures that a run lacks: it failed to draw them, or is not its sweep's winner.

    Prints which ones are still missing; the reasons are logged.
    """
    from fashion_exp.data.sources.load import load_images
    from fashion_exp.evaluation.results import draw_figures, missing_figures
    from fashion_exp.tracking import NullTracker

    folder = run.result.output / "figures"
    if not missing_figures(run.result):
        return
    try:
        draw_figures(run.result, load_images(run.config.dataset, cache), NullTracker())
    except InputError as error:
        print(f"figures of the run cannot be drawn: {error}")
        return
    missing = ", ".join(file.name for file in missing_figures(run.result))
    print(f"figures: {folder}{f' without {missing}' if missing else ''}")

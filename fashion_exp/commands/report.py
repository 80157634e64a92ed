"""`report`: the page of one or several finished runs, with its tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.commands.compare import check, parser, study_of, typed
from fashion_exp.errors import InputError
from fashion_exp.paths import unique_name

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData


def run(arguments: list[str]) -> int:
    """Writes the page and prints where it lies. Raises `InputError` for what cannot be done."""
    own = parser("report", __doc__)
    own.add_argument("--into", help="the folder to write; default: beside the sweep or the run")
    options = own.parse_args(arguments)
    check(options)
    from fashion_exp.comparison.find_runs import common_sweep
    from fashion_exp.comparison.report_data import report
    from fashion_exp.reporting.page import write_report

    study, outputs = study_of(options)
    folders = [member.result.output for member in study.runs]
    folder = folders[0] if len(folders) == 1 else common_sweep(folders)
    if options.into:
        place = Path(options.into).expanduser().resolve()
    elif folder is not None:
        place = folder / "report"
    else:
        place = outputs / "reports" / unique_name("report")
    made = report(study, typed("report", arguments), outputs / "cache")
    page = write_report(made, place)
    if len(folders) == 1:
        _draw_what_is_missing(study.runs[0], outputs / "cache")
    print(*made.answer, sep="\n")
    print(f"page:    {page}")
    return 0


def _draw_what_is_missing(member: RunData, cache: Path) -> None:
    """A run's own pictures: in a multirun only the winner's are drawn at once."""
    folder = member.result.output / "figures"
    if folder.is_dir():
        return
    from fashion_exp.data.sources.load import load_images
    from fashion_exp.evaluation.results import draw_figures
    from fashion_exp.tracking import NullTracker

    try:
        draw_figures(member.result, load_images(member.config.dataset, cache), NullTracker())
    except InputError as error:
        print(f"no pictures of the run: {error}")
        return
    print(f"pictures: {folder}")

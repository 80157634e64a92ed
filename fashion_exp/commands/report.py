"""`report`: the page of one or several finished runs, with its tables and figures."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.commands.compare import check, parser, study_of, typed
from fashion_exp.places import fresh_name


def run(arguments: list[str]) -> int:
    """Writes the page and prints where it lies. Raises `InputError` for what cannot be done."""
    own = parser("report", __doc__)
    own.add_argument("--into", help="the folder to write; default: beside the sweep or the run")
    options = own.parse_args(arguments)
    check(options)
    from fashion_exp.reporting.page import write_report
    from fashion_exp.study.find import common_sweep
    from fashion_exp.study.report import report

    study, outputs = study_of(options)
    folders = [member.result.output for member in study.members]
    folder = folders[0] if len(folders) == 1 else common_sweep(folders)
    if options.into:
        place = Path(options.into).expanduser().resolve()
    elif folder is not None:
        place = folder / "report"
    else:
        place = outputs / "reports" / fresh_name("report")
    made = report(study, typed("report", arguments), outputs / "cache")
    page = write_report(made, place)
    print(*made.answer, sep="\n")
    print(f"page:    {page}")
    return 0

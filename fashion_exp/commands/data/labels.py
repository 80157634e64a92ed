"""Finds wrong labels and ambiguous images by models that had not seen them; writes a list and a
page for decisions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.commands.parser import Parser
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir, writable_folder

if TYPE_CHECKING:
    from rich.console import Console

    from fashion_exp.tools.relabel.suggestions import LabelSuggestions

MAX_ROWS = 20
"""Suggestions shown on the terminal; the list has all."""


def run(arguments: list[str]) -> int:
    """Writes suggestions.csv and review.html, and prints the first suggestions."""
    options = _parse(arguments)
    from fashion_exp.atomic_io import write_text
    from fashion_exp.comparison.find_runs import find_runs
    from fashion_exp.comparison.misclassified import load_run_images
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.data.csv_lists import frame_as_csv
    from fashion_exp.data.sources.load import labeled_data
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.review_page import write_review_page
    from fashion_exp.tools.relabel.review import review_page
    from fashion_exp.tools.relabel.suggestions import suggest_labels

    outputs = outputs_dir(options.outputs)
    into = writable_folder(options.into, "--into") if options.into else None
    requested = [options.run] if options.run else []
    folders = find_runs(requested, outputs, options.uri, newest=["runs"])
    if len(folders) > 1:
        raise InputError(
            f"{options.run}: matches {len(folders)} runs, such as {folders[0]}; name one of them"
        )
    member = load_run(folders[0])
    cache = outputs / "cache"
    own_names = {name: name for name in member.config.dataset.rename}
    table = load_run_images(member, cache, classes=None, rename=own_names)
    data = labeled_data(member.config.dataset, cache)
    suggestions = suggest_labels(member, table, data)
    into = into or folders[0] / "labels"
    csv_text = frame_as_csv(suggestions.rows, float_format="%.4f")
    write_text(into / "suggestions.csv", csv_text)
    console = plain_console(stderr=options.json)
    with Progress(console) as progress:
        page = review_page(suggestions, member, table, data, options.most, progress)
    write_review_page(page, into / "review.html")
    if options.json:
        print(json.dumps(_json_data(suggestions, into), indent=1))
    else:
        _print(console, suggestions, into)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="fashion_exp data labels", description=__doc__)
    parser.add_argument(
        "run", nargs="?", metavar="RUN",
        help="folder or name of a run, or id of a tracked run; preferably with split=kfold, which "
        "predicts every development image; default: the newest run",
    )  # fmt: skip
    parser.add_argument("--most", type=int, default=500, help="images on the page; default: 500")
    parser.add_argument("--into", help="output folder; default: labels/ in the folder of the run")
    parser.add_argument("--json", action="store_true", help="print all results as JSON")
    parser.add_argument("--uri", help="tracking store for ids of tracked runs")
    parser.add_argument("--outputs", help="folder of the runs; default: as for experiments")
    options = parser.parse_args(arguments)
    if options.most < 1:
        raise InputError(f"--most {options.most}: must be at least 1")
    return options


def _json_data(suggestions: LabelSuggestions, into: Path) -> dict[str, object]:
    return {
        **suggestions.counts(),
        "notes": suggestions.notes(),
        "suggestions": json.loads(suggestions.rows.to_json(orient="records")),
        "list": str(into / "suggestions.csv"),
        "page": str(into / "review.html"),
    }


def _print(console: Console, suggestions: LabelSuggestions, into: Path) -> None:
    from fashion_exp.reporting.formats import percent, shorten_to_cells
    from fashion_exp.reporting.tables import PlainTable

    rows = [
        [
            shorten_to_cells(row["path"], 26),
            row["given"],
            row["suggested"],
            row["kind"],
            percent(row["quality"]),
            percent(row["confidence"]),
        ]
        for row in suggestions.rows.head(MAX_ROWS).to_dict("records")
    ]
    header = ["image", "given", "suggested", "kind", "p(given)", "p(suggested)"]
    omitted = len(suggestions.rows) - len(rows)
    notes = [*([f"The list has {omitted:,} more."] if omitted else []), *suggestions.notes()]
    console.print(PlainTable(header, rows, notes=notes))
    counts = suggestions.counts()
    for line in (
        f"{counts['wrong']} of {counts['images']:,} labels look wrong, from "
        f"{counts['wrong_sources']} of {counts['sources']:,} sources "
        f"({percent(counts['wrong_share_of_sources'])}; copies count once); "
        f"{counts['ambiguous']} images are ambiguous.",
        f"list:    {into / 'suggestions.csv'}",
        f"page:    {into / 'review.html'}",
    ):
        console.print(line, soft_wrap=True)

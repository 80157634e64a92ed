"""`data labels`: labels that look wrong and images between classes, by models that had not seen
them; a list and a page to decide on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:
    from fashion_exp.tools.relabel.suggestions import Suggestions

MOST_ROWS = 20
"""Of more, the terminal shows the first; the list has all."""


def run(arguments: list[str]) -> int:
    """Writes suggestions.csv and review.html, and prints the first suggestions.

    Raises `InputError` for what cannot be done.
    """
    options = _parser().parse_args(arguments)
    if options.most < 1:
        raise InputError(f"--most {options.most}: at least one image")
    from rich.console import Console

    from fashion_exp.atomic_io import write_text
    from fashion_exp.comparison.find_runs import find_runs
    from fashion_exp.comparison.misclassified import images_of
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.review_page import write_review
    from fashion_exp.tools.relabel.review import review
    from fashion_exp.tools.relabel.suggestions import data_of, suggestions

    outputs = outputs_dir(options.outputs)
    words = [options.run] if options.run else []
    folders = find_runs(words, outputs, options.uri, newest=["runs"])
    if len(folders) > 1:
        raise InputError(
            f"{options.run}: means {len(folders)} runs, such as {folders[0]}; name one"
        )
    member = load_run(folders[0])
    cache = outputs / "cache"
    table = images_of(member, cache, classes=None, rename={})
    data = data_of(member.knobs, cache)
    found = suggestions(member, table, data)
    into = Path(options.into).expanduser().resolve() if options.into else folders[0] / "labels"
    write_text(into / "suggestions.csv", found.rows.to_csv(index=False, float_format="%.4f"))
    console = Console(stderr=options.json)
    with Progress(console) as progress:
        made = review(found, member, table, data, options.most, progress)
    write_review(made, into / "review.html")
    if options.json:
        print(json.dumps(_told(found, into), indent=1))
    else:
        _print(console, found, into)
    return 0


def _parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(prog="fashion_exp data labels", description=__doc__)
    own.add_argument(
        "run", nargs="?", metavar="RUN",
        help="folder or name of a run, or id of a tracked one; best of split=kfold, which predicts "
        "each development image; default: the newest",
    )  # fmt: skip
    own.add_argument("--most", type=int, default=500, help="images on the page; default: 500")
    own.add_argument("--into", help="the folder to write; default: labels/ of the run")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--uri", help="of the tracking store, for filters")
    own.add_argument("--outputs", help="where the runs are; default: as for experiments")
    return own


def _told(found: Suggestions, into: Path) -> dict[str, object]:
    return {
        **found.counts(),
        "notes": found.notes(),
        "suggestions": json.loads(found.rows.to_json(orient="records")),
        "list": str(into / "suggestions.csv"),
        "page": str(into / "review.html"),
    }


def _print(console: object, found: Suggestions, into: Path) -> None:
    from rich.console import Console

    from fashion_exp.reporting.formats import percent, shorten_to_cells
    from fashion_exp.reporting.tables import PlainTable, rich_table

    assert isinstance(console, Console)
    told = found.counts()
    rows = [
        [
            shorten_to_cells(row["path"], 26),
            row["given"],
            row["suggested"],
            row["kind"],
            percent(row["quality"]),
            percent(row["confidence"]),
        ]
        for row in found.rows.head(MOST_ROWS).to_dict("records")
    ]
    header = ["image", "given", "suggested", "kind", "given's p", "suggested's"]
    more = len(found.rows) - len(rows)
    notes = [*([f"and {more:,} more in the list"] if more else []), *found.notes()]
    console.print(rich_table(PlainTable(header, rows, notes=notes)))
    for line in (
        f"{told['wrong']} of {told['images']:,} labels look wrong, of {told['wrong_sources']} of "
        f"{told['sources']:,} sources ({percent(told['wrong_share_of_sources'])}; copies count "
        f"once); {told['ambiguous']} images are between classes.",
        f"list:    {into / 'suggestions.csv'}",
        f"page:    {into / 'review.html'}",
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)

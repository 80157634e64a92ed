"""`compare`: which of several finished runs is better, and whether that may be said."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.comparison.metrics import METRICS
from fashion_exp.errors import InputError, suggest
from fashion_exp.paths import outputs_dir

if TYPE_CHECKING:  # numpy and scipy: seconds that --help and a typo need not wait for
    from fashion_exp.comparison.comparison import Comparison

MOST_PAIRS = 15
"""Of more, the terminal shows those of the winner; the report has all."""


def run(arguments: list[str]) -> int:
    """Prints the answer, the audit and the pairs. Raises `InputError` for what cannot be done."""
    options = parser("compare", __doc__).parse_args(arguments)
    check(options)
    from rich.console import Console

    from fashion_exp.comparison import audit, conclusions, factors
    from fashion_exp.comparison.report_data import pairs_table, runs_table
    from fashion_exp.reporting import tables

    study, _ = study_of(options)
    console = Console()
    for problem in audit.audit(study.runs, study.names):
        if problem.severity != "fine":
            runs = "; ".join(problem.runs)
            console.print(f"{problem.title}: {problem.detail} ({runs})", highlight=False)
    interval = f"{100 * study.level:g} % interval"
    shown = ["run", "validation", interval, "t-interval", "n", "J", "test"]
    console.print(tables.rich_table(tables.only(runs_table(study), shown)))
    if len(study.runs) > 1:
        shown = ["a", "b", "a minus b", interval, "p (Holm)", "verdict"]
        pairs = pairs_table(study)
        if len(pairs.rows) > MOST_PAIRS:
            best = study.names[study.winner]
            rows = [row for row in pairs.rows if best in row[:2]]
            more = f"and {len(pairs.rows) - len(rows):,} pairs of the others: see the report"
            pairs = replace(pairs, rows=rows, notes=[more, *pairs.notes])
        console.print(tables.rich_table(tables.only(pairs, shown)))
    for line in [
        *conclusions.sentences(study),
        *study.confounds,
        *conclusions.plans(study),
    ]:
        console.print(line, highlight=False, markup=False)
    for line in factors.missing_cells(study.runs, study.factors):
        console.print(f"not run yet: {line}", soft_wrap=True, highlight=False, markup=False)
    return 0


def parser(verb: str, what: str | None) -> argparse.ArgumentParser:
    """The arguments that `compare` and `report` share."""
    own = argparse.ArgumentParser(prog=f"fashion_exp {verb}", description=what)
    own.add_argument(
        "runs", nargs="*", metavar="RUN",
        help="folder or name of a run or sweep, id of a tracked run, or a filter in MLflow's "
        "language; default: the newest sweep",
    )  # fmt: skip
    own.add_argument("--baseline", metavar="RUN", help="compare all others with this run only")
    own.add_argument("--metric", default="accuracy", help=" or ".join(METRICS))
    own.add_argument("--alpha", type=float, default=0.05, help="error rate of the whole family")
    own.add_argument(
        "--rope", type=float, default=0.01, help="differences below this are of no interest"
    )
    own.add_argument("--exact", action="store_true", help="McNemar's test exact, not mid-p")
    own.add_argument("--target", type=float, help="accuracy to be reached, as 0.95")
    own.add_argument("--human", metavar="ACCURACY[:N]", help="people's accuracy, on N images")
    own.add_argument("--open-test", action="store_true", help="open the test of every run")
    own.add_argument("--uri", help="of the tracking store, for filters")
    own.add_argument("--outputs", help="where the runs are; default: as for experiments")
    return own


def check(options: argparse.Namespace) -> None:
    """Raises `InputError` before anything is loaded."""
    if options.metric not in METRICS:
        raise InputError(
            f"--metric {options.metric}: no such metric; {suggest(options.metric, METRICS)}"
        )
    for name, value in (("alpha", options.alpha), ("target", options.target)):
        if value is not None and not 0 < value < 1:
            raise InputError(f"--{name} {value:g}: must lie between 0 and 1")
    if options.alpha >= 0.5:
        raise InputError(f"--alpha {options.alpha:g}: must lie below 0.5")
    if not options.rope >= 0:
        raise InputError(f"--rope {options.rope:g}: must not be negative")
    human(options.human)


def human(text: str | None) -> tuple[float, int | None] | None:
    """`0.95` or `0.95:200`. Raises `InputError`."""
    if text is None:
        return None
    accuracy, _, images = text.partition(":")
    try:
        found = float(accuracy), int(images) if images else None
    except ValueError:
        raise InputError(f"--human {text}: ACCURACY or ACCURACY:N, as 0.95:200") from None
    if not 0 < found[0] < 1 or (found[1] is not None and found[1] < 1):
        raise InputError(f"--human {text}: an accuracy between 0 and 1, and at least one image")
    return found


def study_of(options: argparse.Namespace) -> tuple[Comparison, Path]:
    """The study that the arguments ask for, its tests opened if they say so; and `outputs`."""
    from fashion_exp.comparison.comparison import Comparison, Question
    from fashion_exp.comparison.find_runs import failed_beside, find_runs
    from fashion_exp.comparison.run_data import load_run

    outputs = outputs_dir(options.outputs)
    folders = find_runs(options.runs, outputs, options.uri)
    baseline = _baseline(options, folders, outputs)
    if options.open_test:
        _open(folders, outputs)
    question = Question(
        metric=options.metric,
        alpha=options.alpha,
        rope=options.rope,
        exact=options.exact,
        target=options.target,
        baseline=baseline,
        human=human(options.human),
    )
    members = [load_run(folder) for folder in folders]
    return Comparison(members, question, failed_beside(folders)), outputs


def _baseline(options: argparse.Namespace, folders: list[Path], outputs: Path) -> int | None:
    from fashion_exp.comparison.find_runs import find_runs

    if options.baseline is None:
        return None
    named = find_runs([options.baseline], outputs, options.uri)
    if len(named) != 1:
        raise InputError(f"--baseline {options.baseline}: means {len(named)} runs; name one")
    if named[0] not in folders:
        folders.append(named[0])
    return folders.index(named[0])


def _open(folders: Sequence[Path], outputs: Path) -> None:
    from fashion_exp.evaluation.results import mark_test_evaluated

    for folder in folders:
        mark_test_evaluated(folder, outputs)


def typed(verb: str, arguments: Sequence[str]) -> str:
    """The command line as it was typed."""
    return shlex.join(["scripts/run", verb, *arguments])

"""`compare`: which of several finished runs is better, and whether the data support it."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fashion_exp.commands.comparison_options import build_parser, comparison_options
from fashion_exp.commands.gate_options import EXIT_CODES, add_gate_options, decision_of, gate_of
from fashion_exp.commands.slice_options import add_slices_switch, print_slices, slice_options
from fashion_exp.errors import ExitCode, InputError

if TYPE_CHECKING:
    from fashion_exp.api.comparison import Comparison
    from fashion_exp.comparison.gate import Decision
    from fashion_exp.racing.placebo import PlaceboPlan

LONG_SECONDS = 60
"""Training time of a placebo from which on it is asked for."""
MAX_PAIRS = 15
"""If there are more, the terminal shows only those of the winner. The report shows all."""


PAGE_COLUMNS = (
    "activation", "weights", "loss", "macro-F1", "test n", "updates", "split manifest",
)  # fmt: skip
"""Columns of the table of runs that only the report has room for."""
SCORE_COLUMNS = {"accuracy": "validation", "loss": "loss", "macro_f1": "macro-F1"}
"""Where the table of runs has each metric."""


def run(arguments: list[str]) -> int:
    """Prints problems, runs, pairs and conclusions. Raises `InputError`."""
    parser = build_parser("compare", __doc__)
    parser.add_argument(
        "--bayes",
        action="store_true",
        help="print the posterior of each difference beside the verdicts, as a check",
    )
    parser.add_argument(
        "--placebo", type=int, metavar="N",
        help="train the baseline, or the only run, again under N other seeds and compare it with "
        "itself: how often identical recipes are called different",
    )  # fmt: skip
    parser.add_argument(
        "--yes", action="store_true", help="train for --placebo without asking, however long"
    )
    add_gate_options(parser)
    add_slices_switch(parser)
    parser.epilog = EXIT_CODES
    args = parser.parse_args(arguments)
    options, gate = comparison_options(args), gate_of(args)
    if args.yes and args.placebo is None:
        raise InputError("--yes: has no effect without --placebo")
    from fashion_exp.api.comparison import compare
    from fashion_exp.comparison.looks import recipe

    chosen = slice_options(args)
    if args.placebo is not None:
        comparison = _compare_with_placebo(args, options)
    else:
        comparison = compare(args.runs, **options)
    analysis = None
    if args.slices:
        from fashion_exp.api.slices import comparison_slices

        analysis = comparison_slices(comparison, **chosen)
    decision = None
    if gate is not None:
        same_recipe = len({recipe(run) for run in comparison.runs}) == 1
        decision = decision_of(comparison, gate, args.budget, comparison.outputs, same_recipe)
    if args.json:
        content = _as_json(comparison, decision)
        content |= {} if analysis is None else {"slices": analysis.as_json()}
        print(json.dumps(content, indent=1))
    else:
        _print(comparison, args.bayes)
        if analysis is not None:
            print_slices(analysis)
        if decision is not None:
            print(decision.sentence)
    return ExitCode.DONE if decision is None else decision.exit_code


def _compare_with_placebo(args: argparse.Namespace, options: dict[str, Any]) -> Comparison:
    """Asks before it trains for long."""
    from fashion_exp.api.comparison import compare
    from fashion_exp.commands.runs import confirm
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import duration, pluralize
    from fashion_exp.reporting.progress import Progress

    def approve(plan: PlaceboPlan) -> None:
        cost = f"{pluralize(plan.trainings, 'training')} for {plan.run.name}, about "
        cost += f"{duration(plan.seconds)}"
        if plan.seconds > LONG_SECONDS:
            confirm(f"--placebo {args.placebo}: {cost}. Train them?", args.yes, "trained")
        elif plan.trainings:
            console.print(f"placebo: {cost}")

    console = plain_console(stderr=True)
    try:
        with Progress(console) as progress:
            return compare(
                args.runs, **options, placebo=args.placebo, approve=approve, progress=progress
            )
    except KeyboardInterrupt as error:
        error.add_note("stopped; the same command continues the placebo")
        raise


def _as_json(comparison: Comparison, decision: Decision | None) -> dict[str, Any]:
    from fashion_exp.comparison.comparison_json import comparison_json
    from fashion_exp.comparison.plans import plans

    table = comparison.table.astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    runs = [{str(name): value for name, value in row.items()} for row in rows]
    sentences = comparison.conclusions, plans(comparison)
    gate = None if decision is None else decision.as_json()
    placebo = None if comparison.placebo is None else comparison.placebo.as_json()
    return comparison_json(comparison, runs, *sentences, gate) | {"placebo": placebo}


def _print(comparison: Comparison, bayes: bool) -> None:
    from fashion_exp.comparison.audit import audit
    from fashion_exp.comparison.factors import missing_grid_commands
    from fashion_exp.comparison.plans import plans
    from fashion_exp.comparison.report_tables import joint_interval_header, pairs_table, runs_table
    from fashion_exp.comparison.uncertainty import training_failures, uncertainty_table
    from fashion_exp.reporting import tables
    from fashion_exp.reporting.console import plain_console

    console = plain_console()
    for finding in audit(comparison.runs, comparison.names):
        if finding.severity != "fine":
            runs = "; ".join(finding.runs)
            console.print(f"{finding.title}: {finding.detail} ({runs})")
    table = runs_table(comparison)
    omitted = {*PAGE_COLUMNS} - {SCORE_COLUMNS.get(comparison.settings.metric)}
    columns = [name for name in table.header if name not in omitted]
    table = tables.extract_shared(tables.select_columns(table, columns))
    console.print(table)
    if len(comparison.runs) > 1:
        pairs = pairs_table(comparison)
        if len(pairs.rows) > MAX_PAIRS:
            winner = comparison.names[comparison.winner]
            rows = [row for row in pairs.rows if winner in row[:2]]
            note = f"{len(pairs.rows) - len(rows):,} pairs without {winner} are in the report."
            pairs = replace(pairs, rows=rows, notes=[note, *pairs.notes])
        joint = joint_interval_header(comparison)
        columns = ["first", "second", "first minus second", joint, "p (adjusted)", "verdict"]
        console.print(tables.select_columns(pairs, columns))
        if bayes:
            from fashion_exp.comparison.bayes import posterior_table

            posteriors = posterior_table(comparison)
            shown = {tuple(row[:2]) for row in pairs.rows}
            rows = [row for row in posteriors.rows if tuple(row[:2]) in shown]
            console.print(replace(posteriors, rows=rows))
    console.print(uncertainty_table(comparison))
    failures = training_failures(comparison)
    for line in [*comparison.conclusions, *failures, *comparison.confounds, *plans(comparison)]:
        console.print(line)
    for command in missing_grid_commands(comparison.runs, comparison.factors):
        console.print(f"not run yet: {command}", soft_wrap=True)

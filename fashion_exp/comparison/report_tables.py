"""The tables of a comparison: one row per run, and one row per pair of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.comparison.factors import update_count
from fashion_exp.comparison.pairs import TEST_NAMES
from fashion_exp.evaluation.results import own_metrics
from fashion_exp.reporting.formats import (
    DASH,
    MINUS,
    number,
    percent,
    percent_range,
    sample_size,
    with_limits,
)
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.family import PairwiseComparison
    from fashion_exp.comparison.run_data import RunData

OPTION_COLUMNS: Mapping[str, str] = {
    "model": "model.name",
    "split": "split.name",
    "train ratio": "split.train_ratio",
    "epochs": "training.epochs",
    "depth": "model.depth",
    "head": "model.head",
    "hidden": "model.hidden",
    "optimizer": "optim.name",
    "lr": "optim.lr",
    "dropout": "model.dropout",
    "seed": "seed",
}
"""The option columns of the paper's Figure 4."""


RESULT_COLUMNS = (
    "activation", "weights", "loss", "macro-F1", "n", "J", "test n", "updates", "split manifest",
)  # fmt: skip
"""The columns after the options."""


def runs_table(comparison: Comparison) -> PlainTable:
    """The table of the paper's Figure 4, with further swept options, intervals and counts.

    The accuracies come first: a page or a terminal may not have room for all columns.
    """
    columns = [
        (title, option)
        for title, option in OPTION_COLUMNS.items()
        if any(_setting(run, option) is not None for run in comparison.runs)
    ]
    swept = {f.options[0] for f in comparison.factors if len(f.options) == 1}
    further = sorted(swept - {*OPTION_COLUMNS.values(), "model.weights"})
    taken = {*RESULT_COLUMNS, *OPTION_COLUMNS}
    names = [option.rpartition(".")[2] for option in further]
    columns += [
        (option if name in taken or names.count(name) > 1 else name, option)
        for name, option in zip(names, further, strict=True)
    ]
    titles, options = zip(*columns, strict=True)
    own = sorted({name for run in comparison.runs for name in run.summary("validation").own})
    header = ["run", "validation", "test", "validation t-interval", *titles, *RESULT_COLUMNS]
    rows = [_run_row(comparison, index, options) for index in comparison.ranking]
    header += own
    for index, row in zip(comparison.ranking, rows, strict=True):
        row += [_own_metric(comparison.runs[index], name) for name in own]
    fixed = ["validation"]
    level = f"{100 * comparison.settings.level:g} %"
    scores = {"accuracy": "accuracies"}.get(comparison.accuracy_name, comparison.accuracy_name)
    note = (
        f"Best validation first; {scores} with their {level} interval. n: different photos "
        "judged. J: trainings."
    )
    if any(run.is_test_evaluated for run in comparison.runs):
        fixed.append("test")
        note += f" Test: {DASH} while it is held out."
    if (name := comparison.settings.on) is not None:
        header.insert(1, f"on {name}")
        fixed.append(f"on {name}")
        for index, row in zip(comparison.ranking, rows, strict=True):
            accuracy = comparison.runs[index].summary(name).accuracy
            assert accuracy.estimate is not None
            row.insert(1, with_limits(accuracy.estimate, accuracy.low, accuracy.high))
        counts = sorted({run.summary(name).images for run in comparison.runs})
        note += f" On {name}: {' or '.join(map(str, counts))} photos of this evaluation."
    return PlainTable(
        header, rows, notes=[note, *filter(None, [comparison.candidates_note])], fixed=fixed
    )


def _run_row(comparison: Comparison, index: int, options: Sequence[str]) -> list[str]:
    run = comparison.runs[index]
    summary = run.summary("validation")
    wilson, t = summary.accuracy, summary.accuracy_t
    assert wilson.estimate is not None
    test, test_n = DASH, DASH
    if run.is_test_evaluated:
        test_summary = run.summary("test")
        accuracy = test_summary.accuracy
        assert accuracy.estimate is not None
        test = with_limits(accuracy.estimate, accuracy.low, accuracy.high)
        test_n = f"{test_summary.images}"
    return [
        comparison.names[index],
        with_limits(wilson.estimate, wilson.low, wilson.high),
        test,
        DASH if summary.t_interval_omitted else _limits(t.low, t.high),
        *(_option(_setting(run, option)) for option in options),
        "ReLU" if run.options["model.name"] == "basic_cnn" else "the network's own",
        _weights(run.result.facts["weights"]),
        number(summary.loss.estimate),
        percent(summary.macro_f1.estimate),
        f"{summary.images}",
        f"{wilson.scores}",
        test_n,
        f"{updates:,}" if (updates := update_count(run)) else DASH,
        run.result.facts["split_hash"][:8],
    ]


def _own_metric(run: RunData, name: str) -> str:
    """The value of a metric of the run's `extensions` on validation photos, with its interval."""
    if (score := run.summary("validation").own.get(name)) is None or score.estimate is None:
        return DASH
    is_share = own_metrics(run.result.facts)[name]["is_share"]
    return with_limits(score.estimate, score.low, score.high, is_share)


def _setting(run: RunData, option: str) -> Any:
    """What acted; None if the run has no such option, or does not read it."""
    return run.settings.get(option, run.options.get(option))


def _option(value: Any) -> str:
    if value is None:
        return DASH
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _weights(identity: str) -> str:
    """ "none", "imagenet", or the name of the weights file."""
    source = identity.split(":")[0]
    return Path(source).stem if "/" in source else source


def _limits(low: float | None, high: float | None) -> str:
    return DASH if low is None or high is None else percent_range(low, high)


def joint_interval_header(comparison: PairwiseComparison) -> str:
    """The title of the column with the intervals that agree with the verdicts."""
    level = f"{100 * comparison.settings.pair_level:g} %"
    return f"{level} interval" if comparison.family_size == 1 else f"{level}, all jointly"


def pairs_table(comparison: PairwiseComparison) -> PlainTable:
    """One row per pair: difference, intervals, p-values, verdict, test, n and J.

    The better-ranked run is first, or the baseline is second.
    """
    metric = comparison.settings.described
    header = [
        "first", "second", "first minus second", joint_interval_header(comparison),
        f"{100 * comparison.settings.pair_level:g} %, this pair alone",
        "paired bootstrap", "p", "p (adjusted)", "verdict", "test", "estimates", "n", "J", "note",
    ]  # fmt: skip
    rows = []
    for pair in comparison.pairs:
        a, b, test = comparison.names[pair.a], comparison.names[pair.b], pair.test
        if test is None:
            rows.append([a, b, *[DASH] * 6, pair.verdict, *[DASH] * 4, pair.note])
            continue
        interval = test.interval.or_fallback
        rows.append(
            [
                a,
                b,
                metric.format_difference(test.difference),
                metric.format_limits(pair.simultaneous),
                metric.format_limits(interval),
                metric.format_limits(pair.bootstrap),
                _format_p(test.p),
                _format_p(pair.p_holm),
                pair.label,
                TEST_NAMES.get(test.method, test.method),
                interval.target,
                DASH if interval.n is None else sample_size(interval.n),
                f"{interval.scores}",
                pair.note,
            ]
        )
    unused = {4} if comparison.family_size == 1 else set()  # both intervals are the same
    if all(pair.bootstrap is None for pair in comparison.pairs):
        unused.add(header.index("paired bootstrap"))
    header, *rows = [
        [cell for column, cell in enumerate(row) if column not in unused] for row in (header, *rows)
    ]
    notes = [_order_note(comparison), _difference_note(comparison), *multiplicity_notes(comparison)]
    notes = [note for note in notes if note]
    return PlainTable(header, rows, notes=notes)


def _order_note(comparison: PairwiseComparison) -> str:
    metric = comparison.settings.described
    better = "below" if metric.lower_is_better else "above"
    if comparison.settings.baseline is not None:
        return f"The second is the baseline; the first is better if the difference is {better} 0."
    rank = f"The first has the better {comparison.ranked_by}"
    if len(comparison.compared) > len(comparison.candidates):
        rank += " or the larger training share"
    if (name := comparison.settings.on) is not None:
        rank += f", whatever it reaches on {name}; the difference is that on {name}"
    return f"{rank}; the first is better than the second if the difference is {better} 0."


def _difference_note(comparison: PairwiseComparison) -> str:
    """Why a difference need not equal that of the accuracies; empty if it does."""
    is_redrawn = comparison.part == "validation" and any(r.redrawn for r in comparison.runs)
    if not is_redrawn or comparison.settings.metric != "accuracy":
        return ""
    return (
        "An accuracy is the mean over the photos, a difference the mean over the pairs of "
        "trainings: with splits of their own the two may differ by some tenths of a point."
    )


def multiplicity_notes(comparison: PairwiseComparison) -> list[str]:
    """How the p-values and verdicts account for the number of comparisons."""
    settings = comparison.settings
    metric = settings.described
    kind = "all pairs" if settings.pairs == "all" else "the best run against the others"
    if settings.baseline is not None:
        kind = "all against the baseline"
    omitted = comparison.omitted_comparisons
    failed = f", {omitted} of them with runs that failed or did not finish" if omitted else ""
    equivalent = (
        f"; equivalent: the {100 * (1 - 2 * settings.pair_alpha):g} % interval of the pair alone "
        f"is within {metric.format_margin(settings.rope)}"
    )
    notes = [
        f"{metric.label[0].upper()}{metric.label[1:]} on the {comparison.compared_items}; "
        f"{comparison.correction} ({kind}{failed}), "
        f"alpha = {settings.pair_alpha:g}{equivalent if settings.rope else ''}."
    ]
    if comparison.family_size > 1:
        notes.append(
            f"The intervals for all comparisons jointly have Bonferroni's level, 1 {MINUS} "
            f"{settings.pair_alpha:g}/{comparison.bonferroni_factor:,}. Their ends are moved where "
            "needed, so that an interval excludes 0 exactly if one run is better. An interval for "
            "one pair alone does not allow for their number."
        )
    omnibus = comparison.omnibus
    if omnibus is not None and omnibus.p is not None:
        p = _format_p(omnibus.p) if omnibus.p < 1e-4 else f"= {_format_p(omnibus.p)}"
        some = "some runs differ" if omnibus.p < settings.pair_alpha else "no difference is shown"
        notes.append(
            f"Cochran's Q over {omnibus.models} runs on {omnibus.n} images: "
            f"Q = {omnibus.statistic:.2f} with {omnibus.df} degrees of freedom, p {p}: {some}."
        )
    return notes


def _format_p(p: float | None) -> str:
    if p is None:
        return DASH
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"

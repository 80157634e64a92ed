"""Where the uncertainty of a run comes from, what would reduce it, how often trainings fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fashion_exp.comparison.find_runs import unfinished_jobs
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.reporting.formats import DASH, MINUS, duration, percent, percent_range, pluralize
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES
from fashion_exp.stats.next_units import MORE_IMAGES, MORE_TRAININGS, Uncertainty, uncertainty
from fashion_exp.stats.proportions import clopper_pearson

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.run_data import RunData

NOTE = (
    "Standard errors of the accuracy by source, in points; then the half-width of its t-interval "
    "and by how much more trainings or photos would narrow it, with the training time that they "
    "cost. Redrawn splits cannot tell the interaction of trainings and photos from the trainings. "
    "Taking and labeling photos is not counted."
)


def run_uncertainty(run: RunData, part: str) -> Uncertainty:
    """For the accuracy of a run on "validation" or "test"."""
    matrix = run.score_matrix(part, "accuracy")
    groups = matrix.groups if matrix.has_shared_groups else None
    level, repeats = run.result.confidence, matrix.repeats
    if part != "validation" or (not run.result.redrawn and repeats > 1):
        table = matrix if matrix.is_complete else matrix.pool_folds()
        return uncertainty(table.values, level, groups=groups)
    sizes = run.result.train_sizes.values()
    n_train = sum(sizes) / len(sizes)
    return uncertainty(matrix.values, level, n_train=n_train, repeats=repeats, groups=groups)


def uncertainty_table(comparison: Comparison) -> PlainTable:
    """One row per run, best first; the advice for the first follows."""
    part, rows = comparison.part, []
    for index in comparison.ranking:
        run = comparison.runs[index]
        uncertainty = run_uncertainty(run, part)
        if not uncertainty.half_width:  # equal scores: no estimate, not certainty
            rows.append([comparison.names[index], *[DASH] * 6])
            continue
        per_training = run.result.seconds / len(run.result.train_sizes)
        is_imported = RunDir(run.result.output).is_imported
        images = len(run.score_matrix(part, "accuracy").images)
        again = run.result.seconds * (1 + MORE_IMAGES / images) if part == "validation" else 0.0
        rows.append(
            [
                comparison.names[index],
                *(
                    _points(se)
                    for se in (uncertainty.images, uncertainty.trainings, uncertainty.interaction)
                ),
                f"±{_points(uncertainty.half_width)}",
                _gain(
                    uncertainty.half_width,
                    uncertainty.more_trainings,
                    None if is_imported else MORE_TRAININGS * per_training,
                ),
                _gain(
                    uncertainty.half_width, uncertainty.more_images, None if is_imported else again
                ),
            ]
        )
    trainings, photos = f"{MORE_TRAININGS} more trainings", f"{MORE_IMAGES} more photos"
    header = ["run", "photos", "trainings", "interaction", "half-width", trainings, photos]
    title = f"Where the uncertainty of the {part} {comparison.accuracy_name} comes from"
    return PlainTable(header, rows, title, [NOTE, _advice(comparison)])


def _points(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.1f}"


def _gain(now: float, later: float | None, seconds: float | None) -> str:
    """The change of a half-width, and the seconds of training that it costs if they are known."""
    if later is None:
        return DASH
    change = 100 * (now - later)
    sign = MINUS if round(change, 1) > 0 else ""
    if seconds is None:
        return f"{sign}{abs(change):.1f}"
    return f"{sign}{abs(change):.1f} ({duration(seconds) if seconds else 'no training'})"


def _advice(comparison: Comparison) -> str:
    """What narrows the interval of the best run most."""
    winner, part = comparison.winner, comparison.part
    uncertainty = run_uncertainty(comparison.runs[winner], part)
    name = comparison.names[winner]
    if uncertainty.more_trainings is None:
        return (
            f"{name} has one training, which says nothing about new ones: train it "
            f"{MIN_RELIABLE_SCORES} times or more (repeats={MIN_RELIABLE_SCORES})."
        )
    if not uncertainty.half_width:
        return f"{name}: no variance among the scores, so it is unknown what would narrow it."
    by_trainings, by_photos = (
        100 * (uncertainty.half_width - later)
        for later in (uncertainty.more_trainings, uncertainty.more_images)
    )
    more = (
        (f"{MORE_TRAININGS} more trainings", by_trainings),
        (f"{MORE_IMAGES} more {part} photos", by_photos),
    )
    (best, gain), (other, less) = sorted(more, key=lambda item: -item[1])
    return (
        f"Next for {name}: {best} narrow its interval by {gain:.1f} points to each side, {other} "
        f"by {max(less, 0.0):.1f}."
    )


def training_failures(comparison: Comparison) -> Iterator[str]:
    """How often trainings collapse or diverge, from all trainings of the runs and their sweeps.

    Intervals of a recipe hold as long as trainings like the ones seen are the rule; this interval
    says how often trainings may fail.
    """
    finished = [run.result.output for run in comparison.runs]
    diverged = sum(RunDir(job).has_diverged for job in unfinished_jobs(finished))
    collapsed = sum(len(run.summary("validation").single_class_models) for run in comparison.runs)
    trainings = diverged + sum(len(run.result.train_sizes) for run in comparison.runs)
    interval = clopper_pearson(collapsed + diverged, trainings, comparison.settings.level)
    assert interval.low is not None and interval.high is not None
    if trainings > 1:
        yield (
            f"Failed trainings: {collapsed + diverged} of {pluralize(trainings, 'training')} "
            f"({collapsed} predict one class only, {diverged} diverged), "
            f"{percent(interval.estimate)} ({percent_range(interval.low, interval.high)} %, "
            f"{100 * interval.level:g} % Clopper-Pearson)."
        )

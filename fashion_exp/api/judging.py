"""Predictions of any tool, judged: `fashion_exp.judge`. It needs numpy, scipy and pandas only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import InputError, suggest
from fashion_exp.judging.columns import Scores
from fashion_exp.judging.flips import Flips
from fashion_exp.judging.formats import Format
from fashion_exp.judging.judgement import Judgement
from fashion_exp.judging.runs import CLASS_METRICS, JoinOptions, Unit, join_tools
from fashion_exp.judging.sources import (
    read_labels,
    read_parts,
    read_tools,
    reading_options,
    source_options,
)


def judge(
    tables: object,
    *,
    baseline: str | None = None,
    metric: str | None = None,
    lower_is_better: bool = False,
    alpha: float = 0.05,
    rope: float | None = None,
    exact: bool = False,
    pairs: Literal["best", "all"] = "best",
    labels: object = None,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    scores: Scores = "probabilities",
    where: Mapping[str, str] | None = None,
    join: str = "auto",
    unit: Unit | None = None,
    shared_only: bool = False,
    train_size: int | None = None,
    form: Format = "auto",
    manifest: str | PathLike[str] | None = None,
    images: str | PathLike[str] | None = None,
    part: Literal["validation", "test"] | None = None,
    outputs: str | PathLike[str] = "outputs",
    uri: str | None = None,
) -> Judgement:
    """Judges which of several tools is better, with the test that fits the design.

    `tables` maps names to predictions: frames of pandas, files, folders of runs; several of one
    tool are trainings or folds (`unit`). Columns are id (or path or image_hash), label, and
    p_<class> …, probabilities or predicted; optional are group, fold, repeat and seed. `metric` is
    accuracy, loss, macro_f1 or a column with a score per item. docs/judge.md describes all options.

    `judgement.verdicts` and `judgement.conclusions` have the answer. Raises `InputError` for
    predictions that cannot be joined or understood, with the remedy.
    """
    sources = source_options(
        columns=columns, classes=classes, scores=scores, where=where, form=form,
        manifest=manifest, images=images, part=part, outputs=outputs, uri=uri,
    )  # fmt: skip
    settings = ComparisonSettings("accuracy", alpha, 0.0, exact, pairs=pairs)
    if pairs == "all" and baseline is not None:
        raise InputError("pairs=all has no effect with a baseline: leave out one of them")
    tools, metric = read_tools(tables, sources, metric, labels=labels is not None)
    names = [tool.name for tool in tools]
    if baseline is not None and baseline not in names:
        raise InputError(f"baseline {baseline}: no such table; {suggest(baseline, names)}")
    truth = None if labels is None else read_labels(labels, sources)
    options = JoinOptions(join, unit, shared_only, train_size)
    joined = join_tools(tools, options, metric, lower_is_better, truth)
    if rope is None:  # of other scores nobody has said which difference matters
        rope = 0.01 if metric in CLASS_METRICS or joined.metric.is_share else 0.0
    index = None if baseline is None else names.index(baseline)
    settings = replace(settings, metric=metric, column=joined.metric, baseline=index, rope=rope)
    return Judgement.of(joined, settings)


def import_predictions(
    tables: Sequence[object],
    name: str,
    *,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    scores: Scores = "probabilities",
    where: Mapping[str, str] | None = None,
    unit: Unit | None = None,
    train_size: int | None = None,
    form: Format = "auto",
    manifest: str | PathLike[str] | None = None,
    images: str | PathLike[str] | None = None,
    part: Literal["validation", "test"] | None = None,
    outputs: str | PathLike[str] = "outputs",
    uri: str | None = None,
    track: bool = True,
    experiment: str = "fashion_exp",
    command: str = "",
) -> Path:
    """Makes a run of another tool's predictions, and returns its folder.

    `tables` are the trainings or folds of one tool; other arguments are those of `judge`. `compare`
    and `report` take the run beside others. Raises `InputError` for predictions without labels,
    without probabilities of all classes, or without validation.
    """
    from fashion_exp.configuration.schema import TrackingConfig
    from fashion_exp.judging.import_run import import_run

    root = Path(outputs).absolute()
    sources = source_options(
        columns=columns, classes=classes, scores=scores, where=where, form=form,
        manifest=manifest, images=images, part=part, outputs=root, uri=uri,
    )  # fmt: skip
    parts = read_parts(tables, name, sources)
    options = JoinOptions(unit=unit, train_size=train_size)
    store = "mlflow" if track else "none"
    tracking = TrackingConfig(name=store, uri=uri, experiment=experiment)
    return import_run(name, parts, options, command, root, tracking).path


def flips_page(
    result: Flips, before: object, after: object, page: str | PathLike[str], **options: Any
) -> None:
    """Writes the photos that a change lost and gained as an HTML page; arguments are those of
    `flips`. Raises `InputError` if the photos cannot be found."""
    from fashion_exp.judging.flips_page import write_flips_page

    write_flips_page(result, _pair(before, after), reading_options(options), Path(page))


def flips(before: object, after: object, *, alpha: float = 0.05, **options: Any) -> Flips:
    """Which items a change gained and lost; tables and `options` are those of `judge`.

    `flips.counts` has numbers by class, `flips.items` the items. Raises like `judge`.
    """
    judgement = judge(_pair(before, after), metric="accuracy", alpha=alpha, **options)
    settings = replace(judgement.settings, baseline=0)
    return Flips(replace(judgement, settings=settings))


def _pair(before: object, after: object) -> object:
    return [before, after] if isinstance(before, str | Path) else {"before": before, "after": after}

"""Accuracy on slices of the items: `fashion_exp.slices`. Frames need no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fashion_exp.comparison.slices import CLASS, SliceAnalysis, select_columns
from fashion_exp.errors import InputError
from fashion_exp.judging.columns import ColumnOptions
from fashion_exp.judging.item_columns import item_columns
from fashion_exp.judging.sources import SourceOptions, named_frames, reading_options, table_keys

if TYPE_CHECKING:
    from fashion_exp.api.comparison import Comparison
    from fashion_exp.judging.judgement import Judgement

NO_EFFECT = ("metric", "lower_is_better", "rope", "exact")
"""Arguments of `judge` that slices do not have."""


def slices(
    tables: object, *, by: Sequence[str] | None = None, table: object = None, bins: int = 4,
    **options: Any,
) -> SliceAnalysis:  # fmt: skip
    """The accuracy of one tool or run, or of several, on slices of the items.

    `tables` and `options` are those of `judge`. Slices are the classes, the other columns of the
    first table, those of `table` (a frame or file with an id, path or image_hash), and of a run the
    properties of its photos; `by` names those to use. A column of many numbers is cut into `bins`
    ranges with as many items each. Raises `InputError`.
    """
    if bad := [name for name in NO_EFFECT if options.pop(name, None)]:
        raise InputError(f"{bad[0]}: has no effect on slices, which are of the accuracy")
    from fashion_exp.api.judging import judge  # `comparison_slices` does without

    judgement = judge(tables, metric="accuracy", **options)
    return judgement_slices(judgement, tables, by=by, table=table, bins=bins, **options)


def judgement_slices(
    judgement: Judgement, tables: object, *, by: Sequence[str] | None = None,
    table: object = None, bins: int = 4, **options: Any,
) -> SliceAnalysis:  # fmt: skip
    """`slices` of what `judge` returned for these tables and options."""
    if judgement.settings.metric != "accuracy":
        raise InputError(f"metric={judgement.settings.metric}: slices are of the accuracy")
    check_bins(bins)
    sources = reading_options(options)
    columns = [_label_column(judgement)]
    named = named_frames(tables, sources)
    keys = [own for _, own in table_keys(named, sources)]
    items = judgement.runs[0].items
    source, frame = next(iter(named.values()))[0]
    if "run" in frame.attrs:
        columns.append(_photos(Path(frame.attrs["run"]), sources.outputs, by))
    else:
        columns.append(item_columns(frame, source, items, keys, sources.columns))
    if table is not None:
        ((_, parts),) = named_frames({"table": table}, replace(sources, images=None)).items()
        columns.append(item_columns(parts[0][1], "table", items, keys, ColumnOptions()))
    return SliceAnalysis(judgement, select_columns(_joined(columns, items), by), bins)


def comparison_slices(
    comparison: Comparison, by: Sequence[str] | None = None, table: object = None, bins: int = 4
) -> SliceAnalysis:
    """The same for compared runs; their photos are those of the best run."""
    check_bins(bins)
    run = comparison.runs[comparison.winner]
    frame = run.predictions(comparison.part).drop_duplicates("image_id")
    items = pd.Index(frame["image_id"])
    columns = [pd.DataFrame({CLASS: frame["label"].to_numpy()}, index=items)]
    columns.append(_photos(run.result.output, comparison.outputs, by))
    if table is not None:
        sources = SourceOptions(outputs=comparison.outputs)
        ((_, parts),) = named_frames({"table": table}, sources).items()
        keys = [{"id": frame["image_id"].astype(str), "path": frame["path"].astype(str)}]
        columns.append(item_columns(parts[0][1], "table", items, keys, ColumnOptions()))
    return SliceAnalysis(comparison, select_columns(_joined(columns, items), by), bins)


def check_bins(bins: int) -> None:
    """Raises `InputError` below 2."""
    if bins < 2:
        raise InputError(f"bins={bins}: must be at least 2")


def _label_column(judgement: Judgement) -> pd.DataFrame:
    run = judgement.runs[0]
    return pd.DataFrame({CLASS: run.labels("").to_numpy()}, index=run.items)


def _photos(folder: Path, outputs: Path, by: Sequence[str] | None) -> pd.DataFrame:
    """Of a run; photos are not looked at if only classes are asked for."""
    from fashion_exp.comparison.photo_columns import photo_columns
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.evaluation.run_dir import RunDir
    from fashion_exp.paths import outputs_of

    if RunDir(folder).is_imported or (by and {*by} <= {CLASS}):
        return pd.DataFrame()
    root = outputs_of(folder) or outputs
    return photo_columns(load_run(folder), root / "cache")


def _joined(columns: Sequence[pd.DataFrame], items: pd.Index) -> pd.DataFrame:
    """The columns side by side; of equal names the last one counts."""
    joined = pd.DataFrame(index=items)
    for frame in columns:
        for name in frame.columns:
            joined[str(name)] = frame[name].reindex(items)
    return joined

"""Finds the tables that a user names: files, runs, artifacts of MLflow, tables in memory."""

from __future__ import annotations

import glob
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError, suggest
from fashion_exp.judging.columns import (
    ALIASES,
    ColumnOptions,
    Predictions,
    Scores,
    read_columns,
    score_columns,
    select_rows,
)
from fashion_exp.judging.formats import FORMATS, NO_FILE, Format, read_frame
from fashion_exp.judging.runs import CLASS_METRICS, Tool

if TYPE_CHECKING:
    from fashion_exp.evaluation.run_dir import RunDir

ARTIFACT = "runs:/"
"""How MLflow writes artifacts of runs: runs:/ID/PATH."""


@dataclass(frozen=True)
class SourceOptions:
    """Where and how to read tables. Raises `InputError` for an unknown format."""

    columns: ColumnOptions = field(default_factory=ColumnOptions)
    form: Format = "auto"
    manifest: Path | None = None
    """The table with the ids of the rows of arrays."""
    images: Path | None = None
    """The folder of the images, whose content hashes join paths."""
    part: str | None = None
    """Of runs: "validation" or "test"; None: the test if it was evaluated."""
    outputs: Path = Path("outputs")
    uri: str | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMATS:
            raise InputError(f"format={self.form}: choices: {', '.join(FORMATS)}")


def source_options(
    *,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    scores: Scores = "probabilities",
    where: Mapping[str, str] | None = None,
    form: Format = "auto",
    manifest: str | PathLike[str] | None = None,
    images: str | PathLike[str] | None = None,
    part: str | None = None,
    outputs: str | PathLike[str] = "outputs",
    uri: str | None = None,
) -> SourceOptions:
    """From the arguments of `api.judging.judge` that are about reading. Raises `InputError`."""
    if images is not None and not Path(images).is_dir():
        raise InputError(f"images={images}: no such folder; name the one that paths start from")
    return SourceOptions(
        ColumnOptions(columns or {}, classes, scores, where or {}), form,
        None if manifest is None else Path(manifest), None if images is None else Path(images),
        part, Path(outputs), uri,
    )  # fmt: skip


def reading_options(options: Mapping[str, Any]) -> SourceOptions:
    """The same from all arguments of `api.judging.judge`."""
    own = inspect.signature(source_options).parameters
    return source_options(**{name: value for name, value in options.items() if name in own})


def read_tools(
    tables: object, options: SourceOptions, metric: str | None, *, labels: bool = False
) -> tuple[list[Tool], str]:
    """The tools with their tables, and the metric.

    `tables` is a mapping from names to tables, a sequence of tables, or one; a table is a frame, a
    file, a run or an artifact, and a sequence of them the trainings or folds of one tool. Without a
    `metric` it is the accuracy, or the one column of scores of tables without predicted classes.
    `labels` says that the options also read a table of labels. Raises `InputError`.
    """
    frames = named_frames(tables, options)
    every = [frame for parts in frames.values() for frame in parts]
    if not labels:
        _refuse_for_runs(every, options.columns, {"where": options.columns.where})
    _check_mapping(every, options.columns.columns)
    metric = metric or _metric_of(every, options.columns)
    column = None if metric in CLASS_METRICS else metric
    tools = [
        Tool(name, [_read(source, frame, options, column) for source, frame in parts])
        for name, parts in frames.items()
    ]
    return tools, metric


def named_frames(
    tables: object, options: SourceOptions
) -> dict[str, list[tuple[str, pd.DataFrame]]]:
    """The tables of each tool with their sources, as they are."""
    return {
        name: [(_source(name, part), _frame(part, options)) for part in parts]
        for name, parts in _named_tables(tables).items()
    }


def table_keys(
    frames: Mapping[str, Sequence[tuple[str, pd.DataFrame]]], options: SourceOptions
) -> list[tuple[str, Mapping[str, pd.Series]]]:
    """The source and the keys of each table, by kind of key."""
    return [
        (source, _read(source, frame, options, None).keys)
        for parts in frames.values()
        for source, frame in parts
    ]


def read_parts(tables: Sequence[object], name: str, options: SourceOptions) -> dict[str, Tool]:
    """The tables of one tool by part: by the column split, or all in the part of the options."""
    parts: dict[str, list[Predictions]] = {}
    named = [part for text in tables for part in next(iter(_named_tables([text]).values()))]
    frames = [(_source(name, table), _frame(table, options)) for table in named]
    _refuse_for_runs(frames, options.columns, {})
    _check_mapping(frames, options.columns.columns)
    for source, whole in frames:
        frame = select_rows(whole, source, options.columns.where)
        names = {str(column).casefold(): column for column in frame.columns}
        aliases = (options.columns.columns.get("split", "").casefold(), *ALIASES["split"])
        split = next((names[alias] for alias in aliases if alias in names), None)
        if options.part is not None or split is None:
            if options.part is None:
                raise InputError(f"{source}: no column split; --part validation or test says it")
            parts.setdefault(options.part, []).append(_read(source, frame, options, None))
            continue
        if (missing := frame[split].isna()).any():
            row = int(np.flatnonzero(missing)[0]) + 1
            raise InputError(f"{source}: {split}: missing in row {row}; complete or remove the row")
        for value, rows in frame.groupby(split):
            if value not in ("validation", "test"):
                raise InputError(
                    f"{source}: {split}={value}: a run has validation and test; --where "
                    f"{split}=validation reads one of them, --part says what all rows are"
                )
            parts.setdefault(str(value), []).append(_read(source, rows, options, None))
    return {part: Tool(name, part_tables) for part, part_tables in parts.items()}


def read_labels(table: object, options: SourceOptions) -> Predictions:
    """The table of true classes."""
    return _read(_source("labels", table), _frame(table, options), options, None)


def _read(
    source: str, frame: pd.DataFrame, options: SourceOptions, metric: str | None
) -> Predictions:
    columns = ColumnOptions() if "run" in frame.attrs else options.columns  # a run's are known
    if not columns.classes and (classes := frame.attrs.get("classes")):
        columns = replace(columns, classes=classes)
    read = read_columns(frame, source, columns, metric)
    return replace(read, train_sizes=frame.attrs.get("train_sizes"))


def _refuse_for_runs(
    frames: Sequence[tuple[str, pd.DataFrame]], columns: ColumnOptions, more: Mapping[str, object]
) -> None:
    """Raises `InputError` for options on columns, and `more`, if all tables are runs."""
    if not all("run" in frame.attrs for _, frame in frames):
        return
    scores = columns.scores != "probabilities"
    given = {"columns": columns.columns, "classes": columns.classes, "scores": scores, **more}
    for name, value in given.items():
        if value:
            raise InputError(
                f"{frames[0][0]}: {name} has no effect on a run, whose columns are known; leave it "
                "out"
            )


def _check_mapping(frames: Sequence[tuple[str, pd.DataFrame]], columns: Mapping[str, str]) -> None:
    """Raises `InputError` for a column that no table has."""
    for role, name in columns.items():
        if not any(name in frame for _, frame in frames):
            source, frame = frames[0]
            hint = suggest(name, map(str, frame.columns))
            raise InputError(f"{source}: no column {name} for {role}; {hint}")


def _metric_of(frames: Sequence[tuple[str, pd.DataFrame]], columns: ColumnOptions) -> str:
    """Accuracy, unless no table has predicted classes and each has the same column of scores."""
    source, frame = frames[0]
    read = read_columns(frame, source, columns) if "run" not in frame.attrs else None
    if read is None or read.predicted is not None:
        return "accuracy"
    score_names = score_columns(frame)
    if len(score_names) == 1:
        return score_names[0]
    if score_names:
        raise InputError(f"{source}: which score? --metric {' or '.join(score_names)}")
    return "accuracy"  # which names what is missing


def _named_tables(tables: object) -> dict[str, list[object]]:
    if isinstance(tables, Mapping):
        return {str(name): _parts(value) for name, value in tables.items()}
    if isinstance(tables, pd.DataFrame | str | Path):
        tables = [tables]
    if not isinstance(tables, Sequence):
        raise InputError(f"{tables!r}: no tables; give a mapping from names to tables")
    named: dict[str, list[object]] = {}
    for position, table in enumerate(tables):
        name, parts = f"table {position + 1}", _parts(table)
        if isinstance(table, str):
            name, parts = _named_text(table)
        elif isinstance(table, Path):
            name = table.stem
        if name in named:
            raise InputError(f"{name}: two tables have this name; name them: NAME={table}")
        named[name] = parts
    return named


def _parts(value: object) -> list[object]:
    """Of a tool: one table, or several that are trainings or folds."""
    is_several = isinstance(value, Sequence) and not isinstance(value, str)
    return list(value) if is_several else [value]  # type: ignore[call-overload]


def _named_text(text: str) -> tuple[str, list[object]]:
    """`NAME=FILE[,FILE…]`, `FILE`, or a pattern of files of one tool."""
    name, equals, rest = text.partition("=")
    if not equals or Path(text).exists():
        name, rest = "", text
    files = [rest] if Path(rest).exists() else rest.split(",")
    parts: list[object] = []
    for file in files:
        matches = sorted(glob.glob(file)) if set("*?[") & set(file) else []
        parts += matches or [file]
    return name or Path(str(parts[0])).stem or str(parts[0]), parts


def _source(name: str, table: object) -> str:
    return name if isinstance(table, pd.DataFrame) else str(table)


def _frame(table: object, options: SourceOptions) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        frame = table.reset_index() if table.index.name is not None else table
    elif isinstance(table, str) and table.startswith(ARTIFACT):
        frame = read_frame(_artifact(table, options), options.form, options.manifest)
    else:
        path = Path(str(table)).expanduser()
        if _is_run(path) or not path.exists():
            return _run_frame(str(table), path, options)
        frame = read_frame(path, options.form, options.manifest)
    return frame if options.images is None else _with_hashes(frame, options.images, options)


def _is_run(path: Path) -> bool:
    return (path / "result.json").is_file()


def _artifact(text: str, options: SourceOptions) -> Path:
    from fashion_exp.tracking import fetch_artifact

    run, _, path = text.removeprefix(ARTIFACT).partition("/")
    if not path:
        raise InputError(f"{text}: write runs:/ID/PATH, the artifact with the predictions")
    folder = options.outputs / "cache" / "tracked" / run
    return fetch_artifact(options.uri, options.outputs, run, path, folder)


def _run_frame(reference: str, path: Path, options: SourceOptions) -> pd.DataFrame:
    """The predictions of a run, by its folder, name or tracked id."""
    from fashion_exp.comparison.find_runs import find_run
    from fashion_exp.evaluation.run_dir import RunDir, require_finished

    if path.suffix and not path.exists():
        raise InputError(f"{reference}: {NO_FILE}")
    run = RunDir(path.resolve()) if path.is_dir() else find_run(reference, options.outputs)
    require_finished(run)
    return _predictions_of(run, reference, options.part)


def _predictions_of(run: RunDir, reference: str, part: str | None) -> pd.DataFrame:
    from fashion_exp.evaluation.results import load_result

    result = load_result(run.path)
    chosen = part or ("test" if result.test_evaluations else "validation")
    if chosen == "test" and not result.test_evaluations:
        raise InputError(
            f"{reference}: its test predictions are held out; `compare {reference} "
            "--evaluate-test` evaluates them, --part validation takes the others"
        )
    names = {"image_id": "id", "group_id": "group"}
    frame = run.predictions(chosen).rename(columns=names)
    frame["image_hash"] = frame["id"]
    frame = frame.drop(columns=["seed", "part"])  # the repeat tells trainings apart
    facts: dict[str, Any] = {"run": str(run.path), "train_sizes": dict(result.train_sizes)}
    frame.attrs |= facts | {"part": chosen}
    return frame


def _with_hashes(frame: pd.DataFrame, folder: Path, options: SourceOptions) -> pd.DataFrame:
    """With the content hashes of the files; copies of an item count once."""
    from fashion_exp.data.image_files import content_ids

    read = read_columns(frame, "", replace(options.columns, where={}))
    if "path" not in read.keys:
        raise InputError(f"images={folder}: the table has no column path")
    files = [str(folder / path) for path in read.keys["path"]]
    ids, reasons = content_ids(dict.fromkeys(files))
    if reasons:
        file, reason = next(iter(reasons.items()))
        raise InputError(f"{file}: {reason}; --images names the folder that paths start from")
    return frame.assign(image_hash=[ids[file] for file in files])

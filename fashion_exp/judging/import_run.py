"""Writes predictions of another tool as a finished run: beside our own in compare and report."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.atomic_io import write_json, write_text
from fashion_exp.comparison.find_runs import run_name, single_runs
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import Annotations, save_annotations
from fashion_exp.evaluation.predictions import write_predictions
from fashion_exp.evaluation.results import load_result, track_result, track_test
from fashion_exp.evaluation.run_dir import IMPORT_FILE, PART_FILES, RunDir
from fashion_exp.evaluation.test_usage import mark_test_evaluated
from fashion_exp.judging.columns import Predictions
from fashion_exp.judging.design import Models, arrange_models
from fashion_exp.judging.runs import JoinOptions, Tool
from fashion_exp.paths import new_run_token, unique_name
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.tracker import Tracker

log = logging.getLogger(__name__)

PARTS = ("validation", "test")
CONFIDENCE = 0.95
NO_VALIDATION = (
    "no rows of validation; runs are ranked by it. --part validation says that these are, a column "
    "split tells the parts apart, and `judge` compares tables without it"
)


@dataclass(frozen=True)
class ImportedPart:
    """One part of a run: its rows as `evaluation.predictions` stores them, and their design."""

    frame: pd.DataFrame
    models: Models


def import_run(
    name: str,
    parts: dict[str, Tool],
    options: JoinOptions,
    command: str,
    outputs: Path,
    tracking: TrackingConfig,
) -> RunDir:
    """A new run in `outputs/runs` with these predictions, tracked; `command` made it.

    Raises `InputError` for predictions that a run cannot have and a store that cannot be used; no
    run is left then. Warns if the store fails later.
    """
    if "validation" not in parts:
        raise InputError(f"{name}: {NO_VALIDATION}")
    for run in single_runs(outputs):
        if (run.path / IMPORT_FILE).exists() and run_name(run) == name:
            raise InputError(
                f"{name}: an imported run has this name, {run.path}; import --as another, or "
                "delete that folder"
            )
    classes = _classes(parts)
    built = {part: _part(tool, part, classes, options) for part, tool in parts.items()}
    sizes = _train_sizes(name, built["validation"].models, options)
    if "test" in built and built["test"].models.keys != built["validation"].models.keys:
        raise InputError(f"{name}: validation and test have predictions of different trainings")
    tracker = open_tracker(tracking, outputs)
    run = RunDir(outputs / "runs" / unique_name("imported"))
    draft = RunDir(run.path.with_name(f".{run.path.name}"))
    _write(draft, run.path.name, name, built, sizes, command)
    draft.path.rename(run.path)
    if "test" in built:
        mark_test_evaluated(run.path, outputs)
    _track(run, tracker, outputs)
    if tracker.failure:
        log.warning(
            "tracking: the run is not completely recorded (%s); its files are complete in %s. To "
            "record it, remove this folder and import again when the store answers",
            tracker.failure, run.path,
        )  # fmt: skip
    return run


def _classes(parts: dict[str, Tool]) -> tuple[str, ...]:
    tables = [table for tool in parts.values() for table in tool.tables]
    for table in tables:
        if table.probabilities is None or table.label is None:
            lacking = "labels" if table.label is None else "probabilities of all classes"
            raise InputError(f"{table.source}: a run has {lacking}; `judge` may do without")
        if set(table.classes) != set(tables[0].classes):
            raise InputError(f"{table.source}: other classes than in {tables[0].source}")
        if unknown := set(table.label.categories) - set(table.classes):
            raise InputError(
                f"{table.source}: no probabilities of {', '.join(sorted(unknown))}; --classes "
                "NAME,NAME,… names the classes 0, 1, …"
            )
    return tuple(sorted(tables[0].classes))


def _part(tool: Tool, part: str, classes: Sequence[str], options: JoinOptions) -> ImportedPart:
    key = next(k for k in ("hash", "id", "path") if all(k in t.keys for t in tool.tables))
    items = pd.Index(pd.concat([table.keys[key] for table in tool.tables]).unique())
    codes = [items.get_indexer(pd.Index(table.keys[key])) for table in tool.tables]
    rows = [np.arange(len(table), dtype=np.float64) for table in tool.tables]
    offsets = np.cumsum([0, *map(len, tool.tables)])
    positions = [own + offset for own, offset in zip(rows, offsets, strict=False)]
    models = arrange_models(tool.name, tool.tables, codes, positions, items, options.unit)
    frame = pd.concat([_rows(table, key, classes) for table in tool.tables], ignore_index=True)
    model, item = np.nonzero(~np.isnan(models.scores))
    order = models.scores[model, item].astype(np.int64)
    frame = frame.iloc[order].reset_index(drop=True)
    if (frame.groupby("image_id")["label"].nunique() > 1).any():
        raise InputError(f"{tool.name}: an item has two labels; correct one")
    keys = np.array(models.keys)[model]
    return ImportedPart(
        frame.assign(part=part, fold=keys[:, 1], repeat=keys[:, 0], seed=keys[:, 0]), models
    )


def _rows(table: Predictions, key: str, classes: Sequence[str]) -> pd.DataFrame:
    assert table.probabilities is not None and table.label is not None
    ids = table.keys[key].astype(object)
    columns = {f"p_{c}": table.probabilities[:, table.classes.index(c)] for c in classes}
    group = ids if table.group is None else pd.Series(table.group)
    label = np.asarray(table.label, dtype=object)
    path = table.keys.get("path", ids).astype(object)
    return pd.DataFrame(
        {"image_id": ids, "path": path, "group_id": group, "label": label, **columns}
    )


def _train_sizes(name: str, models: Models, options: JoinOptions) -> dict[str, int]:
    sizes = models.train_sizes or [options.train_size or 0] * len(models.keys)
    if models.redrawn and not all(sizes):
        raise InputError(
            f"{name}: each training judged items of its own, and the tests need the number of "
            "training items: --train-size N"
        )
    return {f"r{r}f{f}": int(size) for (r, f), size in zip(models.keys, sizes, strict=True)}


def _write(
    run: RunDir, folder: str, name: str, parts: dict[str, ImportedPart], sizes: dict[str, int],
    command: str,
) -> None:  # fmt: skip
    (run.path / "config").mkdir(parents=True)
    ids = {part: ",".join(sorted(built.frame["image_id"])) for part, built in parts.items()}
    images = pd.concat([built.frame for built in parts.values()]).drop_duplicates("image_id")
    labels = images.sort_values("image_id")[["image_id", "label"]].to_csv(index=False)
    models = parts["validation"].models
    facts = {
        "weights": "imported",
        "val_selected": "no",
        "left_out": "0",
        "files": str(len(images)),
        "images": json.dumps(images["label"].value_counts().to_dict()),
        "split_hash": _digest(ids["validation"]),
        "test_hash": _digest(ids.get("test", "")),
        "data_fingerprint": _digest(labels),
    }
    for part, built in parts.items():
        write_predictions(built.frame, run.path / PART_FILES[part])
    write_json(run.options_file, {"model.name": name, "model.weights": "none"})
    save_annotations(run.path, Annotations(name))
    write_json(run.overrides_file, [])
    write_json(run.path / IMPORT_FILE, {"command": command})
    write_text(run.history_file, "fold,repeat,epoch,part,loss,accuracy,lr,kept\n")
    trainings = pd.DataFrame(models.keys, columns=["repeat", "fold"])
    evaluated = parts.get("test", parts["validation"])
    trainings["identity"] = [_identity(evaluated.frame, *key) for key in models.keys]
    trainings["images"] = list(sizes.values())
    trainings[["updates", "seconds"]] = 0
    trainings[["plain_images", "plain_accuracy"]] = np.nan
    trainings.to_csv(run.trainings_file, index=False)
    _split(parts, list(sizes)).to_csv(run.split_file, index=False)
    write_text(run.left_out_file, "path,reason\n")
    content = {
        "name": name, "output": folder, "run": "", "confidence": CONFIDENCE, "seconds": 0.0,
        "facts": facts, "train_sizes": sizes, "redrawn": models.redrawn,
    }  # fmt: skip
    write_json(run.result_file, content)


def _split(parts: dict[str, ImportedPart], names: Sequence[str]) -> pd.DataFrame:
    """The split manifest; which items a training learned from is not known."""
    frames = []
    for part, built in parts.items():
        rows = built.frame.drop_duplicates("image_id")[["image_id", "group_id", "label"]]
        frames.append(rows.assign(**dict.fromkeys(names, part)))
    return pd.concat(frames, ignore_index=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(frame: pd.DataFrame, repeat: int, fold: int) -> str:
    """Of a training, by what it predicted: imported twice it is one evaluation of the test set."""
    rows = frame[(frame["repeat"] == repeat) & (frame["fold"] == fold)].sort_values("image_id")
    columns = ["image_id", *sorted(c for c in map(str, rows.columns) if c.startswith("p_"))]
    return _digest(rows[columns].to_csv(index=False))


def _track(run: RunDir, tracker: Tracker, outputs: Path) -> None:
    result = load_result(run.path)
    token = new_run_token(outputs)
    tags = {"imported": "true", "begun_as": token}
    run_id = tracker.start(result.name, parent=None, params={"model.name": result.name}, tags=tags)
    if not run_id:
        return
    write_json(run.tracked_file, {"uri": tracker.uri, "begun_as": token, "run": run_id})
    content = json.loads(run.result_file.read_text(encoding="utf-8"))
    write_json(run.result_file, content | {"run": run_id})
    result = replace(result, run=run_id)
    track_result(result, tracker)
    if result.test_evaluations:
        track_test(result, tracker)
    tracker.end(run_id, "FINISHED")

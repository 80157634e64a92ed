"""Counts how many runs were evaluated on the photos of each test set.

A result that was chosen after many evaluations on the same photos is biased upwards, so the count
is shown beside it. Test sets that share photos count together: a photo that was added or relabeled
does not start the count again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_exp.atomic_io import (
    append_json_line,
    file_lock,
    read_json,
    read_json_lines,
    timestamp,
    write_json,
)
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir

JOURNAL = "test_evaluations.jsonl"
SETS = "test_sets.jsonl"
"""The image ids of each test set."""
EARLIER_JOURNAL = "test_looks.jsonl"
MARK = "test_evaluated.json"
EARLIER_MARK = "test_opened.json"
"""The names that versions before 0.2 used."""


def test_evaluations(run: Path) -> int:
    """How many runs had been evaluated on photos of this run's test set when it was evaluated.

    The run is included. 0 means that its test predictions are still held out.
    """
    if (run / MARK).exists():
        return int(read_json(run / MARK).get("evaluations", 0))
    if (run / EARLIER_MARK).exists():
        return int(read_json(run / EARLIER_MARK).get("look", 0))
    return 0


def mark_test_evaluated(run: Path, outputs: Path) -> None:
    """Allows reading a finished run's test predictions, and counts it; does nothing the second
    time."""
    if test_evaluations(run):
        return
    folder = RunDir(run)
    test_hash = read_json(folder.result_file)["facts"]["test_hash"]
    count = record_test_evaluation(outputs, test_hash, str(run), _fingerprints(folder))
    write_json(run / MARK, {"evaluations": count})


def _fingerprints(run: RunDir) -> list[str]:
    """Of the run's trainings; empty for runs of versions that did not save them."""
    trainings = pd.read_csv(run.trainings_file)
    return trainings["identity"].to_list() if "identity" in trainings else []


def record_test_evaluation(
    outputs: Path,
    test_hash: str,
    path: str,
    trainings: Collection[str] = (),
    images: Sequence[str] = (),
) -> int:
    """Adds a run to the journal; returns how many different runs used photos of its test set.

    A run that is in it already is not added again. Neither is a run whose `trainings`, by their
    fingerprints, were all reused from runs in the journal: its predictions are known. Evaluated
    runs that were copied into `outputs` from elsewhere are added, with the count that they had.
    `images` are the ids of the photos, if they are not the run's own test set.
    """
    journal, run = outputs / JOURNAL, _name(path)
    with file_lock(outputs / ".test_looks.lock"):
        lines = [*read_json_lines(outputs / EARLIER_JOURNAL), *read_json_lines(journal)]
        for entry in _copied_runs(outputs, lines):
            append_json_line(journal, entry)
            lines.append(entry)
        folders = {e["test_hash"]: outputs / _name(e["run"]) for e in lines if "test_hash" in e}
        sharing = _sharing_sets(
            outputs / SETS, test_hash, folders | {test_hash: Path(path)}, images
        )
        entries = [entry for entry in lines if entry.get("test_hash") in sharing]
        runs = {_name(entry["run"]) for entry in entries}
        evaluated = {name for entry in entries for name in entry.get("trainings", ())}
        is_known = run in runs or (trainings and evaluated.issuperset(trainings))
        if not is_known:
            now = timestamp()
            entry = {"time": now, "test_hash": test_hash, "run": run, "trainings": [*trainings]}
            append_json_line(journal, entry)
            entries.append(entry)
    own = {_name(entry["run"]) for entry in entries if "evaluations" not in entry}
    elsewhere = max((entry.get("evaluations", 0) for entry in entries), default=0)
    copied = {_name(entry["run"]) for entry in entries} - own
    return len(own) + max(len(copied), elsewhere)


def _sharing_sets(
    file: Path, test_hash: str, folders: Mapping[str, Path], images: Sequence[str]
) -> set[str]:
    """The test sets that share images with one of them, which is included.

    `folders` has a run of each test set; the sets that the file lacks are added from there, and
    the one with this hash from `images` if there are any.
    """
    sets = {entry["test_hash"]: entry["images"] for entry in read_json_lines(file)}
    for name, folder in folders.items():
        if name not in sets:
            ids = [*images] if images and name == test_hash else _test_images(RunDir(folder))
            if ids:
                append_json_line(file, {"test_hash": name, "images": ids})
                sets[name] = ids
    own = set(sets.get(test_hash, ()))
    return {test_hash} | {name for name, images in sets.items() if not own.isdisjoint(images)}


def _test_images(run: RunDir) -> list[str]:
    """The ids of a run's test images; empty if its folder is gone."""
    try:
        split = pd.read_csv(run.split_file, dtype=str)
        return split["image_id"][split.iloc[:, -1] == "test"].to_list()
    except (OSError, ValueError, KeyError):
        return []


def _name(run: str) -> str:
    """A run by its place below `outputs`, which may be moved: `runs/NAME`, `sweeps/NAME/JOB`."""
    parts = Path(run).parts
    starts = [i for i, part in enumerate(parts) if part in ("runs", "sweeps")]
    return "/".join(parts[starts[-1] :]) if starts else run


def _copied_runs(outputs: Path, journal: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries for evaluated runs that the journal does not have, nor their trainings."""
    known = {_name(entry["run"]) for entry in journal}
    trainings = {name for entry in journal for name in entry.get("trainings", ())}
    entries = []
    for pattern in ("runs/*/", "sweeps/*/*/"):
        for file in (f for mark in (MARK, EARLIER_MARK) for f in outputs.glob(pattern + mark)):
            run, name = RunDir(file.parent), _name(str(file.parent))
            if name in known:
                continue
            with suppress(InputError, OSError, ValueError, KeyError):  # `doctor` reports damage
                own = _fingerprints(run)
                if not own or not trainings.issuperset(own):
                    facts, count = read_json(run.result_file)["facts"], test_evaluations(run.path)
                    entry = {"test_hash": facts["test_hash"], "run": name, "trainings": own}
                    entries.append(entry | {"evaluations": count})
    return entries

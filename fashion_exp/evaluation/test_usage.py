"""Counts how many runs were evaluated on each test set.

A result that was chosen after many evaluations on one test set is biased upwards, so the count is
shown beside it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from fashion_exp.atomic_io import (
    append_json_line,
    file_lock,
    read_json,
    read_json_lines,
    write_json,
)
from fashion_exp.evaluation.run_dir import RunDir

JOURNAL = "test_evaluations.jsonl"
EARLIER_JOURNAL = "test_looks.jsonl"
MARK = "test_evaluated.json"
EARLIER_MARK = "test_opened.json"
"""The names that versions before 0.2 used."""


def test_evaluations(run: Path) -> int:
    """How many runs had been evaluated on this run's test set when it was evaluated itself.

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
    trainings = pd.read_csv(folder.trainings_file)
    identities = trainings["identity"].to_list() if "identity" in trainings else []
    test_hash = read_json(folder.result_file)["facts"]["test_hash"]
    count = record_test_evaluation(outputs, test_hash, str(run), identities)
    write_json(run / MARK, {"evaluations": count})


def record_test_evaluation(
    outputs: Path, test_hash: str, run: str, trainings: Collection[str] = ()
) -> int:
    """Adds a run to the journal of a test set; returns how many different runs are in it.

    A run that is in it already is not added again. Neither is a run whose `trainings`, by their
    fingerprints, were all reused from runs in the journal: its predictions are known.
    """
    journal = outputs / JOURNAL
    with file_lock(outputs / ".test_looks.lock"):
        lines = [*read_json_lines(outputs / EARLIER_JOURNAL), *read_json_lines(journal)]
        entries = [entry for entry in lines if entry.get("test_hash") == test_hash]
        runs = {entry["run"] for entry in entries}
        evaluated = {name for entry in entries for name in entry.get("trainings", ())}
        if trainings and evaluated.issuperset(trainings):
            return len(runs)
        if run not in runs:
            now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            entry = {"time": now, "test_hash": test_hash, "run": run, "trainings": [*trainings]}
            append_json_line(journal, entry)
    return len(runs | {run})

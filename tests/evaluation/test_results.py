"""What is tracked of a finished run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fashion_exp.evaluation.results import (
    SUMMARY_CACHE_BYTES,
    TRACKED_FILES,
    load_result,
    record_result,
    summary_bytes,
)
from fashion_exp.tracking import NullTracker
from tests.comparison.synthetic_runs import make_run, random_correctness

OVERRIDE = "tracking.uri=https://me:secret@host:5000"


class RecordingTracker(NullTracker):
    """Keeps the artifacts that it gets, by their paths."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def log_artifact(self, run: str, path: Path, folder: str = "") -> None:
        for file in path.iterdir() if path.is_dir() else [path]:
            self.files[f"{folder}/{file.name}".lstrip("/")] = file.read_bytes()


def test_config_is_tracked_without_passwords(tmp_path: Path) -> None:
    scores = random_correctness(0, 2, 20, 0.8)
    make_run(tmp_path / "run", "one", scores, scores)
    overrides = tmp_path / "run" / "config" / "overrides.yaml"
    overrides.write_text(f"- {OVERRIDE}\n")
    for name in TRACKED_FILES:
        (tmp_path / "run" / name).touch()
    tracker = RecordingTracker()
    record_result(load_result(tmp_path / "run"), tracker)
    assert tracker.files["config/overrides.yaml"] == b"- tracking.uri=https://host:5000\n"
    assert tracker.files.keys() >= {*TRACKED_FILES, "config/config.yaml"}
    assert OVERRIDE in overrides.read_text()  # needed to resume


def test_cache_of_summaries_is_bounded_by_size(tmp_path: Path) -> None:
    """A confusion matrix of 1,000 classes has 8 MB."""
    make_run(tmp_path / "run", "one", *[random_correctness(0, 2, 20, 0.8)] * 2)
    summary = load_result(tmp_path / "run").summary("validation")
    assert load_result(tmp_path / "run").summary("validation") is summary
    large = replace(summary, confusion=np.zeros((1000, 1000), np.int64))
    assert 20 < SUMMARY_CACHE_BYTES / summary_bytes(large) < 40
    assert SUMMARY_CACHE_BYTES / summary_bytes(summary) > 5_000

"""Runs that read different labels are compared where they agree, and it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_exp.comparison.comparison import Comparison, Question
from fashion_exp.comparison.label_changes import contested
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions, write_predictions
from tests.comparison.made_runs import answers, made_run


def runs(tmp_path: Path, relabelled: int) -> list[RunData]:
    """Two runs on the same images, the second with other labels on the first test images."""
    right = answers(0, 1, 100, 0.8)
    facts = [
        {"data_fingerprint": "a"},
        {"data_fingerprint": "b", "labels_version": "v2", "labels_fingerprint": "0123456789abcdef"},
    ]
    for place, own in enumerate(facts):
        made_run(tmp_path / str(place), f"run {place}", right, right, redrawn=False, facts=own)
    path = tmp_path / "1" / PART_FILES["test"]
    frame = read_predictions(path)
    other = frame["label"].map({"Dress": "Shirt", "Shirt": "Dress"})
    frame["label"] = frame["label"].where(frame.index >= relabelled, other)
    write_predictions(frame, path)
    return [load_run(tmp_path / str(place)) for place in range(2)]


def test_images_with_another_label_are_left_out_of_the_comparison(tmp_path: Path) -> None:
    members = runs(tmp_path, 7)
    assert list(contested(members, "test")) == [f"t{i:04d}" for i in range(7)]
    study = Comparison(members, Question())
    (pair,) = study.pairs
    assert pair.test is not None and pair.test.difference == 0
    assert "on the 93 shared of 100 and 100 test images, without 7 that they label" in pair.note
    (told, *_) = study.confounds
    assert "(none: run 0; v2 (01234567): run 1)" in told and "7 test images" in told


def test_where_the_labels_agree_nothing_is_left_out(tmp_path: Path) -> None:
    members = runs(tmp_path, 0)
    assert len(contested(members, "test")) == 0
    (pair,) = Comparison(members, Question()).pairs
    assert pair.test is not None and pair.test.interval.n == 100 and "shared" not in pair.note


def test_runs_on_the_same_data_say_nothing_of_labels(tmp_path: Path) -> None:
    scores = answers(0, 1, 100, 0.8)
    members = [
        made_run(tmp_path / name, name, scores, scores, knobs={"optim.lr": lr})
        for name, lr in (("a", 0.1), ("b", 0.2))
    ]
    assert not np.any(["version" in line for line in Comparison(members, Question()).confounds])

"""Runs with different versions of the labels are compared on the images they agree on."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.evaluation.predictions import read_predictions, write_predictions
from fashion_exp.evaluation.run_dir import PART_FILES
from tests.comparison.synthetic_runs import make_run, random_correctness

SCORES = random_correctness(0, 1, 100, 0.8)


def relabeled_runs(tmp_path: Path, relabeled: int) -> list[RunData]:
    """Two runs on the same images; the second has other labels for the first test images."""
    versions = [
        {"data_fingerprint": "a"},
        {"data_fingerprint": "b", "labels_version": "v2", "labels_fingerprint": "0123456789abcdef"},
    ]
    for index, facts in enumerate(versions):
        folder = tmp_path / str(index)
        make_run(folder, f"run {index}", SCORES, SCORES, redrawn=False, facts=facts)
    path = tmp_path / "1" / PART_FILES["test"]
    predictions = read_predictions(path)
    opposite = predictions["label"].map({"Dress": "Shirt", "Shirt": "Dress"})
    predictions["label"] = predictions["label"].where(predictions.index >= relabeled, opposite)
    write_predictions(predictions, path)
    return [load_run(tmp_path / str(index)) for index in range(2)]


def test_excludes_images_with_conflicting_labels(tmp_path: Path) -> None:
    runs = relabeled_runs(tmp_path, 7)
    assert list(conflicting_images(runs, "test")) == [f"t{i:04d}" for i in range(7)]
    comparison = Comparison(runs, ComparisonSettings())
    (pair,) = comparison.pairs
    assert pair.test is not None and pair.test.difference == 0
    assert pair.note.startswith("on the 93 shared of 100 and 100 test images, without 7 that have")
    (sentence, *_) = comparison.confounds
    assert "(none: run 0; v2 (01234567): run 1)" in sentence and "7 test images" in sentence


def test_excludes_nothing_if_the_labels_agree(tmp_path: Path) -> None:
    runs = relabeled_runs(tmp_path, 0)
    assert len(conflicting_images(runs, "test")) == 0
    (pair,) = Comparison(runs, ComparisonSettings()).pairs
    assert pair.test is not None and pair.test.interval.n == 100 and "shared" not in pair.note


def test_does_not_mention_versions_if_the_data_are_the_same(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, name, SCORES, SCORES, options={"optim.lr": lr})
        for name, lr in (("a", 0.1), ("b", 0.2))
    ]
    assert Comparison(runs, ComparisonSettings()).confounds == []

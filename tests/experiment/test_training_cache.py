"""A training of a finished run is reused bit for bit, and its test evaluation counted once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.evaluation.run_dir import PART_FILES
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

CACHED = ("cache.trainings=true",)
SHARED_FILES = (*PART_FILES.values(), "history.csv", "trainings.csv")


def reused(run: TinyRun) -> str:
    return run.facts["trainings"].partition(" reused")[0]


def assert_equal(first: TinyRun, second: TinyRun) -> None:
    for name in SHARED_FILES:
        assert (first.output / name).read_bytes() == (second.output / name).read_bytes(), name
    models = [sorted((run.output / "checkpoints").iterdir()) for run in (first, second)]
    assert models[0] and [m.name for m in models[0]] == [m.name for m in models[1]]
    for a, b in zip(*models, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_same_command_again_trains_nothing_and_equals_bit_for_bit(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tiny(*CACHED, "repeats=2")
    monkeypatch.setattr("fashion_exp.experiment.experiment.run_fold", None)  # must not be called
    again = tiny(*CACHED, "repeats=2")
    assert (reused(first), reused(again)) == ("0 of 2", "2 of 2")
    assert again.facts["trainings"].endswith(f"from cache: {first.output.name}")
    assert_equal(first, again)


def test_more_repeats_train_only_the_new_ones(tiny: Callable[..., TinyRun]) -> None:
    tiny(*CACHED, "repeats=2")
    more = tiny(*CACHED, "repeats=3", "confidence=0.9")
    uncached = tiny("repeats=3")
    assert (reused(more), reused(uncached)) == ("2 of 3", "0 of 3")
    assert more.text("history.csv") == uncached.text("history.csv")
    assert all(more.predictions(part).equals(uncached.predictions(part)) for part in PART_FILES)


def test_without_the_option_nothing_is_reused(tiny: Callable[..., TinyRun]) -> None:
    tiny(*CACHED)
    assert reused(tiny("cache.trainings=false")) == "0 of 1"
    assert reused(tiny("cache.trainings=true")) == "1 of 1"


@pytest.mark.parametrize(
    "change",
    ["optim.lr=2e-3", "seed=1", "model.dropout=0.1", "training.batch_size=11",
     "dataset.fit=stretch", "split.train_ratio=0.6", "split.seed=1", "dataset.image_size=20",
     "training.threads=2", "dataset.mean=[.4,.4,.4] dataset.std=[.5,.5,.5]",
     "dataset.rename={shirt:Shirt}"],
)  # fmt: skip
def test_training_with_other_options_is_not_reused(
    tiny: Callable[..., TinyRun], change: str
) -> None:
    tiny(*CACHED, "training.epochs=1")
    assert reused(tiny(*CACHED, "training.epochs=1", *change.split())) == "0 of 1"


@pytest.mark.parametrize(
    "file", [*SHARED_FILES, "result.json", "checkpoints/r0f0-last.safetensors"]
)
def test_run_with_missing_files_is_not_reused(tiny: Callable[..., TinyRun], file: str) -> None:
    first = tiny(*CACHED, "training.epochs=1")
    (first.output / file).unlink()
    second = tiny(*CACHED, "training.epochs=1")
    third = tiny(*CACHED, "training.epochs=1")
    assert reused(second) == "0 of 1"
    assert third.facts["trainings"] == f"1 of 1 reused from cache: {second.output.name}"


def test_reusing_run_keeps_its_models_when_the_source_is_deleted(
    tiny: Callable[..., TinyRun],
) -> None:
    first, second = tiny(*CACHED), tiny(*CACHED)
    (first.output / "checkpoints" / "r0f0-last.safetensors").write_bytes(b"damaged")
    shutil.rmtree(first.output)
    assert (second.output / "checkpoints" / "r0f0-best.safetensors").stat().st_size > 0


def evaluation_count(run: TinyRun) -> int:
    return int(json.loads(run.text("test_evaluated.json"))["evaluations"])


def test_same_predictions_are_no_further_test_evaluation(tiny: Callable[..., TinyRun]) -> None:
    variants = ("repeats=2", "repeats=2", "repeats=1", "repeats=3", "seed=1")
    counts = [evaluation_count(tiny(*CACHED, variant)) for variant in variants]
    assert counts == [1, 1, 1, 2, 3]


def test_reused_training_of_a_held_out_run_counts_as_first_evaluation(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    held_out = tiny(*CACHED, hold_out_test=True)
    assert not (held_out.output / "test_evaluated.json").exists()
    evaluated = tiny(*CACHED)
    assert reused(evaluated) == "1 of 1" and evaluation_count(evaluated) == 1

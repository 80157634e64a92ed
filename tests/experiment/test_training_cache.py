"""A training that a finished run has done is taken over: the same bits, the looks counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.evaluation.predictions import PART_FILES
from fashion_exp.paths import record_test_evaluation
from tests.conftest import TinyRun

ONCE = ("cache.trainings=true",)
SAME = (*PART_FILES.values(), "history.csv", "trainings.csv")


def told(run: TinyRun) -> str:
    return run.facts["trainings"].partition(" from")[0]


def assert_equal(one: TinyRun, other: TinyRun) -> None:
    for name in SAME:
        assert (one.output / name).read_bytes() == (other.output / name).read_bytes(), name
    models = [sorted((run.output / "checkpoints").iterdir()) for run in (one, other)]
    assert models[0] and [m.name for m in models[0]] == [m.name for m in models[1]]
    for mine, theirs in zip(*models, strict=True):
        assert mine.read_bytes() == theirs.read_bytes()


def test_the_same_line_again_trains_nothing_and_is_equal_bit_for_bit(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tiny(*ONCE, "repeats=2")
    monkeypatch.setattr(
        "fashion_exp.experiment.experiment.run_fold", None
    )  # nothing may be trained
    again = tiny(*ONCE, "repeats=2")
    assert (told(first), told(again)) == ("0 of 2 taken over", "2 of 2 taken over")
    assert again.facts["trainings"].endswith(f"from {first.output.name}")
    assert_equal(first, again)


def test_more_repeats_train_what_is_new(tiny: Callable[..., TinyRun]) -> None:
    tiny(*ONCE, "repeats=2")
    more = tiny(*ONCE, "repeats=3", "confidence=0.9")
    assert told(more) == "2 of 3 taken over"
    alone = tiny("repeats=3")
    assert told(alone) == "0 of 3 taken over"
    assert more.text("history.csv") == alone.text("history.csv")
    assert all(more.frame(part).equals(alone.frame(part)) for part in PART_FILES)


def test_without_the_knob_a_training_is_done_again(tiny: Callable[..., TinyRun]) -> None:
    tiny(*ONCE)
    assert told(tiny("cache.trainings=false")) == "0 of 1 taken over"
    assert told(tiny("cache.trainings=true")) == "1 of 1 taken over"


@pytest.mark.parametrize(
    "change",
    ["optim.lr=2e-3", "seed=1", "model.dropout=0.1", "training.batch_size=11",
     "dataset.fit=stretch", "split.train_ratio=0.6", "split.seed=1", "dataset.image_size=20",
     "training.threads=2", "dataset.mean=[.4,.4,.4] dataset.std=[.5,.5,.5]",
     "dataset.rename={shirt:Shirt}"],
)  # fmt: skip
def test_another_training_is_not_taken_for_it(tiny: Callable[..., TinyRun], change: str) -> None:
    tiny(*ONCE, "training.epochs=1")
    assert told(tiny(*ONCE, "training.epochs=1", *change.split())) == "0 of 1 taken over"


@pytest.mark.parametrize("file", [*SAME, "result.json", "checkpoints/r0f0-last.safetensors"])
def test_a_run_whose_files_are_gone_or_changed_is_no_source(
    tiny: Callable[..., TinyRun], file: str
) -> None:
    first = tiny(*ONCE, "training.epochs=1")
    (first.output / file).unlink()
    second = tiny(*ONCE, "training.epochs=1")
    assert told(second) == "0 of 1 taken over"
    third = tiny(*ONCE, "training.epochs=1")
    assert third.facts["trainings"] == f"1 of 1 taken over from {second.output.name}"


def test_a_taken_over_run_outlives_the_one_it_came_from(tiny: Callable[..., TinyRun]) -> None:
    first = tiny(*ONCE)
    second = tiny(*ONCE)
    (first.output / "checkpoints" / "r0f0-last.safetensors").write_bytes(b"spoilt")
    shutil.rmtree(first.output)
    assert (second.output / "checkpoints" / "r0f0-best.safetensors").stat().st_size > 0


def test_the_same_predictions_are_no_new_look_at_the_test(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    looks = []
    for words in (("repeats=2",), ("repeats=2",), ("repeats=1",), ("repeats=3",), ("seed=1",)):
        run = tiny(*ONCE, *words)
        looks.append(json.loads(run.text("test_opened.json"))["look"])
    assert looks == [1, 1, 1, 2, 3]


def test_a_training_of_a_sealed_run_is_a_look_when_it_is_read(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    sealed = tiny(*ONCE, sealed=True)
    assert not (sealed.output / "test_opened.json").exists()
    opened = tiny(*ONCE)
    assert told(opened) == "1 of 1 taken over"
    assert json.loads(opened.text("test_opened.json"))["look"] == 1


def test_looks_of_older_versions_count_by_their_runs(tmp_path: Path) -> None:
    assert [record_test_evaluation(tmp_path, "a", run) for run in ("1", "1", "2")] == [1, 1, 2]
    assert record_test_evaluation(tmp_path, "a", "3", ["t"]) == 3
    assert record_test_evaluation(tmp_path, "a", "4", ["t"]) == 3
    assert record_test_evaluation(tmp_path, "a", "5", ["t", "u"]) == 4

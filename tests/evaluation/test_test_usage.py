"""Each run that is evaluated on a test set is counted once, also by several processes."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from fashion_exp.atomic_io import append_json_line, write_json
from fashion_exp.evaluation.test_usage import (
    EARLIER_JOURNAL,
    JOURNAL,
    MARK,
    SETS,
    record_test_evaluation,
    test_evaluations,
)

test_evaluations.__test__ = False  # type: ignore[attr-defined]


def test_run_counts_once_per_test_set(tmp_path: Path) -> None:
    evaluations = [("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]
    counts = [record_test_evaluation(tmp_path, test, run) for test, run in evaluations]
    assert counts == [1, 1, 2, 1, 3]


@pytest.mark.slow
def test_parallel_evaluations_are_all_counted(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("forkserver")) as pool:
        counts = list(pool.map(partial(record_test_evaluation, tmp_path, "a"), map(str, range(12))))
    assert sorted(counts) == list(range(1, 13))


def test_reused_trainings_are_no_further_evaluation(tmp_path: Path) -> None:
    assert [record_test_evaluation(tmp_path, "a", run) for run in ("1", "1", "2")] == [1, 1, 2]
    assert record_test_evaluation(tmp_path, "a", "3", ["t"]) == 3
    assert record_test_evaluation(tmp_path, "a", "4", ["t"]) == 3
    assert record_test_evaluation(tmp_path, "a", "5", ["t", "u"]) == 4


def test_evaluations_of_earlier_versions_count(tmp_path: Path) -> None:
    entry = {"test_hash": "a", "run": "1", "trainings": ["t"]}
    (tmp_path / EARLIER_JOURNAL).write_text(json.dumps(entry) + "\n")
    assert record_test_evaluation(tmp_path, "a", "2") == 2
    (tmp_path / "test_opened.json").write_text('{"look": 3}')
    assert test_evaluations(tmp_path) == 3


def finished_run(outputs: Path, name: str, training: str, evaluations: int = 0) -> str:
    """A finished run on the test set "a", evaluated if it has a number of evaluations."""
    run = outputs / "runs" / name
    run.mkdir(parents=True)
    (run / "trainings.csv").write_text(f"identity\n{training}\n", encoding="utf-8")
    (run / "result.json").write_text('{"facts": {"test_hash": "a"}}', encoding="utf-8")
    if evaluations:
        write_json(run / MARK, {"evaluations": evaluations})
    return str(run)


def test_moved_outputs_keep_the_count(tmp_path: Path) -> None:
    """Also with the absolute paths that earlier versions wrote."""
    first, second = tmp_path / "first", tmp_path / "second"
    entry = {"test_hash": "a", "run": str(first / "runs" / "1"), "trainings": ["t"]}
    first.mkdir()
    append_json_line(first / JOURNAL, entry)
    assert record_test_evaluation(first, "a", finished_run(first, "2", "u"), ["u"]) == 2
    first.rename(second)
    for name, training in (("1", "t"), ("2", "u")):
        run = str(second / "runs" / name)
        assert record_test_evaluation(second, "a", run, [training]) == 2
    assert record_test_evaluation(second, "a", str(second / "runs" / "3"), ["v"]) == 3


def test_runs_copied_from_elsewhere_bring_their_count(tmp_path: Path) -> None:
    finished_run(tmp_path, "copied", "t", evaluations=7)
    assert [record_test_evaluation(tmp_path, "a", run) for run in ("8", "9", "9")] == [8, 9, 9]
    assert record_test_evaluation(tmp_path, "b", "10") == 1


def test_run_of_reused_trainings_is_not_taken_for_a_copied_one(tmp_path: Path) -> None:
    assert record_test_evaluation(tmp_path, "a", finished_run(tmp_path, "1", "t", 1), ["t"]) == 1
    assert record_test_evaluation(tmp_path, "a", finished_run(tmp_path, "2", "t", 1), ["t"]) == 1
    assert record_test_evaluation(tmp_path, "a", "3", ["u"]) == 2


def test_damaged_run_is_not_counted(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "1", "t", evaluations=3)
    (Path(run) / "result.json").write_text("{", encoding="utf-8")
    assert record_test_evaluation(tmp_path, "a", "2") == 1


def evaluate(outputs: Path, number: int, *images: str) -> int:
    """Evaluates a run on a test set of these images."""
    run = finished_run(outputs, str(number), f"training {number}")
    rows = [f"{image},{image},0,{part}" for part, ids in (("test", images), ("train", "xyz"))
            for image in ids]  # fmt: skip
    lines = ["image_id,group_id,label,r0f0", *rows]
    (Path(run) / "split.csv").write_text("\n".join(lines), encoding="utf-8")
    return record_test_evaluation(outputs, " ".join(images), run, [f"training {number}"])


def test_test_sets_that_share_photos_count_together(tmp_path: Path) -> None:
    assert [evaluate(tmp_path, 1, "a", "b"), evaluate(tmp_path, 2, "b")] == [1, 2]
    assert evaluate(tmp_path, 3, "c") == 1, "it shares no photo with the others"
    shutil.rmtree(tmp_path / "runs")
    assert evaluate(tmp_path, 4, "a", "c") == 3, "also with the sets of runs that were deleted"


def test_sets_of_runs_that_were_counted_by_earlier_versions_are_read(tmp_path: Path) -> None:
    evaluate(tmp_path, 1, "a", "b")
    (tmp_path / SETS).unlink()
    assert evaluate(tmp_path, 2, "b") == 2

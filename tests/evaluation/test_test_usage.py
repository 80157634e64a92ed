"""Each run that is evaluated on a test set is counted once, also by several processes."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from fashion_exp.evaluation.test_usage import (
    EARLIER_JOURNAL,
    JOURNAL,
    record_test_evaluation,
    test_evaluations,
)

test_evaluations.__test__ = False  # type: ignore[attr-defined]


def test_run_counts_once_per_test_set(tmp_path: Path) -> None:
    evaluations = [("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]
    counts = [record_test_evaluation(tmp_path, test, run) for test, run in evaluations]
    assert counts == [1, 1, 2, 1, 3]


def test_cut_off_line_hides_no_other(tmp_path: Path) -> None:
    record_test_evaluation(tmp_path, "a", "1")
    with open(tmp_path / JOURNAL, "a") as journal:
        journal.write('{"test_hash": "a", "ru\n')
    assert record_test_evaluation(tmp_path, "a", "2") == 2


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

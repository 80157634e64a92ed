"""What a word of the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.comparison.find_runs import common_sweep, failed_beside, find_runs
from fashion_exp.comparison.run_data import load_run
from fashion_exp.errors import InputError
from tests.comparison.made_runs import answers, made_run


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """One run, and a sweep of eleven jobs of which the last never finished."""
    scores = answers(0, 1, 10, 0.8)
    made_run(tmp_path / "runs" / "2026-alone-1a2b", "alone", scores, scores)
    for job in range(11):
        made_run(tmp_path / "sweeps" / "2026-grid-3c4d" / str(job), f"job {job}", scores, scores)
    (tmp_path / "sweeps" / "2026-grid-3c4d" / "10" / "unfinished").mkdir()
    return tmp_path


def names(found: list[Path]) -> list[str]:
    return [folder.name for folder in found]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("2026-alone-1a2b", ["2026-alone-1a2b"]),
        ("1a2b", ["2026-alone-1a2b"]),
        ("2026-grid", [str(job) for job in range(10)]),
        ("id-job 7", ["7"]),
    ],
)
def test_a_name_its_end_its_beginning_or_a_tracked_id(
    word: str, expected: list[str], outputs: Path
) -> None:
    assert names(find_runs([word], outputs, None)) == expected


def test_a_whole_name_goes_before_the_beginning_of_another(outputs: Path) -> None:
    scores = answers(0, 1, 10, 0.8)
    made_run(outputs / "sweeps" / "2026-grid-3c4d-until-2027" / "old", "old", scores, scores)
    assert len(find_runs(["2026-grid-3c4d"], outputs, None)) == 10


def test_a_folder_of_one_or_many_runs_each_once(outputs: Path) -> None:
    grid = outputs / "sweeps" / "2026-grid-3c4d"
    assert names(find_runs([str(grid / "3"), str(grid)], outputs, None))[:3] == ["3", "0", "1"]
    assert len(find_runs([str(outputs)], outputs, None)) == 11
    assert common_sweep(find_runs([str(grid)], outputs, None)) == grid
    assert common_sweep(find_runs([str(outputs)], outputs, None)) is None


def test_failed_jobs_of_whole_sweeps_are_counted(outputs: Path) -> None:
    grid = find_runs(["2026-grid"], outputs, None)
    assert failed_beside(grid) == 1
    assert failed_beside(grid[:2]) == 0


def test_no_word_is_the_newest_sweep(outputs: Path) -> None:
    assert len(find_runs([], outputs, None)) == 10


def test_a_filter_asks_the_tracking_store(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def matching(uri: str | None, where: Path, wanted: str) -> list[str]:
        asked.append(wanted)
        return ["id-job 2", "elsewhere"]

    def fetched(uri: str | None, where: Path, run: str, folder: Path) -> None:
        scores = answers(0, 1, 10, 0.8)
        made_run(folder, "from elsewhere", scores, scores)

    monkeypatch.setattr("fashion_exp.comparison.find_runs.matching_runs", matching)
    monkeypatch.setattr("fashion_exp.comparison.find_runs.fetch_run", fetched)
    assert names(find_runs(["metrics.val_acc > 0.5"], outputs, None)) == ["2", "elsewhere"]
    assert asked == ["metrics.val_acc > 0.5"]


@pytest.mark.parametrize(
    ("word", "told"),
    [("2026-alone-1a2c", "2026-alone-1a2b"), ("2026", "means 2 folders"), ("", "no run, sweep")],
)
def test_a_word_that_means_nothing_gets_the_nearest(word: str, told: str, outputs: Path) -> None:
    with pytest.raises(InputError, match=told):
        find_runs([word] if word else ["nothing-like-it"], outputs, None)


def test_a_run_of_an_older_version_says_so(outputs: Path) -> None:
    run = outputs / "runs" / "2026-alone-1a2b"
    (run / "trainings.csv").unlink()
    with pytest.raises(InputError, match="older version; run it again"):
        load_run(run)


def test_an_empty_place_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run there"):
        find_runs([], tmp_path, None)
    with pytest.raises(InputError, match="no finished run in this folder"):
        find_runs([str(tmp_path)], tmp_path, None)

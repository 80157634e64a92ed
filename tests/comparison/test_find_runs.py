"""References to runs on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.api.comparison import compare
from fashion_exp.comparison.find_runs import (
    common_sweep,
    count_unfinished_jobs,
    find_run,
    find_runs,
)
from fashion_exp.comparison.run_data import load_run
from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import Annotations, save_annotations
from tests.comparison.synthetic_runs import make_run, random_correctness

SCORES = random_correctness(0, 1, 10, 0.8)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """One run, and a sweep of four jobs of which the last did not finish."""
    make_run(tmp_path / "runs" / "2026-alone-1a2b", "alone", SCORES, SCORES)
    sweep = tmp_path / "sweeps" / "2026-grid-3c4d"
    for job in (2, 3, 10, 11):
        make_run(sweep / f"{job}", f"job {job}", SCORES, SCORES)
    (sweep / "11" / "unfinished").mkdir()
    return tmp_path


def names(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("2026-alone-1a2b", ["2026-alone-1a2b"]),
        ("1a2b", ["2026-alone-1a2b"]),
        ("2026-grid", ["2", "3", "10"]),
        ("id-job 3", ["3"]),
        ("alone-1", ["2026-alone-1a2b"]),
        ("grid-3c", ["2", "3", "10"]),
    ],
)
def test_finds_by_name_beginning_end_or_tracked_id(
    reference: str, expected: list[str], outputs: Path
) -> None:
    assert names(find_runs([reference], outputs, None)) == expected


def test_part_of_several_names_lists_them(outputs: Path) -> None:
    make_run(outputs / "runs" / "2027-alone-5e6f", "other", SCORES, SCORES)
    with pytest.raises(InputError, match="2026-alone-1a2b, 2027-alone-5e6f; type more"):
        find_runs(["alone-"], outputs, None)
    with pytest.raises(InputError, match="no such run"):
        find_runs(["lone-1a"], outputs, None)


def test_finds_by_the_name_that_the_user_gave(outputs: Path) -> None:
    save_annotations(outputs / "runs" / "2026-alone-1a2b", Annotations(name="the good one"))
    assert names(find_runs(["the good one"], outputs, None)) == ["2026-alone-1a2b"]
    with pytest.raises(InputError, match=r"did you mean the good one\?"):
        find_runs(["the god one"], outputs, None)


def test_exact_name_precedes_names_that_begin_with_it(outputs: Path) -> None:
    make_run(outputs / "sweeps" / "2026-grid-3c4d-longer" / "0", "other", SCORES, SCORES)
    assert len(find_runs(["2026-grid-3c4d"], outputs, None)) == 3


def test_exact_name_of_a_run_precedes_a_sweep_that_begins_with_it(outputs: Path) -> None:
    """The default name of a run is its model's, with which folders of sweeps begin."""
    make_run(outputs / "sweeps" / "alone-lr-5f5a0e" / "0", "other", SCORES, SCORES)
    make_run(outputs / "runs" / "2027-alone-5e6f", "alone lr=1", SCORES, SCORES)
    assert names(find_runs(["alone"], outputs, None)) == ["2026-alone-1a2b"]
    assert find_run("alone", outputs).path.name == "2026-alone-1a2b"
    save_annotations(outputs / "runs" / "2027-alone-5e6f", Annotations(name="alone"))
    assert names(find_runs(["alone"], outputs, None)) == ["2027-alone-5e6f"]


def test_name_of_several_runs_is_refused_with_the_sweeps_that_match(outputs: Path) -> None:
    make_run(outputs / "sweeps" / "alone-lr-5f5a0e" / "0", "other", SCORES, SCORES)
    make_run(outputs / "runs" / "2027-alone-5e6f", "alone", SCORES, SCORES)
    message = r"matches 3 folders: 2026-alone-1a2b, 2027-alone-5e6f, alone-lr-5f5a0e; type more"
    with pytest.raises(InputError, match=message):
        find_runs(["alone"], outputs, None)
    with pytest.raises(InputError, match=message):
        find_run("alone", outputs)


def test_name_of_a_sweep_is_refused_where_one_run_is_needed(outputs: Path) -> None:
    with pytest.raises(InputError, match=r"is the sweep .*; name one of the jobs in it"):
        find_run("2026-grid", outputs)


def test_finds_runs_below_folders_without_repeats(outputs: Path) -> None:
    sweep = outputs / "sweeps" / "2026-grid-3c4d"
    assert names(find_runs([str(sweep / "3"), str(sweep)], outputs, None)) == ["3", "2", "10"]
    everything = find_runs([str(outputs)], outputs, None)
    assert len(everything) == 4
    assert common_sweep(find_runs([str(sweep)], outputs, None)) == sweep
    assert common_sweep(everything) is None


def test_counts_unfinished_jobs_of_complete_sweeps_only(outputs: Path) -> None:
    runs = find_runs(["2026-grid"], outputs, None)
    assert count_unfinished_jobs(runs) == 1
    assert count_unfinished_jobs(runs[:2]) == 0


def test_comparison_says_that_a_sweep_is_unfinished(outputs: Path) -> None:
    message = "1 job of the sweep has no result and counted as tried"
    assert compare(outputs / "sweeps" / "2026-grid-3c4d").conclusions[-1].startswith(message)
    assert message not in " ".join(
        compare([outputs / "sweeps" / "2026-grid-3c4d" / "3"]).conclusions
    )


def test_counts_unfinished_jobs_of_earlier_versions(outputs: Path) -> None:
    unfinished = outputs / "sweeps" / "2026-grid-3c4d" / "11"
    (unfinished / "options.json").rename(unfinished / "knobs.json")
    assert count_unfinished_jobs(find_runs(["2026-grid"], outputs, None)) == 1


def test_default_is_the_newest_sweep(outputs: Path) -> None:
    assert names(find_runs([], outputs, None)) == ["2", "3", "10"]


def test_filter_queries_the_tracking_store(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = []

    def matching_runs(uri: str | None, outputs: Path, expression: str) -> list[str]:
        filters.append(expression)
        return ["id-job 2", "remote"]

    def fetch_run(uri: str | None, outputs: Path, run: str, folder: Path) -> None:
        make_run(folder, "remote", SCORES, SCORES)

    monkeypatch.setattr("fashion_exp.comparison.find_runs.matching_runs", matching_runs)
    monkeypatch.setattr("fashion_exp.comparison.find_runs.fetch_run", fetch_run)
    assert names(find_runs(["metrics.val_acc > 0.5"], outputs, None)) == ["2", "remote"]
    assert filters == ["metrics.val_acc > 0.5"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("2026-alone-1a2c", "2026-alone-1a2b"),
        ("2026", "matches 2 folders"),
        ("nothing-like-it", "no such run, sweep, folder or filter"),
    ],
)
def test_rejects_unknown_and_ambiguous_names(reference: str, message: str, outputs: Path) -> None:
    with pytest.raises(InputError, match=message):
        find_runs([reference], outputs, None)


def test_rejects_runs_of_older_versions(outputs: Path) -> None:
    run = outputs / "runs" / "2026-alone-1a2b"
    (run / "trainings.csv").unlink()
    with pytest.raises(InputError, match="older version"):
        load_run(run)


@pytest.mark.parametrize("is_default", [True, False])
def test_rejects_folders_without_finished_runs(is_default: bool, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run in this folder"):
        find_runs([] if is_default else [str(tmp_path)], tmp_path, None)

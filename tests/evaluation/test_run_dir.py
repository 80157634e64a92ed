"""The state of a run follows from the files in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir, finished_runs, require_finished


def run_with(folder: Path, *names: str) -> RunDir:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return RunDir(folder)


@pytest.mark.parametrize(
    ("files", "state", "is_finished"),
    [
        ([], "queued", False),
        (["unfinished/r0f0.pt"], "started", False),
        (["unfinished/r0f0.pt", "result.json"], "started", False),
        (["result.json"], "finished", True),
        (["pruned.json", "unfinished/r0f0.pt"], "pruned", False),
        (["failure.json", "unfinished/r0f0.pt"], "failed", False),
    ],
)
def test_state_follows_from_files(
    tmp_path: Path, files: list[str], state: str, is_finished: bool
) -> None:
    run = run_with(tmp_path, *files)
    assert (run.state, run.is_finished) == (state, is_finished)


@pytest.mark.parametrize("file", ["unfinished/r0f0.pt", "config/config.yaml"])
def test_a_run_that_has_begun_is_running_or_interrupted(tmp_path: Path, file: str) -> None:
    run = run_with(tmp_path / "run", file)
    with run.lock():
        assert run.activity == "running"
    assert run.activity == "interrupted"
    assert run_with(tmp_path / "later").activity == "queued"
    assert run_with(tmp_path / "run", "failure.json").activity == "failed"


def test_failure_is_one_line_until_it_is_cleared(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.save_exception(ValueError("two\nlines"))
    assert run.failure == "ValueError: two lines" and run.state == "failed"
    run.clear_outcome()
    assert run.state == "queued"


def test_options_of_earlier_versions_are_found(tmp_path: Path) -> None:
    (tmp_path / "knobs.json").write_text('{"seed": 1}')
    run = RunDir(tmp_path)
    assert run.options() == {"seed": 1}
    (tmp_path / "options.json").write_text('{"seed": 2}')
    assert run.options() == {"seed": 2}


def test_finished_runs_are_found_at_any_depth(tmp_path: Path) -> None:
    run_with(tmp_path / "runs" / "10", "result.json")
    run_with(tmp_path / "runs" / "9", "result.json")
    run_with(tmp_path / "runs" / "8", "result.json", "unfinished/r0f0.pt")
    assert [run.path.name for run in finished_runs(tmp_path)] == ["9", "10"]


def test_unfinished_and_outdated_runs_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a finished run; finish it with resume="):
        require_finished(RunDir(tmp_path))
    with pytest.raises(InputError, match="made by an older version"):
        require_finished(run_with(tmp_path, "result.json"))


def test_lock_is_seen_by_others(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert not run.is_running
    with run.lock():
        assert run.is_running
    assert not run.is_running

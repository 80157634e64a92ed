from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fashion_exp.tracking import provenance


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "-m", "one")
    return tmp_path


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_the_one_checked_out(repository: Path) -> None:
    assert provenance(repository)["git_commit"] == git(repository, "rev-parse", "HEAD")


def test_only_a_changed_tracked_file_makes_it_dirty(repository: Path) -> None:
    (repository / "new.txt").write_text("untracked")
    assert provenance(repository)["git_dirty"] == "false"
    (repository / "code.py").write_text("x = 2\n")
    assert provenance(repository)["git_dirty"] == "true"


def test_a_folder_within_a_checkout_of_something_else_has_no_commit(repository: Path) -> None:
    (repository / "site-packages").mkdir()
    assert "git_commit" not in provenance(repository / "site-packages")


def test_no_commit_no_repository_and_no_git_leave_the_tags_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "git_commit" not in provenance(tmp_path)
    git(tmp_path, "init", "--quiet")
    assert "git_commit" not in provenance(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert "git_commit" not in provenance(tmp_path)
    assert "git_commit" not in provenance(tmp_path / "missing")


def test_versions_python_and_processor_are_told(tmp_path: Path) -> None:
    tags = provenance(tmp_path)
    assert tags.keys() == {"versions", "python", "platform", "cpu"}
    assert "torch " in tags["versions"] and "missing" not in tags["versions"]
    assert all(tags.values())

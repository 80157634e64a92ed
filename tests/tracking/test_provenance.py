from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fashion_exp.tracking import provenance


@pytest.fixture(autouse=True)
def default_git_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignores the developer's settings, such as signed commits."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "-m", "one")
    return tmp_path


def git(repository: Path, *args: str) -> str:
    command = ["git", "-C", str(repository), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_is_the_current_head(repository: Path) -> None:
    assert provenance(repository)["git_commit"] == git(repository, "rev-parse", "HEAD")


def test_only_changes_of_tracked_files_are_dirty(repository: Path) -> None:
    (repository / "new.txt").write_text("untracked")
    assert provenance(repository)["git_dirty"] == "false"
    (repository / "code.py").write_text("x = 2\n")
    assert provenance(repository)["git_dirty"] == "true"


def test_folder_inside_another_checkout_has_no_commit(repository: Path) -> None:
    (repository / "site-packages").mkdir()
    assert "git_commit" not in provenance(repository / "site-packages")


def test_no_git_tags_without_repository_commit_or_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "git_commit" not in provenance(tmp_path)
    git(tmp_path, "init", "--quiet")
    assert "git_commit" not in provenance(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert "git_commit" not in provenance(tmp_path)
    assert "git_commit" not in provenance(tmp_path / "missing")


def test_includes_versions_python_and_cpu(tmp_path: Path) -> None:
    tags = provenance(tmp_path)
    assert tags.keys() == {"versions", "python", "platform", "cpu"}
    assert "torch " in tags["versions"] and "missing" not in tags["versions"]
    assert all(tags.values())

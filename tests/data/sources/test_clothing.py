"""The pinned clothing data set, downloaded from a local git repository."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources import clothing
from fashion_exp.data.sources.clothing import load_clothing
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

pytestmark = pytest.mark.slow

WriteImage = Callable[..., Path]
MakeConfig = Callable[..., DatasetConfig]


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    process = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return process.stdout.strip()


@dataclass(frozen=True)
class Repository:
    """The public repository pinned to its first commit; a second commit changed an image."""

    cache: Path
    url: str
    commit: str
    make_config: MakeConfig

    def load(
        self, download: bool = True, url: str | None = None, commit: str | None = None
    ) -> ImageTable:
        cfg = self.make_config(None, name="clothing", download=download)
        return load_clothing(cfg, self.cache, url or self.url, commit or self.commit)

    @property
    def folder(self) -> Path:
        return self.cache / f"clothing-{self.commit[:12]}"


@pytest.fixture
def repository(tmp_path: Path, write_image: WriteImage, make_config: MakeConfig) -> Repository:
    for seed, name in enumerate(("train/dress/a", "train/shirt/b", "test/dress/c", "test/shirt/d")):
        write_image(f"repository/{name}.png", seed)
    folder = tmp_path / "repository"
    (folder / "LICENSE").write_text("CC0\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "images")
    commit = git(folder, "rev-parse", "HEAD")
    write_image("repository/train/dress/a.png", 99)
    git(folder, "commit", "--quiet", "-am", "change an image")
    return Repository(tmp_path / "cache", folder.as_uri(), commit, make_config)


def test_pinned_commit_is_downloaded_once(repository: Repository, write_image: WriteImage) -> None:
    table = repository.load()
    assert table.name == "clothing" and table.classes == ("dress", "shirt")
    assert table.rows["part"].value_counts().to_dict() == {"train": 2, "test": 2}
    pinned = write_image("expected.png", 0).read_bytes()
    assert (repository.folder / "train/dress/a.png").read_bytes() == pinned
    parent = repository.cache.parent
    (parent / "repository").rename(parent / "renamed")
    assert repository.load().fingerprint == table.fingerprint
    assert repository.load(download=False).fingerprint == table.fingerprint
    assert [path.name for path in repository.cache.iterdir()] == [repository.folder.name]


def test_rejects_changed_file_of_equal_time_and_size(repository: Repository) -> None:
    repository.load()
    path = repository.folder / "train/shirt/b.png"
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match=r"differs .* in 1 places: train/shirt/b\.png; delete it"):
        repository.load()


def test_rejects_missing_and_added_images(repository: Repository) -> None:
    repository.load()
    (repository.folder / "train/dress/a.png").unlink()
    (repository.folder / "train/shirt/e.png").write_bytes(b"new")
    (repository.folder / "notes.txt").write_text("not an image")
    with pytest.raises(InputError, match=r"2 places: train/dress/a\.png, train/shirt/e\.png;"):
        repository.load()


def test_rejects_other_commit(repository: Repository) -> None:
    repository.load()
    git(repository.folder, "commit", "--quiet", "--allow-empty", "-m", "empty")
    with pytest.raises(InputError, match=r"differs from commit .*: commit [0-9a-f]{12};"):
        repository.load()


def test_rejects_damaged_git_folder(repository: Repository) -> None:
    repository.load()
    (repository.folder / ".git/HEAD").write_text("ref: refs/heads/none\n")
    with pytest.raises(InputError, match=r"cannot be verified: .*; delete it and download it agai"):
        repository.load()


def test_enclosing_repository_is_not_used_for_verification(repository: Repository) -> None:
    repository.load()
    (repository.folder / ".git").rename(repository.cache.parent / "moved")
    git(repository.cache, "init", "--quiet")
    with pytest.raises(InputError, match=r"cannot be verified: .*not a git repository"):
        repository.load()


def test_downloads_only_on_request(repository: Repository) -> None:
    with pytest.raises(InputError, match=r"dataset\.root: not given.*dataset\.download=true"):
        repository.load(download=False)
    assert not repository.cache.exists()


@pytest.mark.parametrize("url", ["file:///no/such/repository", "http://127.0.0.1:9/x"])
def test_unreachable_repository_fails_fast_with_remedy(repository: Repository, url: str) -> None:
    started = time.monotonic()
    with pytest.raises(
        InputError, match=r"dataset\.download: .* cannot be downloaded: .*dataset\.roo"
    ):
        repository.load(url=url)
    assert time.monotonic() - started < 10
    assert list(repository.cache.iterdir()) == []


def test_silent_server_times_out(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "git-remote-silent"  # git runs this program for silent:// addresses
    helper.write_text("#!/bin/sh\nsleep 60\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(clothing, "_TIMEOUT_S", 0.5)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"no answer within 0\.5 s; without internet"):
        repository.load(url="silent://repository")
    assert time.monotonic() - started < 10


def test_unknown_commit_is_reported(repository: Repository) -> None:
    with pytest.raises(InputError, match="cannot be downloaded"):
        repository.load(commit="0" * 40)
    assert list(repository.cache.iterdir()) == []


def test_variables_of_git_hooks_are_ignored(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "repository/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "repository/.git/index"))
    assert len(repository.load()) == len(repository.load()) == 4


def test_missing_git_is_reported_with_remedy(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot be downloaded: .*'git'.*dataset\.root to its fo"):
        repository.load()


def test_root_is_read_without_verification(
    make_config: MakeConfig, write_image: WriteImage, tmp_path: Path
) -> None:
    write_image("mine/dress/1.png", 1)
    write_image("mine/shirt/2.png", 2)
    cfg = make_config("mine", name="clothing", download=False)
    table = load_clothing(cfg, tmp_path / "cache")
    assert len(table) == 2 and table.name == "clothing"
    assert not (tmp_path / "cache").exists()


def test_concurrent_download_is_no_error(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = clothing._git

    def finish_other_download_first(folder: Path, *arguments: str, **options: object) -> str:
        if arguments[0] == "checkout":
            monkeypatch.setattr(clothing, "_git", original)
            repository.load()
        return original(folder, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(clothing, "_git", finish_other_download_first)
    assert len(repository.load()) == 4
    assert [path.name for path in repository.cache.iterdir()] == [repository.folder.name]

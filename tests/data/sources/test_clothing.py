"""The pinned data set, fetched from a local repository that the test makes."""

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

Photo = Callable[..., Path]
Config = Callable[..., DatasetConfig]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Home:
    """A data set's public home at its first commit; a second one changed the photos."""

    cache: Path
    url: str
    commit: str
    config: Config

    def load(self, download: bool = True) -> ImageTable:
        cfg = self.config(None, name="clothing", download=download)
        return load_clothing(cfg, self.cache, self.url, self.commit)

    @property
    def folder(self) -> Path:
        return self.cache / f"clothing-{self.commit[:12]}"


@pytest.fixture
def home(tmp_path: Path, photo: Photo, config: Config) -> Home:
    for seed, name in enumerate(("train/dress/a", "train/shirt/b", "test/dress/c", "test/shirt/d")):
        photo(f"home/{name}.png", seed)
    folder = tmp_path / "home"
    (folder / "LICENSE").write_text("CC0\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "photos")
    commit = git(folder, "rev-parse", "HEAD")
    photo("home/train/dress/a.png", 99)
    git(folder, "commit", "--quiet", "-am", "another photo")
    return Home(tmp_path / "cache", folder.as_uri(), commit, config)


def test_the_pinned_commit_is_fetched_once_and_opened_without_its_home(home: Home) -> None:
    first = home.load()
    assert first.name == "clothing" and first.classes == ("dress", "shirt")
    assert first.rows["part"].value_counts().to_dict() == {"train": 2, "test": 2}
    (home.cache.parent / "home").rename(home.cache.parent / "gone")
    assert home.load().fingerprint == home.load(download=False).fingerprint == first.fingerprint
    assert [path.name for path in home.cache.iterdir()] == [home.folder.name]


def test_the_newest_commit_is_not_taken_for_the_pinned_one(home: Home, photo: Photo) -> None:
    photo("plain/train/dress/a.png", 0)
    expected = (home.cache.parent / "plain/train/dress/a.png").read_bytes()
    home.load()
    assert (home.folder / "train/dress/a.png").read_bytes() == expected


def test_a_changed_file_is_refused_by_name_even_at_its_old_time_and_size(home: Home) -> None:
    home.load()
    path = home.folder / "train/shirt/b.png"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match=r"differs .* in 1 places: train/shirt/b\.png; delete it"):
        home.load()


def test_missing_and_added_photos_are_refused_by_name(home: Home, photo: Photo) -> None:
    home.load()
    (home.folder / "train/dress/a.png").unlink()
    (home.folder / "train/shirt/e.png").write_bytes(b"new")
    (home.folder / "notes.txt").write_text("harmless")
    with pytest.raises(InputError, match=r"2 places: train/dress/a\.png, train/shirt/e\.png;"):
        home.load()


def test_another_commit_under_the_name_is_refused(home: Home) -> None:
    home.load()
    git(home.folder, "commit", "--quiet", "--allow-empty", "-m", "own")
    with pytest.raises(InputError, match=r"differs from commit .*: commit [0-9a-f]{12};"):
        home.load()


def test_a_damaged_store_of_git_is_refused(home: Home) -> None:
    home.load()
    (home.folder / ".git/HEAD").write_text("ref: refs/heads/none\n")
    with pytest.raises(InputError, match=r"cannot be checked: .*; delete it and fetch it anew"):
        home.load()


def test_a_copy_without_git_s_store_is_not_held_against_a_repository_around_it(home: Home) -> None:
    home.load()
    (home.folder / ".git").rename(home.cache.parent / "store")
    git(home.cache, "init", "--quiet")
    with pytest.raises(InputError, match=r"cannot be checked: .*not a git repository"):
        home.load()


def test_nothing_is_fetched_unasked(home: Home) -> None:
    with pytest.raises(InputError, match=r"dataset\.root: not given.*dataset\.download=true"):
        home.load(download=False)
    assert not home.cache.exists()


@pytest.mark.parametrize("url", ["file:///no/such/home", "http://127.0.0.1:9/x"])
def test_a_home_out_of_reach_is_told_within_seconds_with_the_way_out(
    home: Home, config: Config, url: str
) -> None:
    started = time.monotonic()
    with pytest.raises(
        InputError, match=r"dataset\.download: .* cannot be fetched: .*dataset\.roo"
    ):
        Home(home.cache, url, home.commit, config).load()
    assert time.monotonic() - started < 10
    assert list(home.cache.iterdir()) == []


def test_a_home_that_never_answers_is_given_up(
    home: Home, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = tmp_path / "git-remote-mute"  # git asks a program of this name about mute://
    mute.write_text("#!/bin/sh\nsleep 60\n")
    mute.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(clothing, "_PATIENCE_S", 0.5)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"no answer within 0\.5 s; without internet"):
        Home(home.cache, "mute://home", home.commit, config).load()
    assert time.monotonic() - started < 10


def test_an_unknown_commit_is_told(home: Home, config: Config) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        Home(home.cache, home.url, "0" * 40, config).load()
    assert list(home.cache.iterdir()) == []


def test_settings_of_a_surrounding_git_hook_do_no_harm(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "home/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "home/.git/index"))
    assert len(home.load()) == len(home.load()) == 4


def test_a_machine_without_git_is_told_the_way_out(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot be fetched: .*'git'.*give its folder"):
        home.load()


def test_a_given_root_is_read_as_it_is(config: Config, photo: Photo, tmp_path: Path) -> None:
    photo("own/dress/1.png", 1)
    photo("own/shirt/2.png", 2)
    table = load_clothing(config("own", name="clothing", download=False), tmp_path / "cache")
    assert len(table) == 2 and table.name == "clothing"
    assert not (tmp_path / "cache").exists()


def test_another_run_that_was_quicker_is_no_error(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = clothing._git

    def slow(folder: Path, *arguments: str, **options: object) -> str:
        if arguments[0] == "checkout":
            monkeypatch.setattr(clothing, "_git", original)
            home.load()
        return original(folder, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(clothing, "_git", slow)
    assert len(home.load()) == 4
    assert [path.name for path in home.cache.iterdir()] == [home.folder.name]

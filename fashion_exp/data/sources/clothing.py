"""The public clothing data set (CC0), at one commit, fetched by git and checked against its hashes.

3,781 photos in ten classes, in official parts, by Alexey Grigorev and contributors.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.sources.walk import has_image_ending
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

URL = "https://github.com/alexeygrigorev/clothing-dataset-small"
COMMIT = "36364be1969242c019705255cd87aed00c73a939"

_PATIENCE_S = 15
_WAYS_OUT = f"without internet clone {URL} elsewhere and give its folder as dataset.root"

_SETTINGS = tuple(
    word
    for setting in (
        "core.autocrlf=false",  # the bytes that were hashed, whatever the user's editor likes
        "core.fileMode=false",
        "core.hooksPath=/dev/null",
        "http.lowSpeedLimit=1000",
        f"http.lowSpeedTime={_PATIENCE_S}",
    )
    for word in ("-c", setting)
)
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_SET_BY_HOOKS = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)


class _GitFailed(Exception):
    """A git command that went wrong; the message is git's last line."""


def load_clothing(
    cfg: DatasetConfig, cache: Path, url: str = URL, commit: str = COMMIT
) -> ImageTable:
    """The photos below `cfg.root` as they are, else those of the commit, kept below `cache`.

    With `cfg.download` they are fetched where they are not there yet. Raises `InputError` where
    they are neither there nor to be had, and where a kept file has changed.
    """
    if cfg.root is not None:
        return load_folder(cfg)
    folder = kept_folder(cache, commit)
    if folder.is_dir():
        _check(folder, commit)
    elif cfg.download:
        _fetch(folder, url, commit)
    else:
        raise InputError(
            f"dataset.root: not given, and '{folder}' is not there; set dataset.download=true; "
            + _WAYS_OUT
        )
    return load_folder(replace(cfg, root=str(folder)))


def kept_folder(cache: Path, commit: str = COMMIT) -> Path:
    """Where the fetched photos are, if they are."""
    return cache / f"clothing-{commit[:12]}"


def _fetch(folder: Path, url: str, commit: str) -> None:
    """Fetch into a folder beside it, which gets the name when it is whole."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as fresh:
            whole = Path(fresh) / "whole"
            whole.mkdir()
            # git itself has no limit on how long it waits for a connection
            _git(whole, "ls-remote", "--quiet", "--exit-code", url, "HEAD", patience_s=_PATIENCE_S)
            _git(whole, "init", "--quiet")
            _git(whole, "fetch", "--quiet", "--depth=1", url, commit)
            _git(whole, "checkout", "--quiet", "--detach", commit)
            _rename(whole, folder)
    except (_GitFailed, OSError) as error:
        raise InputError(
            f"dataset.download: {url} cannot be fetched: {error}; {_WAYS_OUT}"
        ) from error


def _rename(whole: Path, folder: Path) -> None:
    try:
        whole.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another run was quicker
            raise


def _check(folder: Path, commit: str) -> None:
    """Hold every file against the commit by content, not by its time and size."""
    try:
        _git(folder, "fsck", "--strict", "--no-dangling", "--no-progress")
        at = _git(folder, "rev-parse", "HEAD").strip()
        with tempfile.TemporaryDirectory() as scratch:
            # An index without times makes git read every file; the one in the folder stays as is.
            index = os.path.join(scratch, "index")
            _git(folder, "read-tree", "HEAD", index=index)
            listing = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
            status = _git(folder, *listing, index=index)
    except (_GitFailed, OSError) as error:
        raise InputError(
            f"dataset.root: '{folder}' cannot be checked: {error}; delete it and fetch it anew"
        ) from error
    changed = [] if at == commit else [f"commit {at[:12]}"]
    changed += [entry[3:] for entry in status.split("\0") if _matters(entry)]
    if changed:
        raise InputError(
            f"dataset.root: '{folder}' differs from commit {commit[:12]} in {len(changed)} places: "
            f"{', '.join(changed[:3])}; delete it to fetch it anew, or give it as dataset.root"
        )


def _matters(entry: str) -> bool:
    """Whether a line of git's status is a changed file, or an image that was added."""
    return bool(entry) and (not entry.startswith("??") or has_image_ending(entry))


def _git(folder: Path, *arguments: str, patience_s: float | None = None, index: str = "") -> str:
    """What git prints when run in a folder, asking nothing; `_GitFailed` with its last words."""
    environment = {key: value for key, value in os.environ.items() if key not in _SET_BY_HOOKS}
    environment |= _ENVIRONMENT | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    if index:
        environment["GIT_INDEX_FILE"] = index
    # Files and not pipes: git's helpers hold a pipe open after git itself was ended.
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            ["git", *_SETTINGS, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=said,
            start_new_session=True,
        )
        code = _wait(process, patience_s)
        for file in (printed, said):
            file.seek(0)
        if code != 0:
            raise _GitFailed(_last_words(said.read().decode(errors="replace")))
        return printed.read().decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], patience_s: float | None) -> int:
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        raise _GitFailed(f"no answer within {patience_s:g} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (telling or lines or ["git failed and did not say why"])[-1]

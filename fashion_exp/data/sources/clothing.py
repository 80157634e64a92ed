"""The source `clothing`: the public clothing data set (CC0) at one git commit, verified by hashes.

3,781 photos in ten classes and official parts, by Alexey Grigorev and contributors.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from fashion_exp.configuration.schema import DatasetConfig, Targets
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.sources.walk import has_image_extension
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

URL = "https://github.com/alexeygrigorev/clothing-dataset-small"
COMMIT = "36364be1969242c019705255cd87aed00c73a939"

_TIMEOUT_S = 15
_OFFLINE_REMEDY = (
    f"without internet access, clone {URL} elsewhere and set dataset.root to its folder"
)

_GIT_OPTIONS = (
    "-c", "core.autocrlf=false",  # keep the hashed bytes, whatever the user's settings
    "-c", "core.fileMode=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "http.lowSpeedLimit=1000",
    "-c", f"http.lowSpeedTime={_TIMEOUT_S}",
)  # fmt: skip
_GIT_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_HOOK_VARIABLES = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)
"""Variables that git sets for hooks; they would redirect our commands to another repository."""


class _GitError(Exception):
    """A failed git command; the message is git's error line."""


def load_clothing(
    cfg: DatasetConfig,
    cache: Path,
    url: str = URL,
    commit: str = COMMIT,
    targets: Targets = Targets.single,
) -> ImageTable:
    """The photos below `cfg.root`, unchecked, or else those of the commit, stored below `cache`.

    With `cfg.download`, missing photos are downloaded. Raises `InputError` if they are missing,
    cannot be downloaded, or differ from the commit.
    """
    if cfg.root is not None:
        return load_folder(cfg, targets)
    folder = download_folder(cache, commit)
    if folder.is_dir():
        _verify(folder, commit)
    elif cfg.download:
        _download(folder, url, commit)
    else:
        raise InputError(
            f"dataset.root: not given, and '{folder}' does not exist; set dataset.download=true; "
            + _OFFLINE_REMEDY
        )
    return load_folder(replace(cfg, root=str(folder)), targets)


def download_folder(cache: Path, commit: str = COMMIT) -> Path:
    """The folder of the downloaded photos; it may not exist."""
    return cache / f"clothing-{commit[:12]}"


def _download(folder: Path, url: str, commit: str) -> None:
    """Download to a temporary folder and rename it when it is complete."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as temporary:
            clone = Path(temporary) / "clone"
            clone.mkdir()
            # git has no timeout for connecting, so the first command has one
            _git(clone, "ls-remote", "--quiet", "--exit-code", url, "HEAD", timeout_s=_TIMEOUT_S)
            _git(clone, "init", "--quiet")
            _git(clone, "fetch", "--quiet", "--depth=1", url, commit)
            _git(clone, "checkout", "--quiet", "--detach", commit)
            try:
                clone.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise a concurrent run has finished first
                    raise
    except (_GitError, OSError) as error:
        raise InputError(
            f"dataset.download: {url} cannot be downloaded: {error}; {_OFFLINE_REMEDY}"
        ) from error


def _verify(folder: Path, commit: str) -> None:
    """Compare the content of every file with the commit; times and sizes are not trusted."""
    try:
        _git(folder, "fsck", "--strict", "--no-dangling", "--no-progress")
        head = _git(folder, "rev-parse", "HEAD").strip()
        with tempfile.TemporaryDirectory() as temporary:
            # A new index has no file times, so git reads every file.
            index = os.path.join(temporary, "index")
            _git(folder, "read-tree", "HEAD", index=index)
            options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
            status = _git(folder, "status", *options, index=index)
    except (_GitError, OSError) as error:
        raise InputError(
            f"dataset.root: '{folder}' cannot be verified: {error}; delete it and download it again"
        ) from error
    differences = [] if head == commit else [f"commit {head[:12]}"]
    differences += [entry[3:] for entry in status.split("\0") if _is_difference(entry)]
    if differences:
        raise InputError(
            f"dataset.root: '{folder}' differs from commit {commit[:12]} in {len(differences)} "
            f"places: {', '.join(differences[:3])}; delete it to download it again, or set "
            "dataset.root to it"
        )


def _is_difference(entry: str) -> bool:
    """Whether an entry of `git status` is a changed file or an added image."""
    return bool(entry) and (not entry.startswith("??") or has_image_extension(entry))


def _git(folder: Path, *arguments: str, timeout_s: float | None = None, index: str = "") -> str:
    """Run git without prompts and return its output; raises `_GitError`."""
    environment = {key: value for key, value in os.environ.items() if key not in _HOOK_VARIABLES}
    environment |= _GIT_ENVIRONMENT | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    if index:
        environment["GIT_INDEX_FILE"] = index
    # Files instead of pipes, because git's helper processes keep pipes open after git was killed.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            ["git", *_GIT_OPTIONS, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        exit_code = _wait(process, timeout_s)
        stdout.seek(0)
        stderr.seek(0)
        if exit_code != 0:
            raise _GitError(_error_line(stderr.read().decode(errors="replace")))
        return stdout.read().decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], timeout_s: float | None) -> int:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise _GitError(f"no answer within {timeout_s:g} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _error_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (errors or lines or ["git failed without a message"])[-1]

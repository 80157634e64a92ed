"""Where the package, its configuration and its outputs are."""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
import tempfile
import time
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fashion_exp.atomic_io import check_replaceable, file_lock, is_disk_full, write_text
from fashion_exp.errors import InputError, os_error_reason

PACKAGE = Path(__file__).resolve().parent
_ID_FILE = ".id"


def checkout_root() -> Path | None:
    """The checkout that contains this package; None if the package is installed."""
    root = PACKAGE.parent
    return root if (root / "conf").is_dir() and (root / "pyproject.toml").is_file() else None


def conf_dir() -> Path:
    """`conf/` of the checkout, or its copy in the installed package."""
    shipped = PACKAGE / "conf"
    return shipped if shipped.is_dir() else PACKAGE.parent / "conf"


def own_choices_folder(option: str) -> Path:
    """The folder of `--config-dir`; raises `InputError` if it is none."""
    folder = expand_user(option, "--config-dir").resolve()
    if not folder.is_dir():
        raise InputError(f"--config-dir={option}: no such folder")
    return folder


def package_version() -> str:
    """The version of this package, also when it runs from a checkout that is not installed."""
    root = checkout_root()
    if root is not None:
        return str(
            tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"][
                "version"
            ]
        )
    return version("fashion_exp")


def expand_user(path: str, option: str) -> Path:
    """The path with `~` replaced by the home folder. Raises `InputError` for an unknown user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(
            f"{option}={path}: there is no such user; a folder named {path.split('/')[0]} is "
            f"./{path}"
        ) from None


def install_command(extra: str) -> str:
    """The command that installs an optional dependency group of pyproject.toml."""
    return f"scripts/setup {extra}" if checkout_root() else f"pip install 'fashion_exp[{extra}]'"


def outputs_dir(option: str | None) -> Path:
    """The absolute folder for the option `outputs`; None means the default folder."""
    if option is not None:
        if not option.strip():
            raise InputError("outputs is empty: is a variable of the shell unset? name a folder")
        return expand_user(option, "outputs").resolve()
    return (checkout_root() or Path.cwd()) / "outputs"


def outputs_of(run: Path) -> Path | None:
    """The outputs folder that a run's folder is in; None if it is elsewhere."""
    if run.parent.name in ("runs", "refits"):
        return run.parent.parent
    is_below = run.parent.parent.name in ("sweeps", "placebos")
    return run.parent.parent.parent if is_below else None


def is_in_outputs(path: Path) -> bool:
    """Whether a path is in the folder of a run, or in a folder in which runs were started."""
    return any(
        outputs_of(folder) is not None or (folder / _ID_FILE).is_file() for folder in path.parents
    )


def with_outputs_option(command: str, outputs: Path) -> str:
    """The command, with `--outputs` if `outputs` is not the default folder."""
    if outputs == outputs_dir(None):
        return command
    return f"{command} --outputs {shlex.quote(str(outputs))}"


def run_commands(run: Path, outputs: Path) -> dict[str, str]:
    """The commands that use the files of a finished run, by their purpose."""
    folder = shlex.quote(str(run))
    return {
        "to report it": with_outputs_option(f"scripts/run report {folder}", outputs),
        "to open it": with_outputs_option(f"scripts/run ui {folder}", outputs),
    }


def check_homes(arguments: Sequence[str]) -> None:
    """Raises `InputError` for an argument of a subcommand in the home of an unknown user."""
    for argument in arguments:
        option, equal, value = argument.partition("=")
        value, option = (value, option) if equal and option.startswith("-") else (argument, "path")
        if value.startswith("~"):
            expand_user(value, option)


def writable_folder(text: str, option: str) -> Path:
    """The folder that an option names; raises `InputError` if nothing can be written to it."""
    folder = expand_user(text, option).resolve()
    check_writable(folder, option)
    return folder


def writable_file(text: str, option: str) -> Path:
    """The file that an option names; raises `InputError` if it cannot be written."""
    path = expand_user(text, option).resolve()
    check_replaceable(path)
    check_writable(path.parent, option)
    return path


def check_writable(folder: Path, option: str = "outputs") -> None:
    """Raises `InputError` if nothing can be written to `folder`; creates nothing that stays."""
    if reason := why_not_writable(folder):
        raise InputError(f"{option}={folder}: {reason}; choose another {option}=FOLDER")


def why_not_writable(folder: Path) -> str:
    """Why nothing can be written to a folder, which need not exist; empty if it can."""
    existing = folder
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir():
            return f"{existing} is a file"
        with tempfile.TemporaryFile(dir=existing):  # permissions do not tell all: /proc
            return ""
    except OSError as error:
        if is_disk_full(error):
            raise
        return f"{existing} is not writable ({os_error_reason(error)})"


def unique_name(name: str) -> str:
    """A folder name that no other run has: the time, `name` and eight random digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{folder_title(name)}-{secrets.token_hex(4)}"


def folder_title(name: str) -> str:
    """A name as part of a folder's name: short, and without the colon of `model.name=a:stage`,
    which separates paths in lists of them."""
    return name.replace(":", "-")[:MAX_TITLE]


MAX_TITLE = 80
"""Characters: file systems allow 255 bytes for a name."""


def new_run_token(outputs: Path) -> str:
    """A new token that marks a tracked run as created from this `outputs` folder.

    The token is saved before the tracked run is created, so that a crash in between can be
    recovered: the run is found by its token.
    """
    file = outputs / _ID_FILE
    if not file.exists():
        with file_lock(file.with_name(f"{_ID_FILE}.lock")):
            if not file.exists():
                write_text(file, secrets.token_hex(8))
    return f"{outputs_id(outputs)}-{secrets.token_hex(8)}"


def outputs_id(outputs: Path) -> str:
    """Identifies this folder, and not a copy of it; empty if no run was started in it."""
    file = outputs / _ID_FILE
    if not file.exists():
        return ""
    content = f"{file.read_text(encoding='utf-8')}:{outputs.resolve()}"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def user_cache() -> Path:
    """The folder for what is derived once for all projects of a user, as on other systems."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fashion_exp"

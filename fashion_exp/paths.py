"""Where the package, its configuration and its outputs are."""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

from fashion_exp.atomic_io import file_lock, write_text
from fashion_exp.errors import InputError

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
    folder = Path(option).expanduser().resolve()
    if not folder.is_dir():
        raise InputError(f"--config-dir={option}: no such folder")
    return folder


def package_version() -> str:
    """The version of this package, also when it runs from a checkout that is not installed."""
    root = checkout_root()
    if root is not None:
        return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])
    return version("fashion_exp")


def install_command(extra: str) -> str:
    """The command that installs an optional dependency group of pyproject.toml."""
    return f"scripts/setup {extra}" if checkout_root() else f"pip install 'fashion_exp[{extra}]'"


def outputs_dir(option: str | None) -> Path:
    """The absolute folder for the option `outputs`; None means the default folder."""
    if option is not None:
        return Path(option).expanduser().resolve()
    return (checkout_root() or Path.cwd()) / "outputs"


def outputs_of(run: Path) -> Path | None:
    """The outputs folder that a run's folder is in; None if it is elsewhere."""
    if run.parent.name == "runs":
        return run.parent.parent
    return run.parent.parent.parent if run.parent.parent.name == "sweeps" else None


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


def check_writable(outputs: Path) -> None:
    """Raises `InputError` if `outputs` cannot be written to; creates nothing."""
    existing = next(path for path in (outputs, *outputs.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        reason = "is not writable" if existing.is_dir() else "is a file"
        raise InputError(f"outputs={outputs}: {existing} {reason}; choose another outputs=FOLDER")


def unique_name(name: str) -> str:
    """A folder name that no other run has: the time, `name` and four random digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


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

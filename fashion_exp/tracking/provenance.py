"""Which code, library versions and machine produced a run."""

from __future__ import annotations

import getpass
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "fashion_exp",
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "numpy",
    "scikit-learn",
    "hydra-core",
    "mlflow",
)


def provenance(repository: Path) -> dict[str, str]:
    """The fields `git_commit`, `git_dirty`, `versions`, `python`, `platform` and `cpu`.

    Those of git are missing if `repository` is not the top of a checkout, has no commit, or git is
    not installed. Untracked files do not count as dirty.
    """
    return {
        **_git_state(repository),
        "versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
    }


def source_tags(environment: Mapping[str, str]) -> dict[str, str]:
    """The tags from which MLflow's UI shows who ran which version of the code."""
    tags = {"mlflow.source.name": "fashion_exp", "mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError):  # a user without a name, as in some containers
        tags["mlflow.user"] = getpass.getuser()
    if commit := environment.get("git_commit"):
        tags["mlflow.source.git.commit"] = commit
    return tags


def _git_state(repository: Path) -> dict[str, str]:
    try:
        top, commit = _git(repository, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        # An installed package can lie inside the checkout of another project.
        if not Path(top).samefile(repository):
            return {}
        changes = _git(repository, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return {"git_commit": commit, "git_dirty": "true" if changes else "false"}


def _git(repository: Path, *args: str) -> str:
    command = ["git", "-C", str(repository), "--no-optional-locks", *args]
    process = subprocess.run(
        command, check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=10
    )
    return process.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _cpu_name() -> str:
    """Model name of the processor, or its architecture if the system does not report one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()

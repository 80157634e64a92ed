"""What a run was made with: code, versions, machine."""

from __future__ import annotations

import platform
import subprocess
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
    """Tags: `git_commit` and `git_dirty`, `versions`, `python`, `platform`, `cpu`.

    The git tags are missing where `repository` is not the top of a checkout, has no commit or git
    is absent. Only tracked files make it dirty.
    """
    return {
        **_git_state(repository),
        "versions": ", ".join(f"{name} {number}" for name, number in _versions()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
    }


def _git_state(repository: Path) -> dict[str, str]:
    try:
        top, commit = _git(repository, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        # An installed package may lie within a checkout of something else.
        if not Path(top).samefile(repository):
            return {}
        changes = _git(repository, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return {"git_commit": commit, "git_dirty": "true" if changes else "false"}


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), "--no-optional-locks", *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, "missing"))
    return found


def _cpu() -> str:
    """The processor's model name, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()

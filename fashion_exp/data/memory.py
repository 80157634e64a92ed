"""How much memory may be used."""

from __future__ import annotations

import os
import re
from pathlib import Path


def available_bytes(
    system: Path = Path("/proc/meminfo"), container: Path = Path("/sys/fs/cgroup")
) -> int:
    """Bytes that can be taken without swapping: the system's, or what a container's limit leaves.

    Where the system does not tell (macOS), half of its memory.
    """
    free = _free_in_system(system)
    left = _left_in_container(container)
    return free if left is None else min(free, left)


def _free_in_system(system: Path) -> int:
    try:
        stated = re.search(r"^MemAvailable:\s+(\d+) kB", system.read_text(), re.MULTILINE)
    except OSError:
        stated = None
    if stated:
        return int(stated[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _left_in_container(container: Path) -> int | None:
    """The limit of a control group (version 2) less what it holds and cannot give back."""
    try:
        limit = int((container / "memory.max").read_text())
        used = int((container / "memory.current").read_text())
        cached = re.search(r"^inactive_file (\d+)", (container / "memory.stat").read_text(), re.M)
    except (OSError, ValueError):  # no group, or a limit of "max"
        return None
    return max(0, limit - used + (int(cached[1]) if cached else 0))

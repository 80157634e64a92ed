"""Facts about this process: the cores it may use, and its rank in distributed training."""

from __future__ import annotations

import os


def cpu_count() -> int:
    """CPU cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_distributed() -> bool:
    """Whether PyTorch's launcher started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def is_main_process() -> bool:
    """Whether this process writes files, tracks metrics and prints."""
    return not is_distributed() or os.environ["RANK"] == "0"

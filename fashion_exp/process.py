"""This process: its cores, its rank in distributed training, its standard streams and encoding.

A standard stream that is closed, full or no longer read loses its text; the run continues.
"""

from __future__ import annotations

import codecs
import ctypes
import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path


def cpu_count() -> int:
    """CPU cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """The memory that this process may use: of the machine, or of its control group."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    with suppress(OSError, ValueError):  # "max": no limit
        total = min(total, int(limit.read_text(encoding="ascii")))
    return total


def is_distributed() -> bool:
    """Whether PyTorch's launcher started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def is_main_process() -> bool:
    """Whether this process writes files, tracks metrics and prints."""
    return not is_distributed() or os.environ["RANK"] == "0"


class OutputStream(io.FileIO):
    """A descriptor to write to. The first error is kept; text that cannot be written is lost."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            self.error = self.error or error
            return memoryview(data).nbytes  # type: ignore[arg-type]


def use_utf8() -> None:
    """Starts the process again in Python's UTF-8 mode if file names have another encoding.

    Under `LC_ALL=C` Python can neither open nor print names beyond ASCII. The mode is inherited by
    child processes.
    """
    encoding = codecs.lookup(sys.getfilesystemencoding()).name
    if encoding != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def protect_streams() -> None:
    """Makes standard output and error accept any text at any time."""
    for descriptor in (0, 1, 2):  # a file opened later must not become a standard stream
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    outputs = OutputStream(1, "w", closefd=False), OutputStream(2, "w", closefd=False)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.BufferedWriter(output),
            encoding="utf-8" if stream is None else stream.encoding,
            errors="backslashreplace",
            line_buffering=output is outputs[1] or output.isatty(),
        )
        for output, stream in zip(outputs, (sys.stdout, sys.stderr), strict=True)
    )


def lost_output() -> OSError | None:
    """Why text of standard output was lost. A reader that has read enough is no reason."""
    sys.stdout.flush()
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    error = output.error if isinstance(output, OutputStream) else None
    return None if error is None or error.errno == errno.EPIPE else error


def release_freed_memory() -> None:
    """Returns freed memory to the system, now and from now on: for a process that has finished
    training. Only the allocator of Linux needs this."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 2**16)  # glibc's own values
        libc.mallopt(trim_threshold, 2**17)
        libc.malloc_trim(0)

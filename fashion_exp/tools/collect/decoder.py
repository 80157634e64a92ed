"""Pictures decoded at arm's length: by a process that may die, and is believed in nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fashion_exp.tools.collect.rejections import Postponed, Rejected

MOST_MEGAPIXELS = 40.0
SECONDS = 60.0
"""For one picture, by the clock on the wall: beyond the process's own limit of CPU time."""
THUMBNAIL_EDGE = 200
"""Pixels."""
_LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Picture:
    """Of a picture turned upright: its size, and a SHA-256 of its pixels."""

    width: int
    height: int
    pixels: str
    thumbnail: bytes = b""
    """JPEG, if one was asked for."""


class Decoder:
    """A context manager that holds the process; one that has died is replaced."""

    def __init__(
        self, command: tuple[str, ...] = ("-m", "fashion_exp.tools.collect.decoder_process")
    ) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def picture(self, content: bytes, thumbnail: bool = False) -> Picture:
        """Decodes a whole file. Raises `Rejected` if it is broken, too large, or kills its
        decoder, and `Postponed` if it takes too long."""
        process = self._process or self._start()
        late = threading.Event()
        watch = threading.Timer(SECONDS, _end_late, [process, late])
        watch.start()
        try:
            return _asked(process, content, THUMBNAIL_EDGE if thumbnail else 0)
        except Rejected:
            raise
        except Exception as error:  # what a broken or hijacked process says can be anything
            code = self._end()
            if late.is_set():  # of how busy the machine is, not of the picture
                raise Postponed("too slow", f"decoding took longer than {SECONDS:g} s") from error
            raise Rejected(
                "broken picture", f"its decoder died of it (exit code {code})"
            ) from error
        except KeyboardInterrupt:  # what it still has to say would be taken for the next answer
            self._end()
            raise
        finally:
            watch.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        # No secret of ours is in its environment, and Ctrl-C is for us alone to answer.
        environment = {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        return self._process

    def _end(self) -> int | None:
        """Gives its exit code: its own, if it had ended before."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        code = process.wait()
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):  # of what it has not read
            process.stdin.close()
        process.stdout.close()
        return code


def _end_late(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _asked(process: subprocess.Popen[bytes], content: bytes, edge: int) -> Picture:
    """Raises `Rejected` if the picture is broken; whatever else, if the answer is no answer."""
    assert process.stdin is not None and process.stdout is not None
    request = {"bytes": len(content), "max_megapixels": MOST_MEGAPIXELS, "thumbnail": edge}
    process.stdin.write(json.dumps(request).encode() + b"\n" + content)
    process.stdin.flush()
    told = json.loads(process.stdout.readline(_LARGEST_ANSWER))
    thumbnail = process.stdout.read(max(0, min(int(told["bytes"]), _LARGEST_ANSWER)))
    if "broken" in told:
        kind = "too large" if "megapixels" in str(told["broken"]) else "broken picture"
        raise Rejected(kind, str(told["broken"]))
    return Picture(int(told["width"]), int(told["height"]), str(told["pixels"]), thumbnail)

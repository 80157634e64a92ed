"""Detects the format of untrusted images and decodes them in a process that they may crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from fashion_exp.tools.collect.rejections import Postponed, Rejected

MAX_MEGAPIXELS = 40.0
MAX_SECONDS = 60.0
"""Wall-clock time for one image; the process itself limits its CPU time."""
THUMBNAIL_SIZE = 200
"""Pixels of the longer side."""
_MAX_RESPONSE_BYTES = 1 << 20


_CONTENT_TYPES = {
    ".jpg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    ".png": ("image/png", "image/x-png"),
    ".webp": ("image/webp",),
}
"""The accepted formats by file suffix, with obsolete content types that servers still send."""

ACCEPT = "image/jpeg, image/png, image/webp"
"""Accept header. With `image/*` some servers send formats that we do not accept."""


@dataclass(frozen=True)
class DecodedImage:
    """Properties of an image after its EXIF rotation."""

    width: int
    height: int
    pixels: str
    """SHA-256 of the pixels."""
    thumbnail: bytes = b""
    """JPEG; empty unless requested."""


class Decoder:
    """A context manager that owns the process and restarts it after a crash."""

    def __init__(
        self, command: tuple[str, ...] = ("-m", "fashion_exp.tools.collect.decoder_process")
    ) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def decode(self, content: bytes, thumbnail: bool = False) -> DecodedImage:
        """Decodes an image file.

        Raises `Rejected` if the image is broken, too large, or crashes the process, and
        `Postponed` if decoding exceeds the time limit.
        """
        process = self._process or self._start()
        timed_out = threading.Event()

        def stop_on_timeout() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(MAX_SECONDS, stop_on_timeout)
        timer.start()
        try:
            return _request(process, content, THUMBNAIL_SIZE if thumbnail else 0)
        except Rejected:
            raise
        except Exception as error:  # a crashed or exploited process can respond with anything
            code = self._stop()
            if timed_out.is_set():  # may be due to a busy machine, so not the fault of the image
                raise Postponed(
                    "too slow", f"decoding took longer than {MAX_SECONDS:g} s"
                ) from error
            raise Rejected(
                "broken picture", f"the image crashed its decoder (exit code {code})"
            ) from error
        except KeyboardInterrupt:  # the pending response must not be read as the next one
            self._stop()
            raise
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        # The environment holds no secrets, and the new session does not receive Ctrl-C.
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

    def _stop(self) -> int | None:
        """Kills the process; returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        code = process.wait()
        assert process.stdin is not None and process.stdout is not None
        with suppress(OSError):  # unread input
            process.stdin.close()
        process.stdout.close()
        return code


def _request(process: subprocess.Popen[bytes], content: bytes, size: int) -> DecodedImage:
    """Raises `Rejected` for a broken image and any other exception for an invalid response."""
    assert process.stdin is not None and process.stdout is not None
    request = {"bytes": len(content), "max_megapixels": MAX_MEGAPIXELS, "thumbnail": size}
    process.stdin.write(json.dumps(request).encode() + b"\n" + content)
    process.stdin.flush()
    response = json.loads(process.stdout.readline(_MAX_RESPONSE_BYTES))
    thumbnail = process.stdout.read(max(0, min(int(response["bytes"]), _MAX_RESPONSE_BYTES)))
    if "broken" in response:
        reason = str(response["broken"])
        raise Rejected("too large" if "megapixels" in reason else "broken picture", reason)
    return DecodedImage(
        int(response["width"]), int(response["height"]), str(response["pixels"]), thumbnail
    )


def detect_format(content: bytes, content_type: str | None) -> str:
    """The suffix of an image file's format by its first bytes: .jpg, .png or .webp.

    Raises `Rejected` if the format is not accepted or contradicts the content type.
    """
    declared = None
    if content_type is not None:
        declared = content_type.partition(";")[0].strip().casefold() or "nothing"
    if content.startswith(b"\xff\xd8\xff"):
        suffix = ".jpg"
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        suffix = ".png"
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        suffix = ".webp"
    else:
        note = f" (sent as {declared})" if declared else ""
        raise Rejected("no picture", f"not a JPEG, PNG or WebP file{note}")
    if declared and declared not in _CONTENT_TYPES[suffix]:
        raise Rejected("wrong type", f"sent as {declared} but is a {suffix} file")
    return suffix

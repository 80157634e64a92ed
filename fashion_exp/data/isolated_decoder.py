"""Decodes untrusted images in a process that they may crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any, Self

from fashion_exp.data.table import UnreadableImageError

_MAX_HEADER_BYTES = 1 << 20


class DecodingTimeoutError(Exception):
    """Decoding took too long. The machine may be busy, so this need not be the image's fault."""


class IsolatedDecoder:
    """A context manager that owns the process and restarts it after a crash."""

    def __init__(
        self, command: tuple[str, ...] = ("-m", "fashion_exp.data.decoder_process")
    ) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def ask(
        self, content: bytes, seconds: float, max_bytes: int, **request: Any
    ) -> tuple[dict[str, Any], bytes]:
        """What `decoder_process` answers about an image file: properties, and at most `max_bytes`.

        Raises `UnreadableImageError` if the image is broken, too large or crashes the process, and
        `DecodingTimeoutError` after `seconds`.
        """
        process = self._process or self._start()
        timed_out = threading.Event()

        def stop_on_timeout() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(seconds, stop_on_timeout)
        timer.start()
        try:
            return _exchange(process, content, max_bytes, request)
        except UnreadableImageError:
            raise
        except Exception as error:  # a crashed or exploited process can respond with anything
            code = self._stop()
            if timed_out.is_set():
                raise DecodingTimeoutError(f"decoding took longer than {seconds:g} s") from error
            raise UnreadableImageError(
                f"the image crashed its decoder (exit code {code})"
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


def _exchange(
    process: subprocess.Popen[bytes], content: bytes, max_bytes: int, request: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Raises `UnreadableImageError` for a broken image and any other for an invalid response."""
    assert process.stdin is not None and process.stdout is not None
    header = {"bytes": len(content), "thumbnail": 0, **request}
    process.stdin.write(json.dumps(header).encode() + b"\n" + content)
    process.stdin.flush()
    response = json.loads(process.stdout.readline(_MAX_HEADER_BYTES))
    payload = process.stdout.read(max(0, min(int(response["bytes"]), max_bytes)))
    if "broken" in response:
        raise UnreadableImageError(str(response["broken"]))
    int(response["width"]), int(response["height"])
    return response, payload

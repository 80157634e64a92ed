"""The process that decodes strangers' pictures: little memory, little time, no way to anything.

`python -m fashion_exp.tools.collect.decoder_process` reads requests from its input and answers on
its output, each a line of JSON and then the bytes that it announces. What kills it costs one
picture.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from fashion_exp.data.decode import decode
from fashion_exp.data.table import UnreadableImage

MEMORY = 3 << 29
"""Bytes beyond what the process has when it starts."""
CPU_SECONDS = 20
"""For one picture."""


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers until the input ends."""
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["bytes"])
        _allow_cpu()
        told, thumbnail = _looked_at(content, request)
        answers.write(json.dumps(told | {"bytes": len(thumbnail)}).encode() + b"\n" + thumbnail)
        answers.flush()


def _looked_at(content: bytes, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        pixels = decode(content, request["max_megapixels"])
    except UnreadableImage as error:
        return {"broken": str(error)}, b""
    except MemoryError:
        return {"broken": "needs too much memory"}, b""
    height, width = pixels.shape[:2]
    identity = hashlib.sha256(f"{width}x{height}:".encode())
    identity.update(np.ascontiguousarray(pixels).data)
    told = {"width": width, "height": height, "pixels": identity.hexdigest()}
    return told, _thumbnail(pixels, request["thumbnail"]) if request["thumbnail"] else b""


def _thumbnail(pixels: np.ndarray, edge: int) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((edge, edge))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=80)
    return target.getvalue()


def _confine() -> None:
    """No file can be written or grow, no core is dumped, memory is bounded where Linux says how
    much there is already."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        has = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (has + MEMORY, has + MEMORY))


def _allow_cpu() -> None:
    limit = math.ceil(time.process_time()) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    Image.init()  # plugins are imported now, not when memory is short
    _confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)

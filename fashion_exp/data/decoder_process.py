"""The process that decodes untrusted images with limited memory, CPU time and file access.

`python -m fashion_exp.data.decoder_process` reads requests from stdin and writes responses
to stdout. Each is a line of JSON followed by as many bytes as its key `bytes` states. A crash costs
one image.
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
from fashion_exp.data.geometry import geometry_of, resize
from fashion_exp.data.table import UnreadableImageError

MAX_MEMORY = 3 << 29
"""Bytes beyond the memory in use at the start."""
MAX_CPU_SECONDS = 20
"""For one image."""


def serve(requests: BinaryIO, responses: BinaryIO) -> None:
    """Answers requests until the input ends."""
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["bytes"])
        _reset_cpu_limit()
        properties, pixels = _decode(content, request)
        header = properties | {"bytes": len(pixels)}
        responses.write(json.dumps(header).encode() + b"\n" + pixels)
        responses.flush()


def _decode(content: bytes, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The image's properties, and a thumbnail or the pixels of `request["geometry"]`, if asked."""
    try:
        pixels = decode(content, request["max_megapixels"])
        height, width = pixels.shape[:2]
        if request.get("geometry"):
            resized = resize(pixels, geometry_of(request["geometry"]))
            return {"width": width, "height": height}, resized.tobytes()
    except UnreadableImageError as error:
        return {"broken": str(error)}, b""
    except MemoryError:
        return {"broken": "needs too much memory"}, b""
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    properties = {"width": width, "height": height, "pixels": digest.hexdigest()}
    return properties, _thumbnail(pixels, request["thumbnail"]) if request["thumbnail"] else b""


def _thumbnail(pixels: np.ndarray, size: int) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((size, size))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _restrict() -> None:
    """Forbids writing files and core dumps; limits the memory where /proc states its use."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MAX_MEMORY, used + MAX_MEMORY))


def _reset_cpu_limit() -> None:
    limit = math.ceil(time.process_time()) + MAX_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    Image.init()  # import the plugins now, before memory is limited
    _restrict()
    serve(sys.stdin.buffer, sys.stdout.buffer)

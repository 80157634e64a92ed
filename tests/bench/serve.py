"""Serving: photos per second beside the bare network, latency, and answers under load.

1, 8 and 64 clients send photos one by one; every tenth request is rubbish or too large and must be
refused. The network is a MobileNet with random weights.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.bench.runner import COMMAND, ENVIRONMENT, Figure, run_command

CLIENTS = (1, 8, 64)
MAX_MEGABYTES = 1


@dataclass
class Load:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    """Of each photo that was answered."""
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    """Requests without the answer that they should have."""


def measure(quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder)
        run_command(
            "dataset.per_class=30", "model=timm", "model.name=mobilenetv1_100",
            "model.weights=none", "dataset.image_size=224", "training.epochs=1", "repeats=1",
            "tracking=none", f"outputs={outputs}",
        )  # fmt: skip
        (run,) = (outputs / "runs").iterdir()
        command = [*COMMAND, "serve", str(run), "--port", "0", f"--outputs={outputs}"]
        command += ["--max-megabytes", str(MAX_MEGABYTES)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT
        ) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            try:
                return _figures(server, port, run, seconds=5 if quick else 30)
            finally:
                server.kill()


def _figures(server: subprocess.Popen[str], port: int, run: Path, seconds: float) -> list[Figure]:
    photo = _photo()
    # The decoders start, and the largest batch takes its memory.
    asyncio.run(_load(port, photo, max(CLIENTS), 10))
    before, figures, lost, refused = _memory(server.pid), [], 0, 0
    for clients in CLIENTS:
        load = asyncio.run(_load(port, photo, clients, seconds))
        for problem in load.lost[:3]:
            print(f"{clients} clients: {problem}")
        lost, refused = lost + len(load.lost), refused + load.refused
        quantiles = statistics.quantiles(load.seconds, n=100)
        rate = len(load.seconds) / seconds
        figures += [
            Figure(f"{clients} clients, photos per second", (rate,), "photos/s"),
            Figure(f"{clients} clients, median latency", (quantiles[49],), "s"),
            Figure(f"{clients} clients, 99 % of the latencies", (quantiles[98],), "s"),
        ]
    memory = _memory(server.pid) / before
    drained = asyncio.run(_drain(server, port, photo))
    (file,) = run.glob("serving-*.onnx")
    bare = _bare_rate(file)
    return [
        *figures,
        Figure("the bare session in batches of 32, photos per second", (bare,), "photos/s"),
        Figure("64 clients vs. the bare session", (figures[-3].values[0] / bare,), "×"),
        Figure("answers lost", (float(lost),), "answers", at_most=0),
        Figure("rubbish refused", (float(refused),), "requests"),
        Figure("memory after the load vs. before", (memory,), "×", at_most=1.2),
        Figure("answers to 8 requests in flight at SIGTERM", (drained,), "answers", at_least=8),
    ]


def _photo() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((640, 480)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


async def _load(port: int, photo: bytes, clients: int, seconds: float) -> Load:
    load, end = Load(), time.monotonic() + seconds
    expected = json.loads((await _request(port, photo))[1])["photos"][0]["probabilities"]
    await asyncio.gather(*(_client(port, photo, end, expected, load) for _ in range(clients)))
    return load


async def _client(
    port: int, photo: bytes, end: float, expected: dict[str, float], load: Load
) -> None:
    for number in itertools.count(1):
        if time.monotonic() > end:
            return
        started = time.monotonic()
        is_rubbish = number % 10 == 0
        too_large = bytes(MAX_MEGABYTES * 1_000_000 + 1)
        body = [photo[:300], too_large][number // 10 % 2] if is_rubbish else photo
        try:
            status, answer = await _request(port, body)
            if is_rubbish:
                assert status == (413 if body is too_large else 422), status
                load.refused += 1
                continue
            assert status == 200, (status, answer[:200])
            given = json.loads(answer)["photos"][0]["probabilities"]
            assert all(abs(given[name] - expected[name]) < 1e-4 for name in expected), given
            load.seconds.append(time.monotonic() - started)
        except (OSError, AssertionError, ValueError, LookupError) as error:
            load.lost.append(f"{type(error).__name__}: {error}")


async def _request(port: int, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        if len(body) <= MAX_MEGABYTES * 1_000_000:  # refused by its announced length
            writer.write(body)
        await writer.drain()
        answer = await reader.read()
        status, _, content = answer.partition(b"\r\n\r\n")
        return int(status.split()[1]), content
    finally:
        writer.close()


async def _drain(server: subprocess.Popen[str], port: int, photo: bytes) -> float:
    """How many of 8 requests are answered that the server has received when it gets SIGTERM."""
    requests = [asyncio.create_task(_request(port, photo)) for _ in range(8)]
    await asyncio.sleep(0.05)
    server.send_signal(signal.SIGTERM)
    answers: list[Any] = await asyncio.gather(*requests, return_exceptions=True)
    await asyncio.to_thread(server.wait, 60)
    return float(sum(isinstance(answer, tuple) and answer[0] == 200 for answer in answers))


def _memory(pid: int) -> float:
    """Resident bytes of a process."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4096.0


def _bare_rate(file: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), dtype=np.uint8)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        session.run(["by_model", "features"], {"photos": batch})
        seconds.append(time.perf_counter() - started)
    return 32 / statistics.median(seconds)

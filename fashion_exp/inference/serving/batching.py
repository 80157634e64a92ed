"""Micro-batches: photos of concurrent requests go through the network together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_BATCH = 32
MAX_WAITING = 256
"""Photos that may wait for the network; further ones are refused."""


class BusyError(Exception):
    """Too many photos wait already."""


class Batcher:
    """Collects the photos that wait while the network works on others: no photo waits for more.

    `compute` takes (n, size, size, channels) and returns n results; it runs in a thread.
    """

    def __init__(
        self, compute: Callable[[np.ndarray], list[Any]], on_batch: Callable[[int], object]
    ) -> None:
        self._compute, self._on_batch = compute, on_batch
        self._waiting: asyncio.Queue[tuple[np.ndarray, asyncio.Future[Any]]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    async def __call__(self, image: np.ndarray) -> Any:
        """The result for one image; raises `BusyError`."""
        if self.waiting >= MAX_WAITING:
            raise BusyError
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((image, result))
        return await result

    async def _work(self) -> None:
        """Ends when nothing waits; the next photo starts it again."""
        while not self._waiting.empty():
            count = min(MAX_BATCH, self.waiting)
            batch = [self._waiting.get_nowait() for _ in range(count)]
            self._on_batch(count)
            images = np.stack([image for image, _ in batch])
            try:
                results = await asyncio.to_thread(self._compute, images)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():  # its client has gone
                    future.set_result(result)

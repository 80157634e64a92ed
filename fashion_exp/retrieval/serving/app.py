"""The HTTP interface of the search page."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from fashion_exp.data.isolated_decoder import DecodingTimeoutError
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.inference.serving.app import SECURITY, Limits, receive
from fashion_exp.reporting.photo_page import thumbnail
from fashion_exp.reporting.templates import render
from fashion_exp.retrieval.colors import COLORS, PATTERNS
from fashion_exp.retrieval.photos import SCORE_PREFIXES, read_photo
from fashion_exp.retrieval.search import Results, Searcher

if TYPE_CHECKING:
    from fashion_exp.inference.serving.predictor import Decoders

MAX_LETTERS = 500
"""Of the words of a query."""
MAX_RESULTS = 480
SEARCHES_PER_MINUTE = 120
"""By one address."""
MAX_CHOICES = 30
"""Different texts of an attribute that is a filter."""
_THUMBNAIL_EDGE = 320
_KEPT_THUMBNAILS = 2_000


def build_app(searcher: Searcher, decoders: Decoders, limits: Limits) -> FastAPI:
    service = Service(searcher, decoders, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        decoders.close()

    app = FastAPI(
        title="fashion_exp search", lifespan=lifespan, docs_url=None, redoc_url=None,
        openapi_url=None,
    )  # fmt: skip
    app.middleware("http")(service.secure)
    app.get("/search")(service.by_words)
    app.post("/search")(service.by_photo)
    app.get("/photo/{image_id}")(service.photo)
    app.get("/health")(service.health)
    app.get("/")(service.page)
    return app


class Service:
    def __init__(self, searcher: Searcher, decoders: Decoders, limits: Limits) -> None:
        self._searcher, self._decoders, self._limits = searcher, decoders, limits
        self._recent: OrderedDict[str, deque[float]] = OrderedDict()
        self._thumbnails: OrderedDict[str, bytes] = OrderedDict()
        self._lock = asyncio.Lock()
        index = searcher.index
        self._page = render(
            "search_page.html.j2", name=Path(index.location).name, photos=len(index),
            filters=json.dumps(filters(searcher)).replace("<", "\\u003c"),
        )  # fmt: skip

    async def secure(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers.update(SECURITY)
        return response

    async def by_words(
        self, request: Request, words: str = "", like: str = "", where: str = "", top: int = 96
    ) -> JSONResponse:
        self._limit(request)
        return await self._answer(words, where, top, [like] if like else [], [])

    async def by_photo(
        self, request: Request, words: str = "", where: str = "", top: int = 96
    ) -> JSONResponse:
        self._limit(request)
        photos = await receive(request, self._limits)
        try:
            images = [await self._decoders(content) for _, content in photos[:4]]
        except (UnreadableImageError, DecodingTimeoutError) as error:
            raise HTTPException(422, str(error)) from None
        return await self._answer(words, where, top, [], images)

    async def _answer(
        self, words: str, where: str, top: int, like: list[str], inputs: list[np.ndarray]
    ) -> JSONResponse:
        if len(words) > MAX_LETTERS:
            raise HTTPException(413, f"more than {MAX_LETTERS} letters")

        def search() -> Results:
            everything = None if where or like or inputs or words.strip() else "copies>0"
            query = self._searcher.query(
                text=words, where=where or everything, image_ids=like, inputs=inputs
            )
            return self._searcher.search(query, max(1, min(top, MAX_RESULTS)))

        try:
            async with self._lock:  # the network and the index use all cores already
                results = await asyncio.to_thread(search)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        return JSONResponse(as_json(results))

    async def photo(self, image_id: str) -> Response:
        jpeg = self._thumbnails.get(image_id)
        if jpeg is None:
            file = await asyncio.to_thread(self._file_of, image_id)
            if file is None:
                raise HTTPException(404, "no such photo")
            try:
                pixels = await asyncio.to_thread(read_photo, file)
            except InputError:
                raise HTTPException(410, "the file is gone") from None
            jpeg = await asyncio.to_thread(thumbnail, pixels, _THUMBNAIL_EDGE)
            self._thumbnails[image_id] = jpeg
            if len(self._thumbnails) > _KEPT_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return Response(jpeg, 200, {"Cache-Control": "max-age=3600"}, "image/jpeg")

    def _file_of(self, image_id: str) -> str | None:
        files = self._searcher.index.rows_of("image_id", [image_id], ["file"])["file"].to_pylist()
        return str(files[0]) if files else None

    async def health(self) -> JSONResponse:
        return JSONResponse({"status": "ok", "photos": len(self._searcher.index)})

    async def page(self) -> HTMLResponse:
        return HTMLResponse(self._page)

    def _limit(self, request: Request) -> None:
        """Raises 429 for an address that searches too often."""
        address = request.client.host if request.client else ""
        times, now = self._recent.setdefault(address, deque()), time.monotonic()
        while times and now - times[0] > 60:
            times.popleft()
        if len(times) >= SEARCHES_PER_MINUTE:
            raise HTTPException(429, "too many searches; wait a minute", {"Retry-After": "60"})
        times.append(now)
        if len(self._recent) > 10_000:
            self._recent.popitem(last=False)


def as_json(results: Results) -> dict[str, Any]:
    """What the page shows of each photo, and how the words were read."""
    fixed = {"vector", "file", "group"}
    rows = results.rows.drop(columns=[c for c in results.rows.columns if c in fixed])
    rows = rows[[c for c in rows.columns if not c.startswith(SCORE_PREFIXES)]]
    plain = rows.astype(object).where(rows.notna(), None)
    return {"understood": results.words.sentence, "photos": plain.to_dict("records")}


def filters(searcher: Searcher) -> list[dict[str, Any]]:
    """What photos can be filtered by: {name, kind, choices} or {name, kind, low, high}."""
    index = searcher.index
    columns: list[dict[str, Any]] = []
    if index.about.classes:
        columns.append(
            {"name": "predicted", "kind": "choice", "choices": list(index.about.classes)}
        )
    columns.append({"name": "color", "kind": "color", "choices": list(COLORS)})
    columns.append({"name": "pattern", "kind": "choice", "choices": list(PATTERNS)})
    names = ["folder", *index.about.attributes]
    table = index.rows(names)
    for name in names:
        values = table[name].dropna()
        if values.empty:
            continue
        if values.dtype == float:
            columns.append(
                {"name": name, "kind": "range", "low": values.min(), "high": values.max()}
            )
        elif 1 < values.nunique() <= MAX_CHOICES:
            choices = sorted(values.astype(str).unique())
            columns.append({"name": name, "kind": "choice", "choices": choices})
    return columns

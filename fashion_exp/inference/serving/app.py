"""The HTTP interface of a served run."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fashion_exp.data.isolated_decoder import DecodingTimeoutError
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.inference.serving.batching import MAX_BATCH, Batcher, BusyError
from fashion_exp.reporting.formats import with_limits
from fashion_exp.reporting.templates import render

if TYPE_CHECKING:
    from fashion_exp.inference.serving.predictor import Decoders, Predictor

MAX_PHOTOS = 64
"""In one request."""
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "connect-src 'self'; img-src 'self' blob: data:; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Limits:
    max_bytes: int
    """Of a request's body."""
    seconds: float
    """For receiving a request's body."""


def build_app(predictor: Predictor, decoders: Decoders, limits: Limits) -> FastAPI:
    service = Service(predictor, decoders, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        decoders.close()

    app = FastAPI(
        title="fashion_exp", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.middleware("http")(service.count)
    for path in ("/predict", "/explain", "/similar"):
        app.post(path)(getattr(service, path[1:]))
    for path in ("/health", "/model", "/metrics"):
        app.get(path)(getattr(service, path[1:]))
    app.get("/photo/{image_id}")(service.photo)
    app.get("/")(service.index)
    return app


class Service:
    """The routes; each method answers the path of its name."""

    def __init__(self, predictor: Predictor, decoders: Decoders, limits: Limits) -> None:
        self._predictor, self._decoders, self._limits = predictor, decoders, limits
        self._metrics = Metrics()
        self._batcher = Batcher(predictor, self._metrics.batch_size.observe)
        self._metrics.waiting.set_function(lambda: self._batcher.waiting)
        result = predictor.run.result
        part = "test" if result.test_evaluations else "validation"
        interval = result.summary(part).accuracy
        assert interval.estimate is not None
        accuracy = with_limits(interval.estimate, interval.low, interval.high)
        of_refit = "Of the run that it repeats: " if predictor.run.is_refit else ""
        name, model = predictor.run.run.path.name, predictor.run.config.model.name
        self._page = render(
            "serve_page.html.j2", name=name if model in name else f"{model} {name}",
            classes=", ".join(predictor.run.classes), models=len(predictor.names),
            accuracy=f"{of_refit}{part} accuracy {accuracy}, {100 * interval.level:g} % interval",
        )  # fmt: skip

    async def count(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Middleware: counts every answer and adds the headers."""
        started = time.perf_counter()
        response = await call_next(request)
        path = getattr(request.scope.get("route"), "path", "other")
        self._metrics.requests.labels(path, str(response.status_code)).inc()
        self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
        response.headers.update(SECURITY)
        return response

    async def _read(self, content: bytes) -> tuple[np.ndarray, Any]:
        """The decoded image, and what the network answers."""
        image = await self._decoders(content)
        return image, await self._batcher(image)

    async def _single(self, request: Request) -> tuple[np.ndarray, Any]:
        photos = await receive(request, self._limits)
        if len(photos) != 1:
            raise HTTPException(400, "send one photo")
        try:
            return await self._read(photos[0][1])
        except (UnreadableImageError, DecodingTimeoutError) as error:
            raise HTTPException(422, str(error)) from None
        except BusyError:
            raise busy() from None

    async def predict(self, request: Request) -> JSONResponse:
        photos = await receive(request, self._limits)
        tasks = [self._read(content) for _, content in photos]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        rows = []
        for (name, _), answer in zip(photos, answers, strict=True):
            match answer:
                case UnreadableImageError() | DecodingTimeoutError():
                    rows.append({"name": name, "error": str(answer)})
                case BusyError():
                    raise busy()
                case BaseException():
                    raise answer
                case _, (row, _):
                    rows.append({"name": name, **row})
        failed = sum("error" in row for row in rows)
        self._metrics.photos.labels("read").inc(len(rows) - failed)
        self._metrics.photos.labels("unreadable").inc(failed)
        content = {"run": self._predictor.run.run.path.name, "photos": rows}
        return JSONResponse(content, 422 if failed == len(rows) else 200)

    async def explain(self, request: Request) -> Response:
        image, _ = await self._single(request)
        try:
            png = await asyncio.to_thread(self._predictor.heat_map, image)
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        return Response(png, media_type="image/png")

    async def similar(self, request: Request) -> JSONResponse:
        _, (_, features) = await self._single(request)
        return JSONResponse({"photos": self._predictor.similar(features)})

    async def photo(self, image_id: str) -> Response:
        jpeg = await asyncio.to_thread(self._predictor.thumbnail, image_id)
        if jpeg is None:
            raise HTTPException(404, "no such photo")
        return Response(jpeg, 200, {"Cache-Control": "max-age=3600"}, "image/jpeg")

    async def health(self) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def model(self) -> JSONResponse:
        card = await asyncio.to_thread(lambda: self._predictor.card)
        return JSONResponse({**describe(self._predictor), "card": card})

    async def metrics(self) -> Response:
        content = generate_latest(self._metrics.registry)
        return Response(content, media_type="text/plain; version=0.0.4")

    async def index(self) -> HTMLResponse:
        return HTMLResponse(self._page)


def describe(predictor: Predictor) -> dict[str, Any]:
    """The metadata of the served file, with JSON texts as values."""
    structured = ("classes", "models", "temperatures", "preprocessing")
    about = predictor.about
    return {
        "name": predictor.run.result.name,
        **{key: json.loads(v) if key in structured else v for key, v in about.items()},
    }


class Metrics:
    """In Prometheus' format, of this service alone."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "requests", "Requests by path and status.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "request_seconds", "Time to answer.", ["path"], registry=self.registry
        )
        self.photos = Counter("photos", "Photos by outcome.", ["outcome"], registry=self.registry)
        self.batch_size = Histogram(
            "batch_photos", "Photos per forward pass.", registry=self.registry,
            buckets=[2**power for power in range(MAX_BATCH.bit_length())],
        )  # fmt: skip
        self.waiting = Gauge("waiting_photos", "Photos that wait.", registry=self.registry)


def busy() -> HTTPException:
    return HTTPException(503, "too many photos wait; try again", {"Retry-After": "1"})


async def receive(request: Request, limits: Limits) -> list[tuple[str, bytes]]:
    """Names and contents of the photos of a request.

    They are the files of a form, the base64 texts of {"photos": […]}, or the whole body if its type
    is image/…. Raises `HTTPException` for anything else, and for too many bytes or seconds.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if int(request.headers.get("content-length") or 0) > limits.max_bytes:
        raise too_large(limits)
    try:
        async with asyncio.timeout(limits.seconds):
            body = await read_body(request, limits)
            if kind == "multipart/form-data":
                photos = await form_files(request, body)
            elif kind == "application/json":
                photos = json_photos(body)
            elif kind.startswith("image/") or kind == "application/octet-stream":
                photos = [("photo", body)]
            else:
                raise HTTPException(
                    415, "send multipart/form-data, application/json or image/… (a photo)"
                )
    except TimeoutError:
        raise HTTPException(408, f"not received within {limits.seconds:g} s") from None
    if not 1 <= len(photos) <= MAX_PHOTOS:
        raise HTTPException(400, f"{len(photos)} photos; send 1 to {MAX_PHOTOS}")
    return photos


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body, whatever length it announces."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.max_bytes:
            raise too_large(limits)
    return bytes(body)


async def form_files(request: Request, body: bytes) -> list[tuple[str, bytes]]:
    async def replay() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await Request(request.scope, replay).form(
        max_files=MAX_PHOTOS, max_fields=MAX_PHOTOS, max_part_size=1 << 16
    )
    try:
        return [
            (value.filename or name, await value.read())
            for name, value in form.multi_items()
            if not isinstance(value, str)
        ]
    finally:
        await form.close()


def json_photos(body: bytes) -> list[tuple[str, bytes]]:
    expected = '{"photos": ["base64 of a file", …]}'
    try:
        photos = json.loads(body)["photos"]
        texts = [photo.partition("base64,")[2] or photo for photo in photos]
        return [
            (str(number), base64.b64decode(text, validate=True))
            for number, text in enumerate(texts)
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise HTTPException(400, f"not of the form {expected}") from None


def too_large(limits: Limits) -> HTTPException:
    return HTTPException(413, f"more than {limits.max_bytes / 1e6:g} MB")

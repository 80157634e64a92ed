"""A web server on 127.0.0.1 with images, an Openverse API and misbehaving paths."""

from __future__ import annotations

import gzip
import io
import json
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

Reply = Callable[[BaseHTTPRequestHandler], None]


def jpeg(seed: int, size: int = 24) -> bytes:
    """A distinct image for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def png_with_size(width: int, height: int) -> bytes:
    """A tiny PNG file whose header states another size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:29] = header
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


class FakeSite:
    """The replies by path, the search results by query, and a record of all requests."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.replies: dict[str, Reply] = {}
        self.search_reply: Reply = self._search
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.requests: Counter[str] = Counter()
        self.request_headers: list[tuple[str, dict[str, str]]] = []

    def add_file(
        self, path: str, content: bytes, content_type: str = "image/jpeg", **headers: str
    ) -> str:
        """Serves a file; returns its URL."""
        self.replies[path] = lambda handler: send(handler, content, content_type, **headers)
        return self.address + path

    def add_results(self, query: str, *urls: str) -> None:
        """Appends images to the search results of a query."""
        for url in urls:
            self.results.setdefault(query, []).append(
                {
                    "url": url,
                    "foreign_landing_url": f"{url}.html",
                    "title": f"a {query}",
                    "creator": "=Ada",
                    "creator_url": "javascript:alert(1)",
                    "license": "by-sa",
                    "license_version": "2.0",
                    "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
                    "attribution": f"a {query} by Ada",
                }
            )

    def image_requests(self) -> Counter[str]:
        """The number of requests by image path."""
        return Counter({p: n for p, n in self.requests.items() if p.startswith("/photos")})

    def _search(self, handler: BaseHTTPRequestHandler) -> None:
        parameters = {
            key: values[0] for key, values in parse_qs(urlsplit(handler.path).query).items()
        }
        results = self.results.get(parameters["q"], [])
        size, page = int(parameters["page_size"]), int(parameters["page"])
        response = {
            "result_count": len(results),
            "page_count": -(-len(results) // size),
            "results": results[(page - 1) * size : page * size],
        }
        send(handler, json.dumps(response).encode(), "application/json")


def send(
    handler: BaseHTTPRequestHandler, content: bytes, content_type: str, **headers: str
) -> None:
    """Sends a valid response; `_` in a header's name stands for "-"."""
    handler.send_response(200)
    defaults = {"Content-Type": content_type, "Content-Length": str(len(content))}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in (defaults | named).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def status(code: int, **headers: str) -> Reply:
    """A reply without a body."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


def _send_slowly(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    with suppress(OSError):
        for byte in content:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.02)


def _slow_headers(handler: BaseHTTPRequestHandler) -> None:
    _send_slowly(
        handler, b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nX-Long: " + b"x" * 10_000
    )


def _slow_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.end_headers()
    _send_slowly(handler, jpeg(0) * 100)


def _endless_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b"10000\r\n" + b"\xff\xd8\xff\xe0" * 0x4000 + b"\r\n")


GZIP_BOMB = gzip.compress(bytes(1 << 24), 1)


def add_misbehaving_paths(site: FakeSite) -> None:
    image = jpeg(0)
    add_file = site.add_file
    add_file("/bad/truncated", image[: len(image) // 2])
    add_file("/bad/html", b"<html><body>not here</body></html>")
    add_file("/bad/declared-html", b"<html></html>", "text/html")
    add_file("/bad/png-as-jpeg", png_with_size(2, 2))
    add_file("/bad/bomb", GZIP_BOMB, Content_Encoding="gzip")
    add_file("/bad/pixel-bomb", png_with_size(30_000, 30_000), "image/png")
    add_file("/bad/large", image + bytes(1 << 20))
    add_file("/bad/too-much-declared", image, Content_Length=str(1 << 40))
    add_file("/bad/more-declared", image, Content_Length=str(len(image) + 10))
    add_file("/bad/less-declared", image, Content_Length=str(len(image) - 300))
    add_file("/bad/noai", image, X_Robots_Tag="noai, noimageai")
    add_file("/bad/noai-for-us", image, X_Robots_Tag="otherbot: noindex, fashion_exp: noimageai")
    add_file("/private/photo.jpg", image)
    add_file("/robots.txt", b"User-agent: *\nDisallow: /private/\n", "text/plain")
    site.replies |= {
        "/bad/slow-headers": _slow_headers,
        "/bad/slow-body": _slow_body,
        "/bad/endless": _endless_body,
        "/bad/gone": status(404),
        "/bad/broken": status(500),
        "/bad/loop": status(302, Location="/bad/loop"),
        "/bad/metadata": status(302, Location="http://169.254.169.254/latest/meta-data/"),
        "/bad/neighbor": status(302, Location="http://127.0.0.2:1/"),
        "/bad/file": status(302, Location="file:///etc/passwd"),
        "/bad/nowhere": status(302),
        "/bad/nonsense": status(302, Location="http://[/"),
        "/bad/to-private": status(302, Location="/private/photo.jpg"),
    }


@contextmanager
def running_site() -> Iterator[FakeSite]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            site.requests[path] += 1
            headers = {name.casefold(): value for name, value in self.headers.items()}
            site.request_headers.append((path, headers))
            is_search = path == "/v1/images/"
            reply = site.search_reply if is_search else site.replies.get(path, status(404))
            with suppress(OSError):
                reply(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = FakeSite(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

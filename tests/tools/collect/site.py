"""A web server on 127.0.0.1 that has pictures, an Openverse, and every bad habit."""

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
    """A picture of its own for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG")
    return target.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A few bytes that claim to be very many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    target = io.BytesIO()
    Image.new("RGB", (1, 1)).save(target, "PNG")
    content = bytearray(target.getvalue())
    content[16:29] = header
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


class Site:
    """Knows what each path answers, what was found for each query, and who asked for what."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.replies: dict[str, Reply] = {}
        self.found: dict[str, list[dict[str, Any]]] = {}
        self.asked: Counter[str] = Counter()
        self.headers: list[tuple[str, dict[str, str]]] = []

    def picture(self, path: str, content: bytes, kind: str = "image/jpeg", **more: str) -> str:
        """The address of a file that is served as it should be."""
        self.replies[path] = lambda handler: send(handler, content, kind, **more)
        return self.address + path

    def offer(self, query: str, *addresses: str) -> None:
        """Lets the Openverse of this site find them, in this order."""
        for url in addresses:
            self.found.setdefault(query, []).append(
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

    def search(self, handler: BaseHTTPRequestHandler) -> None:
        asked = {key: value[0] for key, value in parse_qs(urlsplit(handler.path).query).items()}
        results, size, page = (
            self.found.get(asked["q"], []), int(asked["page_size"]), int(asked["page"]),
        )  # fmt: skip
        told = {
            "result_count": len(results),
            "page_count": -(-len(results) // size),
            "results": results[(page - 1) * size : page * size],
        }
        send(handler, json.dumps(told).encode(), "application/json")

    def pictures_asked(self) -> Counter[str]:
        """How often each picture was asked for."""
        return Counter({p: n for p, n in self.asked.items() if p.startswith("/photos")})


def send(handler: BaseHTTPRequestHandler, content: bytes, kind: str, **headers: str) -> None:
    """A sound answer; `_` in a header's name stands for "-"."""
    handler.send_response(200)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in (
        {"Content-Type": kind, "Content-Length": str(len(content))} | named
    ).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def status(code: int, **headers: str) -> Reply:
    """An answer without a body."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for as long as anyone listens: of the headers, then of the body."""
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nX-Long: " + b"x" * 10_000:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.02)


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    """The same, after headers as they should be, without a length."""
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.end_headers()
    with suppress(OSError):
        for byte in jpeg(0) * 100:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.02)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body that does not end, in chunks."""
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b"10000\r\n" + b"\xff\xd8\xff\xe0" * 0x4000 + b"\r\n")


def spoil(site: Site) -> None:
    """The bad habits, each below a path that names it."""
    good = jpeg(0)
    bomb = gzip.compress(bytes(1 << 24))
    picture = site.picture
    picture("/bad/truncated", good[: len(good) // 2])
    picture("/bad/html", b"<html><body>not here</body></html>")
    picture("/bad/html-told", b"<html></html>", "text/html")
    picture("/bad/png-as-jpeg", huge_png(2, 2))
    picture("/bad/bomb", bomb, Content_Encoding="gzip")
    picture("/bad/pixel-bomb", huge_png(30_000, 30_000), "image/png")
    picture("/bad/large", good + bytes(1 << 20))
    picture("/bad/too-much-declared", good, Content_Length=str(1 << 40))
    picture("/bad/more-declared", good, Content_Length=str(len(good) + 10))
    picture("/bad/less-declared", good, Content_Length=str(len(good) - 300))
    picture("/bad/noai", good, X_Robots_Tag="noai, noimageai")
    picture("/bad/noai-for-us", good, X_Robots_Tag="otherbot: noindex, fashion_exp: noimageai")
    picture("/private/photo.jpg", good)
    picture("/robots.txt", b"User-agent: *\nDisallow: /private/\n", "text/plain")
    site.replies |= {
        "/bad/drip": drip,
        "/bad/dripping-body": dripping_body,
        "/bad/endless": endless,
        "/bad/gone": status(404),
        "/bad/broken": status(500),
        "/bad/loop": status(302, Location="/bad/loop"),
        "/bad/metadata": status(302, Location="http://169.254.169.254/latest/meta-data/"),
        "/bad/neighbour": status(302, Location="http://127.0.0.2:1/"),
        "/bad/file": status(302, Location="file:///etc/passwd"),
        "/bad/nowhere": status(302),
        "/bad/nonsense": status(302, Location="http://[/"),
        "/bad/to-private": status(302, Location="/private/photo.jpg"),
    }


@contextmanager
def serving() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            site.asked[path] += 1
            site.headers.append((path, {name.casefold(): v for name, v in self.headers.items()}))
            reply = site.search if path == "/v1/images/" else site.replies.get(path, status(404))
            with suppress(OSError):
                reply(self)

        def log_message(self, *told: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

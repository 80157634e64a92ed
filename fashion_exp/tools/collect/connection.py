"""One request to one checked address, over before its deadline whatever the other side does."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util import Url

from fashion_exp.tools.collect.rejections import Postponed, TooLarge
from fashion_exp.tools.collect.url_guard import PORTS, bare_host, port

_FAILURES = (OSError, HTTPError, http.client.HTTPException, ValueError)
"""What a connection that is cut, or an answer that is no HTTP, can raise. TLS's are OSErrors."""
_CHUNK = 1 << 16


class Deadline:
    """So many seconds for all transfers of one file; waits in between are not counted."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.left = seconds
        self.passed = False

    @contextmanager
    def watching(self, connection: socket.socket) -> Iterator[None]:
        """Shuts the connection down when the time is over: a slow drip resets every timeout of
        the socket's own."""
        began = time.monotonic()
        watch = threading.Timer(max(self.left, 0.001), self._end, [connection])
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()
            self.left -= time.monotonic() - began

    def _end(self, connection: socket.socket) -> None:
        self.passed = True
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def answer(
    url: Url,
    addresses: Sequence[str],
    headers: Mapping[str, str],
    deadline: Deadline,
    context: ssl.SSLContext,
) -> Iterator[HTTPResponse]:
    """The answer to a GET, its body unread. `addresses`: the checked ones, tried in their order.

    Host header and TLS name are the link's, whatever address is connected to. No proxy is asked.
    Raises `Postponed` for whatever goes wrong on the way.
    """
    connection = None
    try:
        connection = _connected(url, addresses, deadline, context)
        assert connection.sock is not None
        with deadline.watching(connection.sock):
            host = url.host if url.port in (None, PORTS[str(url.scheme)]) else url.netloc
            connection.request(
                "GET", url.request_uri, headers={"Host": str(host), **headers},
                preload_content=False, decode_content=False,
            )  # fmt: skip
            response = connection.getresponse()
            with closing(response):  # or its socket stays open with what was left unread
                yield response
    except _FAILURES as error:
        if deadline.passed:
            raise Postponed(
                "too slow", f"{url.host} took longer than {deadline.seconds:g} s"
            ) from error
        if isinstance(error.__cause__ or error, http.client.IncompleteRead):
            raise Postponed("cut short", f"{url.host} sent less than it declared") from error
        raise Postponed("unreachable", f"{url.host}: {_short(error)}") from error
    finally:
        if connection is not None:
            connection.close()


def body(response: HTTPResponse, most: int, deadline: Deadline) -> bytes:
    """All of the body. Raises `TooLarge` if it is declared or turns out larger than `most` bytes,
    `Postponed` if it does not come whole."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > most:
        raise TooLarge(most, f"declared as {int(declared):,} bytes, more than {most:,}")
    parts, size = [], 0
    while part := response.read1(_CHUNK, decode_content=False):
        size += len(part)
        if size > most:
            raise TooLarge(most)
        parts.append(part)
    if deadline.passed:
        raise Postponed("too slow", f"took longer than {deadline.seconds:g} s")
    return b"".join(parts)


def _connected(
    url: Url, addresses: Sequence[str], deadline: Deadline, context: ssl.SSLContext
) -> HTTPConnection:
    failed: Exception | None = None
    for address in addresses:
        began = time.monotonic()
        timeout = max(deadline.left, 0.001)
        if url.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                address, port(url), timeout=timeout, server_hostname=bare_host(url),
                ssl_context=context,
            )  # fmt: skip
        else:
            connection = HTTPConnection(address, port(url), timeout=timeout)
        try:
            connection.connect()
            return connection
        except _FAILURES as error:
            connection.close()
            failed = error
        finally:
            deadline.left -= time.monotonic() - began
    assert failed is not None
    raise failed


def _short(error: Exception) -> str:
    """Of urllib3's messages the end; before it stands the connection as an object."""
    return str(error).rpartition(": ")[2] or type(error).__name__

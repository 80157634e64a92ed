"""One HTTP request to a checked address within a time budget."""

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
from fashion_exp.tools.collect.url_guard import DEFAULT_PORTS, host_name, port

_CONNECTION_ERRORS = (OSError, HTTPError, http.client.HTTPException, ValueError)
"""Raised by broken connections and invalid HTTP; TLS errors are OSErrors."""
_CHUNK_BYTES = 1 << 16


class TimeBudget:
    """Seconds for all transfers of one file; pauses between them do not count."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.remaining = seconds
        self.is_exceeded = False

    @contextmanager
    def enforce(self, connection: socket.socket) -> Iterator[None]:
        """Shuts the connection down when the budget is spent.

        Socket timeouts are not enough: each received byte restarts them.
        """
        start = time.monotonic()
        timer = threading.Timer(max(self.remaining, 0.001), self._shut_down, [connection])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self.remaining -= time.monotonic() - start

    def _shut_down(self, connection: socket.socket) -> None:
        self.is_exceeded = True
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_response(
    url: Url,
    addresses: Sequence[str],
    headers: Mapping[str, str],
    budget: TimeBudget,
    context: ssl.SSLContext,
) -> Iterator[HTTPResponse]:
    """The response to a GET request with an unread body.

    Tries `addresses` in order. Host header and TLS name come from the URL. Ignores proxies.
    Raises `Postponed` for every connection error.
    """
    connection = None
    try:
        connection = _connect(url, addresses, budget, context)
        assert connection.sock is not None
        with budget.enforce(connection.sock):
            is_default_port = url.port in (None, DEFAULT_PORTS[str(url.scheme)])
            host = url.host if is_default_port else url.netloc
            connection.request(
                "GET", url.request_uri, headers={"Host": str(host), **headers},
                preload_content=False, decode_content=False,
            )  # fmt: skip
            response = connection.getresponse()
            with closing(response):  # an unread body would keep the socket open
                yield response
    except _CONNECTION_ERRORS as error:
        if budget.is_exceeded:
            raise Postponed(
                "too slow", f"{url.host} took longer than {budget.seconds:g} s"
            ) from error
        if isinstance(error.__cause__ or error, http.client.IncompleteRead):
            raise Postponed("cut short", f"{url.host} sent less than it declared") from error
        # urllib3's messages begin with the repr of the connection.
        message = str(error).rpartition(": ")[2] or type(error).__name__
        raise Postponed("unreachable", f"{url.host}: {message}") from error
    finally:
        if connection is not None:
            connection.close()


def read_body(response: HTTPResponse, max_bytes: int, budget: TimeBudget) -> bytes:
    """The whole body.

    Raises `TooLarge` if its declared or actual size exceeds `max_bytes`, and `Postponed` if the
    time budget ends the transfer.
    """
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge(max_bytes, f"declared as {int(declared):,} bytes, more than {max_bytes:,}")
    chunks, size = [], 0
    while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(max_bytes)
        chunks.append(chunk)
    if budget.is_exceeded:
        raise Postponed("too slow", f"took longer than {budget.seconds:g} s")
    return b"".join(chunks)


def _connect(
    url: Url, addresses: Sequence[str], budget: TimeBudget, context: ssl.SSLContext
) -> HTTPConnection:
    last_error: Exception | None = None
    for address in addresses:
        start = time.monotonic()
        timeout = max(budget.remaining, 0.001)
        if url.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                address, port(url), timeout=timeout, server_hostname=host_name(url),
                ssl_context=context,
            )  # fmt: skip
        else:
            connection = HTTPConnection(address, port(url), timeout=timeout)
        try:
            connection.connect()
            return connection
        except _CONNECTION_ERRORS as error:
            connection.close()
            last_error = error
        finally:
            budget.remaining -= time.monotonic() - start
    assert last_error is not None
    raise last_error

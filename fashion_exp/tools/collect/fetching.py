"""A stranger's file, fetched politely and without trust; redirects are new questions."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urljoin

from urllib3.response import HTTPResponse
from urllib3.util import Url

from fashion_exp.tools.collect.connection import Deadline, answer, body
from fashion_exp.tools.collect.formats import ACCEPT
from fashion_exp.tools.collect.rate_limit import BUSY, Pace
from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.robots import AGENT, LARGEST, Robots, opted_out
from fashion_exp.tools.collect.url_guard import Guard, origin, parsed

REDIRECTS = 5
TRIES = 3
"""Requests for one file in one run, if its host was busy."""
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Fetched:
    url: str
    """Where it came from in the end."""
    content_type: str
    content: bytes


def user_agent(contact: str) -> str:
    """Who we are, what we do, and whom to tell if that is unwanted."""
    purpose = "collects pictures to train image classifiers"
    told = f"; contact: {contact}" if contact else ""
    return f"{AGENT}/{version(AGENT)} ({purpose}{told})"


class Fetcher:
    """Fetches one file at a time. `seconds`: for all transfers of one file; `contact`: a mail or
    web address for those whose servers are asked."""

    def __init__(
        self,
        guard: Guard,
        pace: Pace,
        seconds: float,
        contact: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._pace = pace
        self._seconds = seconds
        self._context = context or ssl.create_default_context()
        self._robots = Robots(self._robots_txt, pace.slow)
        self._headers = {"User-Agent": user_agent(contact), "Accept-Encoding": "identity"}

    def get(
        self,
        address: str,
        most: int,
        accept: str = "*/*",
        secret: Mapping[str, str] | None = None,
        ask_robots: bool = True,
    ) -> Fetched:
        """The file at an address, at most so many bytes.

        `secret` headers go to the address's own site and to no other. What is made for programs
        need not `ask_robots`, which is asking X-Robots-Tag too. Raises `Rejected` and
        `Postponed`; a busy host is waited for, as long as the pace allows.
        """
        for trial in range(TRIES):
            try:
                return self._get(address, most, {"Accept": accept}, secret or {}, ask_robots)
            except Postponed as later:
                if not later.retry or trial == TRIES - 1:
                    raise
        raise AssertionError("the last try returns or raises")

    def picture(self, address: str, most: int) -> tuple[bytes, str]:
        """The bytes and the content type of what should be a picture; raises as `get`."""
        fetched = self.get(address, most, ACCEPT)
        return fetched.content, fetched.content_type

    def _get(
        self,
        address: str,
        most: int,
        headers: Mapping[str, str],
        secret: Mapping[str, str],
        ask_robots: bool,
    ) -> Fetched:
        deadline = Deadline(self._seconds)
        url = first = parsed(address)
        for _ in range(REDIRECTS + 1):
            # Checked before anything is asked there, and connected to nothing else.
            addresses = self._addresses(url, url is first)
            if ask_robots:
                self._robots.check(url)
            self._pace.wait(str(url.host))
            own = secret if origin(url) == origin(first) else {}
            sent = {**self._headers, **headers, **own}
            with answer(url, addresses, sent, deadline, self._context) as response:
                self._pace.heed(str(url.host), response.status, response.headers)
                if ask_robots:
                    _respect(url, response)
                if response.status not in _MOVED:
                    _check(url, response)
                    content = body(response, most, deadline)
                    return Fetched(url.url, response.headers.get("Content-Type", ""), content)
                url = _next(url, response)
        raise Rejected("redirects", f"more than {REDIRECTS} redirects")

    def _addresses(self, url: Url, asked_for: bool) -> list[str]:
        try:
            return self._guard.addresses(url)
        except Rejected as no:
            if not asked_for:
                raise
            # The next line may allow it; of what a redirect leads to that cannot be said.
            raise Postponed(no.kind, f"{no}; if it is yours, --allow-address") from no

    def _robots_txt(self, address: str) -> bytes:
        return self.get(address, LARGEST, ask_robots=False).content


def _next(url: Url, response: HTTPResponse) -> Url:
    location = response.headers.get("Location")
    if not location:
        raise Rejected("redirects", f"{url.host} redirects to nowhere")
    try:
        return parsed(urljoin(url.url, location))
    except ValueError as error:
        raise Rejected("redirects", f"{url.host} redirects to '{location}'") from error


def _respect(url: Url, response: HTTPResponse) -> None:
    if (rule := opted_out(response.headers.getlist("X-Robots-Tag"))) is not None:
        raise Rejected("opted out", f"{url.host} says {rule} (X-Robots-Tag)")


def _check(url: Url, response: HTTPResponse) -> None:
    status = response.status
    if status in BUSY:
        raise Postponed("busy", f"{url.host} is busy (status {status})", retry=True)
    if status >= 500 or status == 408:
        raise Postponed("server error", f"{url.host} fails (status {status})")
    if status != 200:
        raise Rejected("refused by the server", f"{url.host} answers with status {status}")
    encoding = response.headers.get("Content-Encoding", "identity").strip().casefold()
    if encoding not in ("", "identity"):
        raise Rejected("encoded", f"sent as {encoding}, although identity was asked for")

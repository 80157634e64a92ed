"""Downloads files from untrusted servers: rate limits, robots.txt, redirects and size limits."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib.metadata import version
from urllib.parse import urljoin

from urllib3.response import HTTPResponse
from urllib3.util import Url

from fashion_exp.tools.collect.connection import TimeBudget, open_response, read_body
from fashion_exp.tools.collect.rate_limit import BUSY_STATUSES, RateLimiter
from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.robots import AGENT, MAX_ROBOTS_BYTES, RobotsPolicy, training_opt_out
from fashion_exp.tools.collect.url_guard import UrlGuard, origin, parse_web_url

MAX_REDIRECTS = 5
MAX_ATTEMPTS = 3
"""Requests for one file per run if its host is busy."""
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)


class Fetcher:
    """Downloads one file at a time.

    `seconds`: time limit for all transfers of one file. `contact`: an e-mail or web address that
    the User-Agent header states.
    """

    def __init__(
        self,
        guard: UrlGuard,
        limiter: RateLimiter,
        seconds: float,
        contact: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._limiter = limiter
        self._seconds = seconds
        self._context = context or ssl.create_default_context()
        self._robots = RobotsPolicy(self._read_robots_txt, limiter.set_interval)
        contact_note = f"; contact: {contact}" if contact else ""
        purpose = "collects images to train image classifiers"
        self._headers = {
            "User-Agent": f"{AGENT}/{version(AGENT)} ({purpose}{contact_note})",
            "Accept-Encoding": "identity",
        }

    def get(
        self,
        address: str,
        max_bytes: int,
        accept: str = "*/*",
        secret_headers: Mapping[str, str] | None = None,
        obey_robots: bool = True,
    ) -> tuple[bytes, str]:
        """The content and the declared content type of a file of at most `max_bytes`.

        Follows redirects, but sends `secret_headers` to the origin of `address` only. Retries a
        busy host within the rate limiter's maximum wait. `obey_robots=False` ignores robots.txt and
        X-Robots-Tag; use it for APIs only. Raises `Rejected` and `Postponed`.
        """
        headers = {**self._headers, "Accept": accept}
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._get_once(
                    address, max_bytes, headers, secret_headers or {}, obey_robots
                )
            except Postponed as error:
                if not error.retry or attempt == MAX_ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _get_once(
        self,
        address: str,
        max_bytes: int,
        headers: Mapping[str, str],
        secret_headers: Mapping[str, str],
        obey_robots: bool,
    ) -> tuple[bytes, str]:
        budget = TimeBudget(self._seconds)
        url = first_url = parse_web_url(address)
        for _ in range(MAX_REDIRECTS + 1):
            # Check the addresses before any request to the host, and connect to no other.
            addresses = self._checked_addresses(url, is_redirect=url is not first_url)
            if obey_robots:
                self._robots.check(url)
            self._limiter.wait(str(url.host))
            secrets = secret_headers if origin(url) == origin(first_url) else {}
            sent = {**headers, **secrets}
            with open_response(url, addresses, sent, budget, self._context) as response:
                self._limiter.update(str(url.host), response.status, response.headers)
                if obey_robots:
                    _check_opt_out(url, response)
                if response.status not in _REDIRECT_STATUSES:
                    _check_success(url, response)
                    content = read_body(response, max_bytes, budget)
                    return content, response.headers.get("Content-Type", "")
                url = _redirect_target(url, response)
        raise Rejected("redirects", f"more than {MAX_REDIRECTS} redirects")

    def _checked_addresses(self, url: Url, is_redirect: bool) -> list[str]:
        try:
            return self._guard.addresses(url)
        except Rejected as error:
            if is_redirect:
                raise
            # The next run may allow the address of a candidate, but not that of a redirect.
            raise Postponed(
                error.kind, f"{error}; if the server is yours, add --allow-address"
            ) from error

    def _read_robots_txt(self, address: str) -> bytes:
        return self.get(address, MAX_ROBOTS_BYTES, obey_robots=False)[0]


def _redirect_target(url: Url, response: HTTPResponse) -> Url:
    location = response.headers.get("Location")
    if not location:
        raise Rejected("redirects", f"{url.host} redirects without a location")
    try:
        return parse_web_url(urljoin(url.url, location))
    except ValueError as error:
        raise Rejected("redirects", f"{url.host} redirects to '{location}'") from error


def _check_opt_out(url: Url, response: HTTPResponse) -> None:
    if (rule := training_opt_out(response.headers.getlist("X-Robots-Tag"))) is not None:
        raise Rejected("opted out", f"{url.host} states {rule} (X-Robots-Tag)")


def _check_success(url: Url, response: HTTPResponse) -> None:
    status = response.status
    if status in BUSY_STATUSES:
        raise Postponed("busy", f"{url.host} is busy (status {status})", retry=True)
    if status >= 500 or status == 408:
        raise Postponed("server error", f"{url.host} failed (status {status})")
    if status != 200:
        raise Rejected("refused by the server", f"{url.host} returned status {status}")
    encoding = response.headers.get("Content-Encoding", "identity").strip().casefold()
    if encoding not in ("", "identity"):
        raise Rejected("encoded", f"sent as {encoding} although identity was requested")

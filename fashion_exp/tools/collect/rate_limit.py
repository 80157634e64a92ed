"""How fast a host is asked: never faster than it likes, by what its answers say of that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from fashion_exp.reporting.formats import duration
from fashion_exp.tools.collect.rejections import Postponed

BUSY = (429, 503)
"""Status codes of a host that wants to be left alone for a while."""
WITHOUT_WORD = 30.0
"""Seconds that a busy host is left alone if it does not say how long."""
_EPOCH_FROM = 1e9
"""A reset later than this many seconds is a date: no window lasts for decades."""
_LONG = 5.0
"""Seconds from which on a wait is told."""
_LONGEST = 30 * 86400.0
"""Seconds; a host that wants more, or infinity, gets as much as no."""
_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Pace:
    """Remembers of each host when it may be asked again.

    `seconds` between two requests to one host; `patience`: the longest wait, in seconds; `tell` is
    given a sentence before a wait that a user would wonder at.
    """

    def __init__(
        self,
        seconds: float,
        patience: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._seconds = seconds
        self._patience = patience
        self._now, self._sleep, self._clock, self._tell = now, sleep, clock, tell
        self._free: dict[str, float] = {}
        self._between: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Until the host may be asked. Raises `Postponed` at once where that is too long."""
        left = self._free.get(host, 0.0) - self._now()
        if left > self._patience:
            raise Postponed("busy", f"{host} asks to be left alone for {duration(left)}")
        if left > max(_LONG, self._between.get(host, self._seconds)):
            self._tell(f"{host} asks for a pause of {duration(left)}")
        if left > 0:
            self._sleep(left)
        self._pause(host, self._between.get(host, self._seconds))

    def slow(self, host: str, seconds: float) -> None:
        """A host wants so many seconds between requests (robots.txt's Crawl-delay)."""
        self._between[host] = max(self._seconds, _bounded(seconds))

    def heed(self, host: str, status: int, headers: Mapping[str, str]) -> None:
        """Takes to heart what an answer's status and headers say of the rate."""
        pause = retry_after(headers.get("Retry-After"), self._clock())
        if status in BUSY:
            self._pause(host, WITHOUT_WORD if pause is None else pause)
        elif pause is not None:
            self._pause(host, pause)
        self._pause(host, used_up(headers, self._clock()))

    def _pause(self, host: str, seconds: float) -> None:
        self._free[host] = max(self._free.get(host, 0.0), self._now() + _bounded(seconds))


def retry_after(value: str | None, clock: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3): seconds or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)  # "-0000": a date without a zone
    return max(0.0, then.timestamp() - clock)


def used_up(headers: Mapping[str, str], clock: float) -> float:
    """Seconds until a limit that is used up is renewed; 0 while there is some left.

    Known are RateLimit-Remaining with -Reset, the same after X-, and Openverse's
    X-RateLimit-Available-NAME with X-RateLimit-Limit-NAME ("20/min").
    """
    lower = {name.casefold(): value.strip() for name, value in headers.items()}
    waits = [0.0]
    for start in ("ratelimit", "x-ratelimit"):
        reset = _number(lower.get(f"{start}-reset"))
        if _number(lower.get(f"{start}-remaining")) == 0 and reset is not None:
            waits.append(reset - clock if reset > _EPOCH_FROM else reset)
    for name, value in lower.items():
        if name.startswith("x-ratelimit-available-") and _number(value) == 0:
            limit = lower.get(name.replace("available", "limit", 1), "")
            if period := re.fullmatch(r"\d+/([smhd])\w*", limit):
                waits.append(float(_PERIODS[period[1]]))
    return max(waits)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _bounded(seconds: float) -> float:
    return seconds if seconds < _LONGEST else _LONGEST  # which NaN becomes too

"""Limits the request rate per host and obeys the limits that responses state."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from fashion_exp.reporting.formats import duration
from fashion_exp.tools.collect.rejections import Postponed

BUSY_STATUSES = (429, 503)
DEFAULT_PAUSE = 30.0
"""Seconds to pause after a busy status without Retry-After."""
_MAX_PAUSE = 30 * 86400.0
"""Seconds; longer pauses, including infinite ones, are cut to this."""
_MIN_REPORTED_WAIT = 5.0
"""Seconds; shorter waits are not reported to the user."""
_MIN_TIMESTAMP = 1e9
"""A reset value above this is a Unix timestamp, not a number of seconds."""
_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds."""


class RateLimiter:
    """Tracks when each host may be requested again.

    `interval`: seconds between two requests to a host. `max_wait`: longest wait in seconds.
    `notify` receives a message before a wait that a user would notice.
    """

    def __init__(
        self,
        interval: float,
        max_wait: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._interval = interval
        self._max_wait = max_wait
        self._now, self._sleep, self._clock, self._notify = now, sleep, clock, notify
        self._next_request: dict[str, float] = {}
        self._intervals: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Waits until the host may be requested. Raises `Postponed` if that exceeds `max_wait`."""
        interval = self._intervals.get(host, self._interval)
        seconds = self._next_request.get(host, 0.0) - self._now()
        if seconds > self._max_wait:
            raise Postponed("busy", f"{host} requires a pause of {duration(seconds)}")
        if seconds > max(_MIN_REPORTED_WAIT, interval):
            self._notify(f"waiting {duration(seconds)} for {host}")
        if seconds > 0:
            self._sleep(seconds)
        self._pause(host, interval)

    def set_interval(self, host: str, seconds: float) -> None:
        """Applies a host's own interval (robots.txt Crawl-delay) if it is longer than ours."""
        self._intervals[host] = max(self._interval, _bounded(seconds))

    def update(self, host: str, status: int, headers: Mapping[str, str]) -> None:
        """Applies the rate limits that a response states in its status and headers."""
        pause = parse_retry_after(headers.get("Retry-After"), self._clock())
        if pause is None and status in BUSY_STATUSES:
            pause = DEFAULT_PAUSE
        self._pause(host, max(pause or 0.0, seconds_until_reset(headers, self._clock())))

    def _pause(self, host: str, seconds: float) -> None:
        start = self._now() + _bounded(seconds)
        self._next_request[host] = max(self._next_request.get(host, 0.0), start)


def parse_retry_after(value: str | None, clock: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3): a number or a date.

    `clock` is the current Unix time. Returns None for a missing or invalid value.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)  # the zone "-0000" parses as none
    return max(0.0, date.timestamp() - clock)


def seconds_until_reset(headers: Mapping[str, str], clock: float) -> float:
    """Seconds until an exhausted rate limit resets; 0 if no limit is exhausted.

    Reads RateLimit-Remaining with RateLimit-Reset, both also with the prefix X-, and Openverse's
    X-RateLimit-Available-NAME with X-RateLimit-Limit-NAME ("20/min").
    """
    values = {name.casefold(): value.strip() for name, value in headers.items()}
    waits = [0.0]
    for prefix in ("ratelimit", "x-ratelimit"):
        reset = _parse_number(values.get(f"{prefix}-reset"))
        if _parse_number(values.get(f"{prefix}-remaining")) == 0 and reset is not None:
            waits.append(reset - clock if reset > _MIN_TIMESTAMP else reset)
    for name, value in values.items():
        if name.startswith("x-ratelimit-available-") and _parse_number(value) == 0:
            limit = values.get(name.replace("available", "limit", 1), "")
            if period := re.fullmatch(r"\d+/([smhd])\w*", limit):
                waits.append(float(_PERIODS[period[1]]))
    return max(waits)


def _parse_number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _bounded(seconds: float) -> float:
    return seconds if seconds < _MAX_PAUSE else _MAX_PAUSE  # maps NaN to the maximum, unlike min()

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.tools.collect.rate_limit import (
    DEFAULT_PAUSE,
    RateLimiter,
    parse_retry_after,
    seconds_until_reset,
)
from fashion_exp.tools.collect.rejections import Postponed

NOW = 1_800_000_000.0


@dataclass
class FakeClock:
    seconds: float = 1000.0
    sleeps: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds

    def limiter(self, interval: float) -> RateLimiter:
        notify = self.messages.append
        return RateLimiter(interval, 300.0, self.now, self.sleep, lambda: NOW, notify)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=20))
def test_requests_to_one_host_keep_the_interval(steps: list[tuple[str, float]]) -> None:
    clock = FakeClock()
    limiter, latest = clock.limiter(2.0), dict[str, float]()
    for host, pause in steps:
        clock.seconds += pause
        limiter.wait(host)
        assert clock.seconds >= latest.get(host, 0) + 2.0 - 1e-9
        latest[host] = clock.seconds


def test_hosts_do_not_delay_each_other() -> None:
    clock = FakeClock()
    limiter = clock.limiter(10.0)
    for host in ("a", "b", "c"):
        limiter.wait(host)
    assert not clock.sleeps


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": formatdate(NOW + 60, usegmt=True)}, 60),
        (200, {"Retry-After": "7"}, 7),
        (429, {}, DEFAULT_PAUSE),
        (429, {"Retry-After": "soon"}, DEFAULT_PAUSE),
        (200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, 9),
        (200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 11)}, 11),
        (200, {"RateLimit-Remaining": "0", "RateLimit-Reset": "12"}, 12),
        (200, {"X-RateLimit-Limit-anon_burst": "20/min",
               "X-RateLimit-Available-anon_burst": "0"}, 60),
        (200, {"X-RateLimit-Limit-anon_burst": "20/min",
               "X-RateLimit-Available-anon_burst": "1"}, 0),
        (200, {}, 0),
    ],
)  # fmt: skip
def test_obeys_limits_stated_by_responses(
    status: int, headers: dict[str, str], expected: float
) -> None:
    clock = FakeClock()
    limiter = clock.limiter(0.0)
    limiter.update("host", status, headers)
    limiter.wait("host")
    assert sum(clock.sleeps) == pytest.approx(expected)


def test_reports_long_waits_only() -> None:
    clock = FakeClock()
    limiter = clock.limiter(1.0)
    limiter.wait("host")
    limiter.wait("host")
    assert not clock.messages
    limiter.update("host", 429, {"Retry-After": "60"})
    limiter.wait("host")
    assert clock.messages == ["waiting 1 min 00 s for host"]


def test_postpones_instead_of_waiting_for_a_day() -> None:
    clock = FakeClock()
    limiter = clock.limiter(1.0)
    limiter.update("host", 200, {"x-ratelimit-limit-anon_sustained": "200/day",
                                 "x-ratelimit-available-anon_sustained": "0"})  # fmt: skip
    with pytest.raises(Postponed, match="host requires a pause of 24 h"):
        limiter.wait("host")
    assert not clock.sleeps


@pytest.mark.parametrize("endless", ["9" * 400, "inf", "1e300"])
def test_bounds_endless_pauses(endless: str) -> None:
    for headers in (
        {"Retry-After": endless},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": endless},
    ):
        limiter = FakeClock().limiter(1.0)
        limiter.update("host", 200, headers)
        if endless.isdecimal() or "X-RateLimit-Reset" in headers:
            with pytest.raises(Postponed, match="a pause of 720 h"):
                limiter.wait("host")
        limiter.set_interval("other", float(endless))
        limiter.wait("other")
        with pytest.raises(Postponed, match="a pause of 720 h"):
            limiter.wait("other")


def test_crawl_delay_only_increases_the_interval() -> None:
    clock = FakeClock()
    limiter = clock.limiter(2.0)
    limiter.set_interval("slow", 9.0)
    limiter.set_interval("fast", 0.1)
    for host in ("slow", "slow", "fast", "fast"):
        limiter.wait(host)
    assert clock.sleeps == [9.0, 2.0]


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_invalid_headers_never_raise(text: str) -> None:
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or seconds >= 0
    headers = {"X-RateLimit-Remaining": text, "X-RateLimit-Reset": text}
    assert seconds_until_reset(headers, NOW) >= 0

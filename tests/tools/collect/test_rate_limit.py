"""A host is asked when it wants to be; time here is a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.tools.collect.rate_limit import WITHOUT_WORD, Pace, retry_after, used_up
from fashion_exp.tools.collect.rejections import Postponed

NOW = 1_800_000_000.0


@dataclass
class Clock:
    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def pace(self, seconds: float = 1.0, patience: float = 300.0) -> Pace:
        return Pace(seconds, patience, self.now, self.sleep, lambda: NOW)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=20))
def test_two_requests_to_a_host_are_as_far_apart_as_they_must(
    steps: list[tuple[str, float]],
) -> None:
    clock = Clock()
    pace, latest = clock.pace(2.0), dict[str, float]()
    for host, later in steps:
        clock.seconds += later
        pace.wait(host)
        assert clock.seconds >= latest.get(host, 0) + 2.0 - 1e-9
        latest[host] = clock.seconds


def test_another_host_does_not_wait() -> None:
    clock = Clock()
    pace = clock.pace(10.0)
    for host in ("a", "b", "c"):
        pace.wait(host)
    assert not clock.slept


@pytest.mark.parametrize(
    ("status", "headers", "waited"),
    [
        (429, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": formatdate(NOW + 60, usegmt=True)}, 60),
        (200, {"Retry-After": "7"}, 7),
        (429, {}, WITHOUT_WORD),
        (429, {"Retry-After": "soon"}, WITHOUT_WORD),
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
def test_answers_are_heeded(status: int, headers: dict[str, str], waited: float) -> None:
    clock = Clock()
    pace = clock.pace(0.0)
    pace.heed("host", status, headers)
    pace.wait("host")
    assert sum(clock.slept) == pytest.approx(waited)


def test_a_wait_that_one_would_wonder_at_is_told() -> None:
    told: list[str] = []
    clock = Clock()
    pace = Pace(1.0, 300.0, clock.now, clock.sleep, lambda: NOW, told.append)
    pace.wait("host")
    pace.wait("host")
    assert not told
    pace.heed("host", 429, {"Retry-After": "60"})
    pace.wait("host")
    assert told == ["host asks for a pause of 1 min 00 s"]


def test_a_limit_of_a_day_is_not_waited_for() -> None:
    clock = Clock()
    pace = clock.pace()
    pace.heed("host", 200, {"x-ratelimit-limit-anon_sustained": "200/day",
                            "x-ratelimit-available-anon_sustained": "0"})  # fmt: skip
    with pytest.raises(Postponed, match="host asks to be left alone for 24 h"):
        pace.wait("host")
    assert not clock.slept


@pytest.mark.parametrize("endless", ["9" * 400, "inf", "1e300"])
def test_an_endless_wait_is_a_long_one(endless: str) -> None:
    for headers in (
        {"Retry-After": endless},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": endless},
    ):
        clock = Clock()
        pace = clock.pace()
        pace.heed("host", 200, headers)
        if endless.isdecimal() or "X-RateLimit-Reset" in headers:
            with pytest.raises(Postponed, match="left alone for 720 h"):
                pace.wait("host")
        pace.slow("other", float(endless))
        pace.wait("other")
        with pytest.raises(Postponed, match="left alone for 720 h"):
            pace.wait("other")


def test_a_site_may_ask_for_a_slower_pace_and_not_for_a_faster() -> None:
    clock = Clock()
    pace = clock.pace(2.0)
    pace.slow("slow", 9.0)
    pace.slow("fast", 0.1)
    for host in ("slow", "slow", "fast", "fast"):
        pace.wait(host)
    assert clock.slept == [9.0, 2.0]


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_nonsense_is_no_time(text: str) -> None:
    found = retry_after(text, NOW)
    assert found is None or found >= 0
    assert used_up({"X-RateLimit-Remaining": text, "X-RateLimit-Reset": text}, NOW) >= 0

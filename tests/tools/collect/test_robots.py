from __future__ import annotations

import pytest
from urllib3.util import parse_url

from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.robots import RobotsPolicy, training_opt_out


class FakeHost:
    """Serves one robots.txt, or raises an error instead, and records all calls."""

    def __init__(self, text: str = "", error: Exception | None = None) -> None:
        self._text, self._error = text, error
        self.requests: list[str] = []
        self.intervals: list[tuple[str, float]] = []

    def policy(self) -> RobotsPolicy:
        return RobotsPolicy(self._read, lambda *interval: self.intervals.append(interval))

    def _read(self, address: str) -> bytes:
        self.requests.append(address)
        if self._error:
            raise self._error
        return self._text.encode()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (["noai"], "noai"),
        (["noindex, NoImageAI"], "noimageai"),
        (["noindex", "noai"], "noai"),
        (["otherbot: noai"], None),
        (["otherbot: noindex, noai"], None),
        (["fashion_exp: noai"], "noai"),
        (["otherbot: noai, Fashion_Exp: noindex, noimageai"], "noimageai"),
        (["max-snippet: 5, noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"),
        (["noarchive", "max-image-preview: large"], None),
        ([], None),
    ],
)
def test_recognizes_training_opt_outs(values: list[str], rule: str | None) -> None:
    assert training_opt_out(values) == rule


def test_rules_for_our_agent_override_rules_for_all() -> None:
    text = "User-agent: *\nAllow: /\n\nUser-agent: fashion_exp\nDisallow: /photos/\n"
    policy = FakeHost(text).policy()
    policy.check(parse_url("http://a.example/other.jpg"))
    with pytest.raises(Rejected, match=r"a\.example: robots\.txt disallows /photos/1\.jpg"):
        policy.check(parse_url("http://a.example/photos/1.jpg"))


def test_reads_robots_txt_once_per_site() -> None:
    host = FakeHost()
    policy = host.policy()
    for url in ("http://a/1", "http://a/2", "http://a:8080/1", "https://a/1"):
        policy.check(parse_url(url))
    sites = ("http://a:80", "http://a:8080", "https://a:443")
    assert host.requests == [f"{site}/robots.txt" for site in sites]


def test_missing_robots_txt_permits_and_unreachable_one_postpones() -> None:
    url = parse_url("http://a.example/1.jpg")
    FakeHost(error=Rejected("refused by the server", "404")).policy().check(url)
    for error in (Postponed("unreachable", "no"), Rejected("too large", "no")):
        with pytest.raises(Postponed, match=r"robots\.txt cannot be read"):
            FakeHost(error=error).policy().check(url)


def test_applies_crawl_delay() -> None:
    host = FakeHost("User-agent: *\nCrawl-delay: 7\n")
    host.policy().check(parse_url("http://a.example/1.jpg"))
    assert host.intervals == [("a.example", 7.0)]

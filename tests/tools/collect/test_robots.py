"""What a site does not want is not done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from urllib3.util import parse_url

from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.robots import Robots, opted_out


def robots(text: str, asked: list[str] | None = None) -> Robots:
    def read(address: str) -> bytes:
        if asked is not None:
            asked.append(address)
        return text.encode()

    return Robots(read, lambda host, seconds: None)


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
def test_an_opt_out_is_seen(values: list[str], rule: str | None) -> None:
    assert opted_out(values) == rule


def test_the_rules_for_us_go_before_those_for_all() -> None:
    rules = robots("User-agent: *\nAllow: /\n\nUser-agent: fashion_exp\nDisallow: /photos/\n")
    rules.check(parse_url("http://a.example/other.jpg"))
    with pytest.raises(Rejected, match=r"a\.example: robots\.txt disallows /photos/1\.jpg"):
        rules.check(parse_url("http://a.example/photos/1.jpg"))


def test_a_site_is_asked_once() -> None:
    asked: list[str] = []
    rules = robots("", asked)
    for url in ("http://a/1", "http://a/2", "http://a:8080/1", "https://a/1"):
        rules.check(parse_url(url))
    assert asked == [
        "http://a:80/robots.txt",
        "http://a:8080/robots.txt",
        "https://a:443/robots.txt",
    ]


def raising(error: Exception) -> Callable[[str], bytes]:
    def read(address: str) -> bytes:
        raise error

    return read


def test_no_robots_txt_disallows_nothing_and_a_broken_server_everything() -> None:
    url = parse_url("http://a.example/1.jpg")
    Robots(raising(Rejected("refused by the server", "404")), print).check(url)
    for error in (Postponed("unreachable", "no"), Rejected("too large", "no")):
        with pytest.raises(Postponed, match=r"robots\.txt cannot be read"):
            Robots(raising(error), print).check(url)


def test_a_crawl_delay_is_passed_on() -> None:
    told: list[tuple[str, float]] = []
    text = b"User-agent: *\nCrawl-delay: 7\n"
    rules = Robots(lambda address: text, lambda host, seconds: told.append((host, seconds)))
    rules.check(parse_url("http://a.example/1.jpg"))
    assert told == [("a.example", 7.0)]

"""What Openverse answers, and what it does not."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from fashion_exp.tools.collect.fetching import Fetcher
from fashion_exp.tools.collect.openverse import Openverse
from fashion_exp.tools.collect.plan import OpenverseSource, Plan
from fashion_exp.tools.collect.rate_limit import Pace
from fashion_exp.tools.collect.rejections import ProviderStopped
from fashion_exp.tools.collect.url_guard import Guard
from tests.tools.collect.site import Site, send, status

PLAN = Plan.model_validate({"classes": {"dress": ["dress"]}, "prefixes": ["red"], "cap": 5})


def asking(address: str, token: str = "", **more: object) -> Openverse:
    source = OpenverseSource.model_validate({"kind": "openverse", "base": f"{address}/v1/", **more})
    fetcher = Fetcher(Guard([ip_network("127.0.0.1")]), Pace(0.0, 1.0), 2.0)
    return Openverse(source, PLAN, fetcher, 10**6, token)


def test_results_come_page_by_page_with_their_sources(site: Site) -> None:
    site.offer("red dress", *(f"{site.address}/photos/{n}.jpg" for n in range(5)))
    site.found["red dress"][1]["license"] = "by-nc"
    provider = asking(site.address, page_size=2)
    (query,) = provider.queries("dress")
    pages = list(provider.pages(query, 1))
    assert [page.last for page in pages] == [False, False, True]
    found = [candidate for page in pages for candidate in page.candidates]
    assert [candidate.rank for candidate in found] == [1, 3, 4, 5]
    first = found[0]
    assert first.url == f"{site.address}/photos/0.jpg" and first.attributes == {"colour": "red"}
    assert (first.licence, first.creator, first.label) == ("by-sa 2.0", "=Ada", "dress")
    assert list(provider.pages(query, 3)) == pages[2:]
    asked = [headers for path, headers in site.headers if path == "/v1/images/"]
    assert len(asked) == 4 and "authorization" not in asked[0]
    assert not site.asked["/robots.txt"]


def test_a_token_is_sent(site: Site) -> None:
    provider = asking(site.address, token="secret")
    (query,) = provider.queries("dress")
    assert [page.last for page in provider.pages(query, 1)] == [True]
    assert site.headers[-1][1]["authorization"] == "Bearer secret"


def stopped(provider: Openverse) -> str:
    (query,) = provider.queries("dress")
    with pytest.raises(ProviderStopped) as stop:
        list(provider.pages(query, 1))
    assert "\n" not in str(stop.value)
    return str(stop.value)


def test_without_internet_it_says_what_works() -> None:
    def nothing(host: str, port: int) -> list[str]:
        raise OSError("Temporary failure in name resolution")

    provider = asking("https://api.openverse.example")
    provider._fetcher = Fetcher(Guard((), nothing), Pace(0.0, 1.0), 2.0)
    said = stopped(provider)
    assert "api.openverse.example cannot be resolved" in said and "kind: folder" in said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (status(401), "status 401; is the token or the page size right?"),
        (status(500), "status 500.; the same line asks again"),
        (status(429, Retry_After="7200"), "left alone for 2 h.*OPENVERSE_TOKEN"),
        (lambda handler: send(handler, b"<html>", "text/html"), "not JSON"),
        (lambda handler: send(handler, b"[1]", "application/json"), "form that is not Openverse's"),
        (lambda handler: send(handler, b'{"results": [1], "page_count": 1}', ""), "form that is"),
    ],
)
def test_what_stops_it_is_one_line(site: Site, reply, said: str) -> None:  # type: ignore[no-untyped-def]
    site.replies["/v2/images/"] = reply
    provider = asking(site.address)
    provider._base = f"{site.address}/v2"
    import re

    assert re.search(said, stopped(provider))

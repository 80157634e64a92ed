from __future__ import annotations

from ipaddress import ip_network

import pytest

from fashion_exp.tools.collect.fetcher import Fetcher
from fashion_exp.tools.collect.openverse import Openverse
from fashion_exp.tools.collect.plan import OpenverseSource, Plan
from fashion_exp.tools.collect.rate_limit import RateLimiter
from fashion_exp.tools.collect.rejections import ProviderStopped
from fashion_exp.tools.collect.url_guard import UrlGuard
from tests.tools.collect.fake_site import FakeSite, Reply, send, status

PLAN = Plan.model_validate({"classes": {"dress": ["dress"]}, "prefixes": ["red"], "cap": 5})


def openverse(
    address: str, token: str = "", guard: UrlGuard | None = None, page_size: int = 20
) -> Openverse:
    source = OpenverseSource(kind="openverse", base=f"{address}/v1/", page_size=page_size)
    guard = guard or UrlGuard([ip_network("127.0.0.1")])
    return Openverse(source, PLAN, Fetcher(guard, RateLimiter(0.0, 1.0), 2.0), 10**6, token)


def test_pages_contain_ranked_candidates_with_allowed_license(site: FakeSite) -> None:
    site.add_results("red dress", *(f"{site.address}/photos/{n}.jpg" for n in range(5)))
    site.results["red dress"][1]["license"] = "by-nc"
    provider = openverse(site.address, page_size=2)
    (query,) = provider.queries("dress")
    pages = list(provider.pages(query, 1))
    assert [page.is_last for page in pages] == [False, False, True]
    candidates = [candidate for page in pages for candidate in page.candidates]
    assert [candidate.rank for candidate in candidates] == [1, 3, 4, 5]
    first = candidates[0]
    assert first.url == f"{site.address}/photos/0.jpg" and first.attributes == {"colour": "red"}
    assert (first.licence, first.creator, first.label) == ("by-sa 2.0", "=Ada", "dress")
    assert list(provider.pages(query, 3)) == pages[2:]
    headers = [headers for path, headers in site.request_headers if path == "/v1/images/"]
    assert len(headers) == 4 and "authorization" not in headers[0]
    assert not site.requests["/robots.txt"]


def test_sends_token(site: FakeSite) -> None:
    provider = openverse(site.address, token="secret")
    (query,) = provider.queries("dress")
    assert [page.is_last for page in provider.pages(query, 1)] == [True]
    assert site.request_headers[-1][1]["authorization"] == "Bearer secret"


def stop_message(provider: Openverse) -> str:
    (query,) = provider.queries("dress")
    with pytest.raises(ProviderStopped) as stop:
        list(provider.pages(query, 1))
    assert "\n" not in str(stop.value)
    return str(stop.value)


def test_suggests_alternatives_without_internet() -> None:
    def fail(host: str, port: int) -> list[str]:
        raise OSError("Temporary failure in name resolution")

    message = stop_message(openverse("https://api.openverse.example", guard=UrlGuard((), fail)))
    assert "api.openverse.example cannot be resolved" in message and "kind: folder" in message


@pytest.mark.parametrize(
    ("reply", "messages"),
    [
        (status(401), ["status 401; check the token and the page size"]),
        (status(500), ["status 500); run the same command again"]),
        (status(429, Retry_After="7200"), ["a pause of 2 h", "OPENVERSE_TOKEN"]),
        (lambda handler: send(handler, b"<html>", "text/html"), ["not JSON"]),
        (
            lambda handler: send(handler, b"[1]", "application/json"),
            ["Openverse's format"],
        ),
        (lambda handler: send(handler, b'{"results": [1], "page_count": 1}', ""), ["format"]),
    ],
)
def test_stops_on_invalid_response(site: FakeSite, reply: Reply, messages: list[str]) -> None:
    site.search_reply = reply
    text = stop_message(openverse(site.address))
    assert all(message in text for message in messages)

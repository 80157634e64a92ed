from __future__ import annotations

import socket
import ssl
import threading
import time
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme

from fashion_exp.tools.collect.decoder import detect_format
from fashion_exp.tools.collect.fetcher import MAX_ATTEMPTS, Fetcher
from fashion_exp.tools.collect.rate_limit import RateLimiter
from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.url_guard import Resolver, UrlGuard
from tests.tools.collect.fake_site import FakeSite, jpeg, status

ALLOWED = (ip_network("127.0.0.1"),)
MAX_BYTES = 500_000


def fetcher(
    seconds: float = 5.0, resolver: Resolver | None = None, context: ssl.SSLContext | None = None
) -> Fetcher:
    guard = UrlGuard(ALLOWED, resolver)
    return Fetcher(guard, RateLimiter(0.0, 5.0), seconds, "ada@example.org", context)


def get(site: FakeSite, path: str) -> bytes:
    content, content_type = fetcher(seconds=0.4).get(site.address + path, MAX_BYTES)
    detect_format(content, content_type)
    return content


def resolve_to_localhost(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_downloads_file_and_identifies_itself(site: FakeSite) -> None:
    site.add_file("/photos/1.jpg", jpeg(1))
    assert get(site, "/photos/1.jpg") == jpeg(1)
    path, headers = site.request_headers[-1]
    assert path == "/photos/1.jpg" and headers["accept-encoding"] == "identity"
    assert headers["host"] == site.address.removeprefix("http://")
    assert headers["user-agent"].startswith("fashion_exp/") and "ada@" in headers["user-agent"]


def test_follows_redirect(site: FakeSite) -> None:
    site.add_file("/photos/1.jpg", jpeg(1))
    site.replies["/moved"] = status(301, Location="photos/1.jpg")
    assert get(site, "/moved") == jpeg(1)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/bad/html", "no picture"),
        ("/bad/declared-html", "no picture"),
        ("/bad/png-as-jpeg", "wrong type"),
        ("/bad/bomb", "encoded"),
        ("/bad/large", "too large"),
        ("/bad/too-much-declared", "too large"),
        ("/bad/endless", "too large"),
        ("/bad/noai", "opted out"),
        ("/bad/noai-for-us", "opted out"),
        ("/private/photo.jpg", "robots.txt"),
        ("/bad/to-private", "robots.txt"),
        ("/bad/gone", "refused by the server"),
        ("/bad/loop", "redirects"),
        ("/bad/nowhere", "redirects"),
        ("/bad/nonsense", "redirects"),
        ("/bad/metadata", "blocked address"),
        ("/bad/neighbor", "blocked address"),
        ("/bad/file", "no web address"),
    ],
)
def test_rejects_permanent_failures(site: FakeSite, path: str, kind: str) -> None:
    with pytest.raises(Rejected) as rejection:
        get(site, path)
    assert rejection.value.kind == kind
    if path == "/private/photo.jpg":
        assert not site.requests[path]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/bad/slow-headers", "too slow"),
        ("/bad/slow-body", "too slow"),
        ("/bad/more-declared", "cut short"),
        ("/bad/broken", "server error"),
    ],
)
@pytest.mark.slow
def test_postpones_temporary_failures(site: FakeSite, path: str, kind: str) -> None:
    start = time.monotonic()
    with pytest.raises(Postponed) as failure:
        get(site, path)
    assert failure.value.kind == kind and time.monotonic() - start < 10


def test_accepts_body_longer_than_declared_length(site: FakeSite) -> None:
    assert get(site, "/bad/less-declared") == jpeg(0)[:-300]


@pytest.mark.slow
def test_retries_busy_host_after_its_pause(site: FakeSite) -> None:
    site.add_file("/photos/1.jpg", jpeg(1))
    success, busy = site.replies["/photos/1.jpg"], status(429, Retry_After="1")
    site.replies["/photos/1.jpg"] = lambda handler: (
        busy if site.requests["/photos/1.jpg"] == 1 else success
    )(handler)
    start = time.monotonic()
    assert get(site, "/photos/1.jpg") == jpeg(1)
    assert time.monotonic() - start > 0.9 and site.requests["/photos/1.jpg"] == 2


def test_limits_retries_of_busy_host(site: FakeSite) -> None:
    site.replies["/busy"] = status(429, Retry_After="0")
    site.replies["/for-hours"] = status(503, Retry_After="7200")
    with pytest.raises(Postponed, match="status 429"):
        get(site, "/busy")
    assert site.requests["/busy"] == MAX_ATTEMPTS
    with pytest.raises(Postponed, match="a pause of 2 h"):
        get(site, "/for-hours")
    assert site.requests["/for-hours"] == 1


def test_sends_secrets_to_first_origin_only(site: FakeSite) -> None:
    port = site.address.rpartition(":")[2]
    site.replies["/same-origin"] = status(302, Location="/api")
    site.replies["/other-origin"] = status(302, Location=f"http://other.example:{port}/api")
    site.add_file("/api", b"{}", "application/json")
    secret = {"Authorization": "Bearer s"}
    for path in ("/same-origin", "/other-origin"):
        client = fetcher(resolver=resolve_to_localhost)
        client.get(site.address + path, MAX_BYTES, secret_headers=secret, obey_robots=False)
    sent = [
        headers.get("authorization") for path, headers in site.request_headers if path == "/api"
    ]
    assert sent == ["Bearer s", None]


def test_ignores_proxies(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    site.add_file("/photos/1.jpg", jpeg(1))
    assert get(site, "/photos/1.jpg") == jpeg(1)


def test_connects_to_the_checked_address(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects against DNS rebinding: a name is not resolved again after the check."""
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"]])
    hosts: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        hosts.append(host)
        return next(answers)

    site.add_file("/photos/1.jpg", jpeg(1))
    getaddrinfo = socket.getaddrinfo

    def only_addresses(host: str, *args: object, **options: object) -> object:
        assert host == "127.0.0.1"
        return getaddrinfo(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", only_addresses)
    port = site.address.rpartition(":")[2]
    url = f"http://photos.example:{port}/photos/1.jpg"
    content, _ = fetcher(resolver=resolve).get(url, MAX_BYTES)
    assert content == jpeg(1) and hosts == ["photos.example"] * 2  # for robots.txt and the image
    assert site.request_headers[-1][1]["host"] == f"photos.example:{port}"


def test_postpones_private_address_that_a_later_run_may_allow() -> None:
    with pytest.raises(Postponed, match=r"127\.0\.0\.2 is loopback; .* add --allow-address"):
        fetcher().get("http://127.0.0.2:1/1.jpg", MAX_BYTES)


def test_tls_verifies_the_name_of_the_url(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("photos.example").configure_cert(server)
    names: list[str | None] = []
    server.sni_callback = lambda connection, name, context: names.append(name)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            plain, _ = listener.accept()
            try:
                with server.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = fetcher(resolver=resolve_to_localhost, context=context)
    port = listener.getsockname()[1]
    content, _ = client.get(f"https://photos.example:{port}/", MAX_BYTES, obey_robots=False)
    assert content == b"hi" and names == ["photos.example"]
    with pytest.raises(Postponed, match=r"other\.example.*[Hh]ostname mismatch"):
        client.get(f"https://other.example:{port}/", MAX_BYTES, obey_robots=False)
    thread.join()
    listener.close()

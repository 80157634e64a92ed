"""Every bad habit of a server costs one file, little time, and nothing else."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.fetching import TRIES, Fetcher
from fashion_exp.tools.collect.formats import format_of
from fashion_exp.tools.collect.rate_limit import Pace
from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.url_guard import Guard, networks, parsed
from tests.tools.collect.site import Site, jpeg, send, status

HOME = (ip_network("127.0.0.1"),)
MOST = 500_000


def fetcher(patience: float = 5.0, seconds: float = 0.4) -> Fetcher:
    return Fetcher(Guard(HOME), Pace(0.0, patience), seconds, contact="ada@example.org")


def get(site: Site, path: str) -> bytes:
    fetched = fetcher().get(site.address + path, MOST)
    format_of(fetched.content, fetched.content_type)
    return fetched.content


def test_a_picture_comes_as_it_is_and_knows_who_asks(site: Site) -> None:
    site.picture("/photos/1.jpg", jpeg(1))
    assert get(site, "/photos/1.jpg") == jpeg(1)
    path, headers = site.headers[-1]
    assert path == "/photos/1.jpg" and headers["accept-encoding"] == "identity"
    assert headers["host"] == site.address.removeprefix("http://")
    assert headers["user-agent"].startswith("fashion_exp/") and "ada@" in headers["user-agent"]


def test_a_redirect_is_followed(site: Site) -> None:
    site.picture("/photos/1.jpg", jpeg(1))
    site.replies["/moved"] = status(301, Location="photos/1.jpg")
    assert get(site, "/moved") == jpeg(1)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/bad/html", "no picture"),
        ("/bad/html-told", "no picture"),
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
        ("/bad/neighbour", "blocked address"),
        ("/bad/file", "no web address"),
    ],
)
def test_what_is_rejected_for_good(site: Site, path: str, kind: str) -> None:
    with pytest.raises(Rejected) as no:
        get(site, path)
    assert no.value.kind == kind
    if path == "/private/photo.jpg":
        assert not site.asked[path]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/bad/drip", "too slow"),
        ("/bad/dripping-body", "too slow"),
        ("/bad/more-declared", "cut short"),
        ("/bad/broken", "server error"),
    ],
)
def test_what_may_be_had_another_time(site: Site, path: str, kind: str) -> None:
    began = time.monotonic()
    with pytest.raises(Postponed) as later:
        get(site, path)
    assert later.value.kind == kind and time.monotonic() - began < 3


def test_a_busy_host_is_waited_for(site: Site) -> None:
    site.picture("/photos/1.jpg", jpeg(1))
    sound, busy = site.replies["/photos/1.jpg"], status(429, Retry_After="1")
    site.replies["/photos/1.jpg"] = lambda handler: (
        busy if site.asked["/photos/1.jpg"] == 1 else sound
    )(handler)
    began = time.monotonic()
    assert get(site, "/photos/1.jpg") == jpeg(1)
    assert time.monotonic() - began > 0.9 and site.asked["/photos/1.jpg"] == 2


def test_a_host_that_stays_busy_is_left_alone(site: Site) -> None:
    site.replies["/busy"] = status(429, Retry_After="0")
    site.replies["/for-hours"] = status(503, Retry_After="7200")
    with pytest.raises(Postponed, match="status 429"):
        get(site, "/busy")
    assert site.asked["/busy"] == TRIES
    with pytest.raises(Postponed, match="left alone for 2 h"):
        get(site, "/for-hours")
    assert site.asked["/for-hours"] == 1


def test_a_secret_goes_to_its_own_site_alone(site: Site) -> None:
    port = site.address.rpartition(":")[2]
    site.replies["/here"] = status(302, Location="/api")
    site.replies["/away"] = status(302, Location=f"http://elsewhere.example:{port}/api")
    site.picture("/api", b"{}", "application/json")
    guard = Guard(HOME, lambda host, port: ["127.0.0.1"])
    for path in ("/here", "/away"):
        asks = Fetcher(guard, Pace(0.0, 5.0), 5.0)
        asks.get(site.address + path, MOST, secret={"Authorization": "Bearer s"}, ask_robots=False)
    sent = [headers.get("authorization") for path, headers in site.headers if path == "/api"]
    assert sent == ["Bearer s", None]


def test_no_proxy_of_the_environment_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    site.picture("/photos/1.jpg", jpeg(1))
    assert get(site, "/photos/1.jpg") == jpeg(1)


def test_the_connection_goes_to_the_checked_address_and_to_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads home only at its second look-up is never looked up twice."""
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"]])
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return next(answers)

    site.picture("/photos/1.jpg", jpeg(1))
    real = socket.getaddrinfo

    def numbers_only(host: str, *rest: object, **more: object) -> object:
        assert host == "127.0.0.1"
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", numbers_only)
    port = site.address.rpartition(":")[2]
    asks = Fetcher(Guard(HOME, resolve), Pace(0.0, 5.0), 5.0)
    fetched = asks.get(f"http://photos.example:{port}/photos/1.jpg", MOST)
    assert fetched.content == jpeg(1) and looked_up == ["photos.example"] * 2  # and robots.txt
    assert site.headers[-1][1]["host"] == f"photos.example:{port}"


def test_a_name_with_one_blocked_address_is_blocked() -> None:
    guard = Guard((), lambda host, port: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(Rejected, match=r"trap\.example: 10\.0\.0\.1 is private"):
        guard.addresses(parsed("http://trap.example/"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:10.0.0.1]", "0"]
)
def test_a_number_in_disguise_is_blocked(host: str) -> None:
    with pytest.raises(Rejected, match="is "):
        Guard().addresses(parsed(f"http://{host}/"))


@pytest.mark.parametrize(
    "link", ["ftp://a/1", "file:///etc/passwd", "javascript:1", "//a/b", "a.jpg", "http://",
             "http://user:word@a/1", "data:image/png;base64,", "http://[::1/", "gopher://a"],
)  # fmt: skip
def test_what_is_no_web_address(link: str) -> None:
    with pytest.raises(Rejected) as no:
        parsed(link)
    assert no.value.kind == "no web address"


def test_a_link_to_a_private_address_is_tried_again_when_it_may_be() -> None:
    with pytest.raises(Postponed, match=r"127\.0\.0\.2 is loopback; if it is yours, --allow-addr"):
        fetcher().get("http://127.0.0.2:1/1.jpg", MOST)


def test_an_allowance_that_is_no_address() -> None:
    with pytest.raises(InputError, match=r"--allow-address localhost: .*as 127\.0\.0\.1"):
        networks(["localhost"])


def test_tls_is_held_against_the_name_while_the_address_is_pinned(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("photos.example").configure_cert(server)
    names: list[str | None] = []
    server.sni_callback = lambda connection, name, context: names.append(name)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
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
    guard = Guard(HOME, lambda host, port: ["127.0.0.1"])
    asks = Fetcher(guard, Pace(0.0, 5.0), 5.0, context=trusting)
    port = listener.getsockname()[1]
    fetched = asks.get(f"https://photos.example:{port}/", MOST, ask_robots=False)
    assert fetched.content == b"hi" and names == ["photos.example"]
    with pytest.raises(Postponed, match=r"other\.example.*[Hh]ostname mismatch"):
        asks.get(f"https://other.example:{port}/", MOST, ask_robots=False)
    thread.join()
    listener.close()


def test_the_server_of_these_tests_is_sound(site: Site) -> None:
    """Else the tests of bad habits would pass for any reason."""
    site.replies["/fine"] = lambda handler: send(handler, jpeg(3), "image/jpeg")
    assert get(site, "/fine") == jpeg(3)
    assert get(site, "/bad/less-declared") == jpeg(0)[:-300]

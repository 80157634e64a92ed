"""From a link to the addresses that may be connected to, all of them checked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.addresses import Network, why_blocked
from fashion_exp.tools.collect.rejections import Postponed, Rejected

PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], list[str]]
"""Host and port to addresses as text; raises OSError where there are none."""


def resolved(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver gives, in its order, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guard:
    """Decides where a connection may go. `allowed` lifts the block of some addresses."""

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolve = resolved) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    def addresses(self, url: Url) -> list[str]:
        """The addresses of a link's host; a connection must go to one of these and no other.

        Raises `Rejected` if any of them is blocked: a name that leads to both a free and a blocked
        one is a trap. Raises `Postponed` if the name cannot be resolved now.
        """
        host = bare_host(url)
        try:
            found = self._resolve(host, port(url))
        except (OSError, UnicodeError) as error:
            raise Postponed("unreachable", f"{host} cannot be resolved: {error}") from error
        if not found:
            raise Postponed("unreachable", f"{host} has no address")
        for address in found:
            if (why := why_blocked(address, self._allowed)) is not None:
                raise Rejected("blocked address", f"{host}: {why}")
        return found


def parsed(address: str) -> Url:
    """The one reading of a link, by which it is checked and asked. Raises `Rejected`."""
    try:
        url = parse_url(address)
    except LocationParseError as error:
        raise Rejected("no web address", f"'{address}' is no web address") from error
    if url.scheme not in PORTS or not url.host:
        raise Rejected("no web address", f"'{address}' is not of http or https")
    if url.auth:
        raise Rejected("no web address", f"the link to {url.host} holds a name or password")
    return url._replace(fragment=None)


def bare_host(url: Url) -> str:
    """The host without an IPv6 address's brackets."""
    assert url.host is not None
    return url.host.strip("[]")


def port(url: Url) -> int:
    return url.port or PORTS[str(url.scheme)]


def origin(url: Url) -> str:
    return f"{url.scheme}://{url.host}:{port(url)}"


def networks(texts: Iterable[str]) -> list[Network]:
    """What `--allow-address` names: addresses and networks. Raises `InputError`."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise InputError(
                f"--allow-address {text}: {error}; an address or a network, as 127.0.0.1 or "
                "192.168.7.0/24"
            ) from None
    return found

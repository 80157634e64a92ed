"""Protection against links to internal services: resolves URLs and blocks private addresses."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.rejections import Postponed, Rejected

Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], list[str]]
"""Maps host and port to IP addresses; raises OSError if the host has none."""

DEFAULT_PORTS = {"http": 80, "https": 443}

BLOCKED_NETWORKS = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by carriers (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud metadata service",
    "169.254.0.0/16": "link-local (includes cloud metadata)",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT relays",
    "192.88.99.0/24": "6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarks",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved or broadcast",
    "::/96": "unspecified, loopback or IPv4-compatible",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b:1::/48": "local-use NAT64",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy",
    "2001::/32": "Teredo",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "private (includes cloud metadata)",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
"""IANA's special-purpose address registries plus cloud metadata services; first match wins."""

_PARSED_NETWORKS = [(ip_network(text), name) for text, name in BLOCKED_NETWORKS.items()]
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP_MARKERS = (0x0000_5EFE, 0x0200_5EFE)


class UrlGuard:
    """Decides which addresses a connection may use. `allowed` exempts networks from blocking."""

    def __init__(self, allowed: Sequence[Network] = (), resolver: Resolver | None = None) -> None:
        self._allowed = tuple(allowed)
        self._resolver = resolver or _resolve

    def addresses(self, url: Url) -> list[str]:
        """The IP addresses of a URL's host; connect to these only, without resolving again.

        Raises `Rejected` if any address is blocked, because a name that resolves to both a public
        and a blocked address is an attack. Raises `Postponed` if the name does not resolve.
        """
        host = host_name(url)
        try:
            addresses = self._resolver(host, port(url))
        except (OSError, UnicodeError) as error:
            raise Postponed("unreachable", f"{host} cannot be resolved: {error}") from error
        if not addresses:
            raise Postponed("unreachable", f"{host} has no address")
        for address in addresses:
            if (reason := block_reason(address, self._allowed)) is not None:
                raise Rejected("blocked address", f"{host}: {reason}")
        return addresses


def block_reason(text: str, allowed: tuple[Network, ...] = ()) -> str | None:
    """Why connecting to an IP address is forbidden, or None if it is permitted.

    `allowed` exempts the address itself, not an IPv4 address embedded in it. IPv6 addresses
    outside of global unicast are blocked, except NAT64 addresses. An embedded IPv4 address
    (mapped, NAT64, ISATAP) must be permitted, too.
    """
    address = ip_address(text.partition("%")[0])
    if any(address in network for network in allowed):
        return None
    for network, name in _PARSED_NETWORKS:
        if address in network:
            return f"{address} is {name}"
    if isinstance(address, IPv4Address):
        return None
    embedded = _embedded_ipv4(address)
    if embedded is not None and (reason := block_reason(str(embedded))) is not None:
        return f"{address} embeds a blocked address: {reason}"
    if address not in _GLOBAL_UNICAST and (embedded is None or address not in _NAT64):
        return f"{address} is not global unicast"
    return None


def parse_web_url(text: str) -> Url:
    """The URL without its fragment; checks and requests use this same parse result.

    Raises `Rejected` for anything but an http or https URL without credentials.
    """
    try:
        url = parse_url(text)
    except LocationParseError as error:
        raise Rejected("no web address", f"'{text}' is not a valid URL") from error
    if url.scheme not in DEFAULT_PORTS or not url.host:
        raise Rejected("no web address", f"'{text}' is not an http or https URL")
    if url.auth:
        raise Rejected("no web address", f"the URL of {url.host} contains a user name or password")
    return url._replace(fragment=None)


def parse_networks(texts: Iterable[str]) -> list[Network]:
    """The values of `--allow-address` as networks. Raises `InputError`."""
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise InputError(
                f"--allow-address {text}: {error}; give an address such as 127.0.0.1 or a network "
                "such as 192.168.7.0/24"
            ) from None
    return networks


def host_name(url: Url) -> str:
    """The host; an IPv6 address has no brackets."""
    assert url.host is not None
    return url.host.strip("[]")


def port(url: Url) -> int:
    return url.port or DEFAULT_PORTS[str(url.scheme)]


def origin(url: Url) -> str:
    return f"{url.scheme}://{url.host}:{port(url)}"


def _resolve(host: str, port: int) -> list[str]:
    """The distinct addresses from the system's resolver, in its order."""
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in results))


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    low_bits = int(address) & 0xFFFF_FFFF
    is_isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP_MARKERS
    if address in _IPV4_MAPPED or address in _NAT64 or is_isatap:
        return IPv4Address(low_bits)
    return None

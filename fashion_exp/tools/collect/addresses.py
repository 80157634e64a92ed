"""Which internet addresses a stranger's link may lead us to; decided without a socket."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

BLOCKED = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by carriers (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's metadata",
    "169.254.0.0/16": "link-local, with clouds' metadata",
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
    "64:ff9b:1::/48": "NAT64 of a local network",
    "100::/64": "discard",
    "100:0:0:1::/64": "dummy",
    "2001::/32": "Teredo",
    "2001::/23": "protocol assignments",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "private, with clouds' metadata",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
"""IANA's special-purpose registries, the first that fits counts; and a cloud's own."""

_BLOCKED = [(ip_network(text), what) for text, what in BLOCKED.items()]
_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def why_blocked(text: str, allowed: tuple[Network, ...] = ()) -> str | None:
    """Why an address must not be connected to; None if it may.

    `allowed` lifts the block of the address itself, never of one that is embedded in it. An IPv6
    address outside of global unicast is blocked, unless it is NAT64's of an IPv4 address that is
    not. Where the address embeds one of IPv4 (mapped, NAT64, ISATAP), that one must be free too.
    """
    address = ip_address(text.partition("%")[0])
    if any(address in network for network in allowed):
        return None
    for network, what in _BLOCKED:
        if address in network:
            return f"{address} is {what}"
    if isinstance(address, IPv4Address):
        return None
    inner = _embedded(address)
    if inner is not None and (why := why_blocked(str(inner))) is not None:
        return f"{address} embeds an address that must not be asked: {why}"
    if address not in _UNICAST and (inner is None or address not in _NAT64):
        return f"{address} is not global unicast"
    return None


def _embedded(address: IPv6Address) -> IPv4Address | None:
    low = int(address) & 0xFFFF_FFFF
    isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    return IPv4Address(low) if address in _MAPPED or address in _NAT64 or isatap else None

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.rejections import Rejected
from fashion_exp.tools.collect.url_guard import (
    BLOCKED_NETWORKS,
    Network,
    UrlGuard,
    block_reason,
    parse_networks,
    parse_web_url,
)

NETWORKS = [ip_network(text) for text in BLOCKED_NETWORKS]
IPV4_NETWORKS = [network for network in NETWORKS if isinstance(network, IPv4Network)]
NAT64 = IPv6Network("64:ff9b::/96")

EMBEDDINGS = {
    "mapped": "::ffff:{dotted}",
    "compatible": "::{dotted}",
    "translated": "::ffff:0:{dotted}",
    "NAT64": "64:ff9b::{dotted}",
    "local NAT64": "64:ff9b:1::{dotted}",
    "6to4": "2002:{high:x}:{low:x}::1",
    "Teredo server": "2001:0:{high:x}:{low:x}:0:0:f7f7:f7f7",
    "Teredo client": "2001:0:0808:0808:0:0:{inverse_high:x}:{inverse_low:x}",
    "ISATAP": "2a00:1450::5efe:{high:x}:{low:x}",
    "ISATAP, global": "2a00:1450::200:5efe:{high:x}:{low:x}",
}


def embed(form: str, address: IPv4Address) -> str:
    high, low = divmod(int(address), 1 << 16)
    parts = {"high": high, "low": low}
    inverse = {f"inverse_{name}": part ^ 0xFFFF for name, part in parts.items()}
    return EMBEDDINGS[form].format(dotted=address, **parts, **inverse)


@st.composite
def members(draw: st.DrawFn, networks: list[Network]) -> str:
    """An address of any of the networks, often its first or last."""
    network = draw(st.sampled_from(networks))
    last = network.num_addresses - 1
    return str(network[draw(st.sampled_from([0, last]) | st.integers(0, last))])


@given(members(NETWORKS))
def test_blocks_every_address_of_blocked_networks(address: str) -> None:
    assert address in str(block_reason(address))


@pytest.mark.parametrize("form", EMBEDDINGS)
@given(address=members([*IPV4_NETWORKS]))
def test_blocks_embedded_ipv4_addresses(form: str, address: str) -> None:
    assert block_reason(embed(form, IPv4Address(address)))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_permits_only_global_unicast_ipv6(address: IPv6Address) -> None:
    if block_reason(str(address)) is None:
        assert address in IPv6Network("2000::/3") or address in NAT64


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_blocks_addresses_that_python_calls_private(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert block_reason(str(address)) or address in NAT64


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "64:ff9b::8.8.8.8"]
)
def test_permits_public_addresses(address: str) -> None:
    assert block_reason(address) is None


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "fe80::1%eth0",
     "192.0.0.192"],
)  # fmt: skip
def test_blocks_cloud_metadata_services(address: str) -> None:
    assert block_reason(address)


def test_allowed_network_does_not_exempt_embedded_addresses() -> None:
    allowed = (ip_network("127.0.0.1"),)
    assert block_reason("127.0.0.1", allowed) is None
    assert block_reason("127.0.0.2", allowed)
    assert block_reason("::ffff:127.0.0.1", allowed) and block_reason("64:ff9b::127.0.0.1", allowed)
    assert block_reason("fd12::7", (ip_network("fd12::/16"),)) is None


def test_blocks_name_with_one_blocked_address() -> None:
    guard = UrlGuard((), lambda host, port: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(Rejected, match=r"trap\.example: 10\.0\.0\.1 is private"):
        guard.addresses(parse_web_url("http://trap.example/"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:10.0.0.1]", "0"]
)
def test_blocks_unusual_notations_of_private_addresses(host: str) -> None:
    with pytest.raises(Rejected, match="is "):
        UrlGuard().addresses(parse_web_url(f"http://{host}/"))


@pytest.mark.parametrize(
    "url", ["ftp://a/1", "file:///etc/passwd", "javascript:1", "//a/b", "a.jpg", "http://",
            "http://user:word@a/1", "data:image/png;base64,", "http://[::1/", "gopher://a"],
)  # fmt: skip
def test_rejects_urls_other_than_http(url: str) -> None:
    with pytest.raises(Rejected) as rejection:
        parse_web_url(url)
    assert rejection.value.kind == "no web address"


def test_rejects_host_names_as_allowed_addresses() -> None:
    with pytest.raises(InputError, match=r"--allow-address localhost: .*such as 127\.0\.0\.1"):
        parse_networks(["localhost"])

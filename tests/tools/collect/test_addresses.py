"""No blocked address can be reached, in whatever form it is written. Without a socket."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.tools.collect.addresses import BLOCKED, why_blocked

V4 = [network for text in BLOCKED if isinstance(network := ip_network(text), IPv4Network)]
V6 = [network for text in BLOCKED if isinstance(network := ip_network(text), IPv6Network)]

any_v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
any_v6 = st.integers(0, 2**128 - 1).map(IPv6Address)

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


def embedded(form: str, address: IPv4Address) -> str:
    high, low = divmod(int(address), 1 << 16)
    parts = {"high": high, "low": low}
    inverse = {f"inverse_{name}": part ^ 0xFFFF for name, part in parts.items()}
    return EMBEDDINGS[form].format(dotted=address, **parts, **inverse)


def members(networks: list[IPv4Network] | list[IPv6Network]) -> st.SearchStrategy[str]:
    """Of any of the networks, its ends often."""

    def of(network: IPv4Network | IPv6Network) -> st.SearchStrategy[str]:
        last = network.num_addresses - 1
        places = st.one_of(st.sampled_from([0, last]), st.integers(0, last))
        return places.map(lambda place: str(network[place]))

    return st.sampled_from(networks).flatmap(of)


@given(members(V4))
def test_a_member_of_a_blocked_network_is_blocked(address: str) -> None:
    assert why_blocked(address)


@pytest.mark.parametrize("form", EMBEDDINGS)
@given(address=members(V4))
def test_it_is_blocked_in_every_embedding(form: str, address: str) -> None:
    assert why_blocked(embedded(form, IPv4Address(address)))


@given(members(V6))
def test_a_member_of_a_blocked_ipv6_network_is_blocked(address: str) -> None:
    assert why_blocked(address)


@given(any_v6)
def test_of_ipv6_only_global_unicast_is_free(address: IPv6Address) -> None:
    if why_blocked(str(address)) is None:
        assert address in IPv6Network("2000::/3") or address in IPv6Network("64:ff9b::/96")


@given(st.one_of(any_v4, any_v6))
def test_what_python_calls_private_is_never_free(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        nat64 = address in IPv6Network("64:ff9b::/96")
        assert why_blocked(str(address)) or nat64


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "64:ff9b::8.8.8.8"]
)
def test_the_world_is_free(address: str) -> None:
    assert why_blocked(address) is None


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "fe80::1%eth0",
     "192.0.0.192"],
)  # fmt: skip
def test_the_metadata_of_clouds_are_blocked(address: str) -> None:
    assert why_blocked(address)


def test_an_allowance_lifts_the_block_of_an_address_itself_alone() -> None:
    allowed = (ip_network("127.0.0.1"),)
    assert why_blocked("127.0.0.1", allowed) is None
    assert why_blocked("127.0.0.2", allowed)
    assert why_blocked("::ffff:127.0.0.1", allowed) and why_blocked("64:ff9b::127.0.0.1", allowed)
    assert why_blocked("fd12::7", (ip_network("fd12::/16"),)) is None


def test_every_reason_names_the_address() -> None:
    for text in BLOCKED:
        address = ip_network(text)[1] if ip_network(text).num_addresses > 1 else ip_network(text)[0]
        assert str(ip_address(str(address))) in str(why_blocked(str(address)))

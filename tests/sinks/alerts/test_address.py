"""Which addresses are public, which are loopback, and the last gate before a socket."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from sinks.alerts.address import (
    ForbiddenAddressError,
    GuardedResolver,
    Reach,
    guarded_socket_factory,
    is_public,
    is_within,
)
from tests.support.names import Names


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    """
    0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.0.1
    169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.1 192.0.2.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1
    224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:a00:1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 100::1 2001:db8::1 2002:7f00:1::
    2002:a00:1:: 2001:0:808:808:0:0:80ff:fffe fc00::1 fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1
    """.split(),
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "169.253.255.255"]
)
def test_addresses_just_outside_a_special_range_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_within_loopback_only(address: str) -> None:
    assert is_within(address, Reach.LOOPBACK)
    assert not is_within(address, Reach.PUBLIC)


def test_a_zone_does_not_hide_a_link_local_address() -> None:
    assert not is_within("fe80::1%eth0", Reach.PUBLIC)


@pytest.mark.parametrize("addresses", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"]])
def test_a_name_with_one_private_address_is_refused_as_a_whole(addresses: list[str]) -> None:
    with pytest.raises(ForbiddenAddressError):
        asyncio.run(GuardedResolver(Names(addresses), Reach.PUBLIC).resolve("chat.example"))


def test_a_name_with_public_addresses_alone_is_resolved() -> None:
    results = asyncio.run(GuardedResolver(Names(["8.8.8.8", "1.1.1.1"]), Reach.PUBLIC).resolve("chat.example", 443))
    assert [result["host"] for result in results] == ["8.8.8.8", "1.1.1.1"]


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254"])
def test_no_socket_is_opened_for_a_private_address_however_it_was_come_by(address: str) -> None:
    open_socket = guarded_socket_factory(Reach.PUBLIC)
    with pytest.raises(ForbiddenAddressError, match=f"{address} is not a public address"):
        open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)))


def test_a_socket_is_opened_for_an_address_within_reach() -> None:
    open_socket = guarded_socket_factory(Reach.LOOPBACK)
    with open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 443))) as opened:
        assert opened.family == socket.AF_INET

"""Which addresses are public, which are loopback, and the last gate before a socket."""

import asyncio
import socket
from ipaddress import ip_address, ip_network

import pytest

from sinks.alerts.address import (
    ForbiddenAddressError,
    GuardedResolver,
    Reach,
    Zone,
    guarded_socket_factory,
    is_public,
    is_within,
)
from tests.support.names import Names

NAMED = Reach(Zone.NAMED)
CLOUDS = """
    169.254.169.254 169.254.170.2 169.254.170.23 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 192.0.0.192 100.100.100.200
    168.63.129.16 ::ffff:169.254.169.254 ::ffff:168.63.129.16
""".split()


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
    64:ff9b:1::7f00:1 64:ff9b:1:a00:1:: 2002:a00:1:: 2001:0:808:808:0:0:80ff:fffe fc00::1 fd12:3456::1
    fe80::1 febf::1 fec0::1 ff02::1
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


@pytest.mark.parametrize("address", CLOUDS)
@pytest.mark.parametrize(
    "reach",
    [Reach.PUBLIC, Reach.LOOPBACK, NAMED, Reach(Zone.NAMED, (ip_network("0.0.0.0/0"), ip_network("::/0")))],
    ids=["public", "loopback", "named", "everything"],
)
def test_where_clouds_hand_out_credentials_nobody_is_told_of_an_alert_whatever_is_allowed(
    address: str, reach: Reach
) -> None:
    assert not is_within(address, reach)


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "127.0.0.1"])
def test_a_host_that_is_allowed_by_name_may_be_private_and_no_other_may(address: str) -> None:
    assert is_within(address, NAMED)
    assert not is_within(address, Reach.PUBLIC)


@pytest.mark.parametrize(
    "address", "169.254.0.1 0.0.0.0 :: 224.0.0.1 240.0.0.1 fe80::1 192.0.2.1 64:ff9b::a00:1".split()
)
def test_a_host_that_is_allowed_by_name_may_not_be_anywhere(address: str) -> None:
    assert not is_within(address, NAMED)


@pytest.mark.parametrize(
    ("address", "is_reached"),
    [
        ("10.1.0.0", True),
        ("10.1.255.255", True),
        ("::ffff:10.1.0.1", True),
        ("10.0.255.255", False),
        ("10.2.0.0", False),
        ("127.0.0.1", False),
        ("64:ff9b::a01:1", False),
        ("2002:a01:1::", False),
        ("fd00:1::1", True),
        ("fd00:2::1", False),
        ("8.8.8.8", True),
    ],
)
def test_a_network_that_is_allowed_is_reached_up_to_its_edges(address: str, is_reached: bool) -> None:
    reach = Reach(Zone.PUBLIC, (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")))
    assert is_within(address, reach) is is_reached


def test_what_is_for_this_machine_goes_nowhere_else_whatever_is_allowed() -> None:
    assert not is_within("10.1.0.1", Reach(Zone.LOOPBACK, (ip_network("10.0.0.0/8"),)))

"""Which network addresses notices may be sent to, and the guards that hold a connection to them.

A name is resolved once per connection, every address it has is checked, and the socket is opened to an address that
passed: a second answer of the name server cannot move the connection (DNS rebinding).
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import ClassVar, Final

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

# Addresses of RFC 6052 carry an IPv4 address in their last 32 bits, and a translator takes the packet there. Those of
# RFC 8215 carry one somewhere, where depends on the network.
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")

#: Where clouds hand out the credentials of a machine, some within networks that one may well want to allow, one of them
#: public: AWS (instances, containers, pods), Google, Oracle, Alibaba, Azure. Nobody is told of an alert there.
METADATA: Final = frozenset(
    map(
        ip_address,
        (
            *("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"),
            *("fd20:ce::254", "192.0.0.192", "100.100.100.200", "168.63.129.16"),
        ),
    )
)

Network = IPv4Network | IPv6Network

# RFC 1918, RFC 6598 (shared, as carriers and some clusters use it) and RFC 4193.
_PRIVATE: Final[tuple[Network, ...]] = (
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")),
    IPv6Network("fc00::/7"),
)


class Zone(Enum):
    """Where an endpoint lies: on this machine, out on the internet, or where its name was allowed to lead."""

    LOOPBACK = "loopback"
    PUBLIC = "public"
    NAMED = "allowed"


@dataclass(frozen=True, slots=True)
class Reach:
    """The addresses that a connection may go to: those of a zone, and of networks allowed besides.

    A private network is in no zone but that of hosts allowed by their name. Cloud metadata is in none at all.
    """

    zone: Zone
    networks: tuple[Network, ...] = ()

    LOOPBACK: ClassVar["Reach"]
    PUBLIC: ClassVar["Reach"]


Reach.LOOPBACK = Reach(Zone.LOOPBACK)
Reach.PUBLIC = Reach(Zone.PUBLIC)


class ForbiddenAddressError(OSError):
    """A connection was about to go to an address outside its reach. Holds the address, not the URL."""

    def __init__(self, address: str, reach: Reach) -> None:
        article = "an" if reach.zone is Zone.NAMED else "a"
        super().__init__(f"{address} is not {article} {reach.zone.value} address")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, whatever other address it carries inside.

    Not public: private, link-local, shared (100.64/10), loopback, unspecified, multicast, reserved and documentation
    ranges, after the IANA special-purpose registries as `ipaddress` knows them.
    """
    if address in METADATA:
        return False
    if isinstance(address, IPv6Address):
        if (inner := _inner_address(address)) is not None:
            return is_public(inner)
        if address.is_site_local or address in _LOCAL_NAT64:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_within(address: str, reach: Reach) -> bool:
    """Whether an address in text form (IPv6 with or without zone) lies within a reach."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed in METADATA:
        return False
    if reach.zone is Zone.LOOPBACK:
        return parsed.is_loopback
    if is_public(parsed) or any(parsed in network for network in reach.networks):
        return True
    return reach.zone is Zone.NAMED and _is_private(parsed)


class GuardedResolver(AbstractResolver):
    """Resolves names, and refuses a name as a whole when one of its addresses lies outside the reach."""

    def __init__(self, resolver: AbstractResolver, reach: Reach) -> None:
        self._resolver = resolver
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a name.

        Raises:
            ForbiddenAddressError: the name has an address outside the reach.
            OSError: the name cannot be resolved.

        """
        results = await self._resolver.resolve(host, port, family)
        for result in results:
            if not is_within(result["host"], self._reach):
                raise ForbiddenAddressError(result["host"], self._reach)
        return results

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._resolver.close()


def guarded_socket_factory(reach: Reach) -> Callable[[AddrInfoType], socket.socket]:
    """Opener of sockets that looks at the very address a socket is opened for, however it was come by."""

    def open_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, destination = info
        if not is_within(str(destination[0]), reach):
            raise ForbiddenAddressError(str(destination[0]), reach)
        return socket.socket(family, kind, protocol)

    return open_socket


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address lies on this machine or in a network that an organisation runs for itself."""
    return address.is_loopback or any(address in network for network in _PRIVATE)


def _inner_address(address: IPv6Address) -> IPv4Address | None:
    """IPv4 address that a mapped, 6to4, Teredo or NAT64 address leads to."""
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour

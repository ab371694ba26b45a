"""Which network addresses alerts may be sent to, and the guards that hold a connection to them.

A name is resolved once per connection, every address it has is checked, and the socket is opened to an address that
passed: a second answer of the name server cannot move the connection (DNS rebinding).
"""

import socket
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

# Addresses of RFC 6052 carry an IPv4 address in their last 32 bits, and a translator takes the packet there.
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Reach(Enum):
    """Where an endpoint lies: on this machine, or out on the internet. Private networks are neither."""

    LOOPBACK = "loopback"
    PUBLIC = "public"


class ForbiddenAddressError(OSError):
    """A connection was about to go to an address outside its reach. Holds the address, not the URL."""

    def __init__(self, address: str, reach: Reach) -> None:
        super().__init__(f"{address} is not a {reach.value} address")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, whatever other address it carries inside.

    Not public: private, link-local, shared (100.64/10), loopback, unspecified, multicast, reserved and documentation
    ranges, after the IANA special-purpose registries as `ipaddress` knows them.
    """
    if isinstance(address, IPv6Address):
        if (inner := _inner_address(address)) is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_within(address: str, reach: Reach) -> bool:
    """Whether an address in text form (IPv6 with or without zone) lies within a reach."""
    parsed = ip_address(address.partition("%")[0])
    if reach is Reach.PUBLIC:
        return is_public(parsed)
    inner = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (inner or parsed).is_loopback


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


def _inner_address(address: IPv6Address) -> IPv4Address | None:
    """IPv4 address that a mapped, 6to4, Teredo or NAT64 address leads to."""
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour

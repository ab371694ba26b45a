"""Receivers off the internet that notices may go to all the same, because the configuration names them."""

import re
from ipaddress import ip_address
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, IPvAnyNetwork

from sinks.alerts.address import Reach, Zone, is_within


def _check_host(host: str) -> str:
    name = host.rstrip(".").lower()
    if not re.fullmatch(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", name) or is_number(name):
        raise ValueError("must be the name of a host without wildcards; an address belongs in allowed_networks")
    return name


#: Name of one host, without its final dot and in small letters.
HostName = Annotated[str, AfterValidator(_check_host)]


class AllowedAddresses(BaseModel):
    """What may be reached besides the internet and, in plain text, this machine.

    `allowed_hosts` may lead to private addresses (RFC 1918, RFC 6598, RFC 4193) and to this machine, but only over TLS:
    whoever answers for such a name is trusted. `allowed_networks` may be reached under any name. Neither reaches the
    addresses at which clouds hand out credentials.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    allowed_hosts: tuple[HostName, ...] = ()
    allowed_networks: tuple[IPvAnyNetwork, ...] = ()

    def reach_of(self, host: str) -> Reach:
        """Where connections to a host may go."""
        name = host.rstrip(".").lower()
        if name == "localhost" or (is_literal(host) and is_within(host, Reach.LOOPBACK)):
            return Reach.LOOPBACK
        zone = Zone.NAMED if name in self.allowed_hosts else Zone.PUBLIC
        return Reach(zone, self.allowed_networks)


#: What holds where nothing is configured.
NOTHING_ALLOWED: Final = AllowedAddresses()


def is_literal(host: str) -> bool:
    """Whether a host is an IP address in its usual form, with or without a zone."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def is_number(host: str) -> bool:
    """Whether a host is a number to name servers (`127.1`, `0x7f000001`), and so an address that is not seen as one."""
    return re.fullmatch(r"\d+|0[xX][0-9a-fA-F]*", host.rstrip(".").rpartition(".")[2]) is not None

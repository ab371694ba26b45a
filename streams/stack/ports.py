"""Ports of the local stack."""

import errno
import socket
from contextlib import ExitStack, closing
from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class WantedPort(NamedTuple):
    """A port somebody asks for (0: any that is free), the option that chooses it, and what will listen there."""

    number: int
    option: str
    what: str


class PortTaken(RuntimeError):
    """A port that we need cannot be had; the message names the port and the option to choose another."""

    def __init__(self, wanted: WantedPort, error: OSError) -> None:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        super().__init__(
            f"port {wanted.number} for {wanted.what} {why}; choose another with {wanted.option} PORT"
            f" ({wanted.option} 0 takes a free one)"
        )


def claim_ports(*wanted: WantedPort) -> list[int]:
    """Ports to use on loopback, all different: the wanted ones, and free ones for 0.

    Raises:
        PortTaken: somebody listens there, we may not, or two are the same.

    """
    numbers: list[int] = []
    # All are held until the last one is found: no port is given out twice.
    with ExitStack() as held:
        for port in wanted:
            probe = held.enter_context(closing(socket.socket()))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port.number))
                probe.listen()
            except OSError as error:
                raise PortTaken(port, error) from None
            numbers.append(probe.getsockname()[1])
    return numbers


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=0.5).close()
    except OSError:
        return False
    return True

"""Ports of the local stack."""

import socket
from contextlib import closing

LOOPBACK = "127.0.0.1"


class PortTaken(RuntimeError):
    """Somebody else listens on a port that we need; the message names the port and the option to choose another."""

    def __init__(self, port: int, option: str, what: str) -> None:
        super().__init__(
            f"port {port} for {what} is taken by another program; choose another with {option} PORT ({option} 0 takes"
            " a free one)"
        )


def claim_port(wanted: int, option: str, what: str) -> int:
    """Port to use on loopback: the wanted one, or a free one for 0.

    Raises:
        PortTaken: somebody listens there.

    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            raise PortTaken(wanted, option, what) from None
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=0.5).close()
    except OSError:
        return False
    return True

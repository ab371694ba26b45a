"""Where local services may listen: on loopback only, on a port that is free."""

import argparse
import ipaddress
import os
import socket

EXIT_USAGE = 2
EXIT_MISSING_PACKAGE = 3
EXIT_PORT_TAKEN = 4
EXIT_DATA_DIR = 5

LOCALHOST = "localhost"


class PortTakenError(Exception):
    """Something else already listens on the address."""


def loopback_host(text: str) -> str:
    """Check a ``--host`` value and return it.

    Nothing here asks who is calling, so an address that other machines can reach is refused, with no way around it.

    Raises:
        argparse.ArgumentTypeError: the value is neither ``localhost`` nor a loopback address.

    """
    if text == LOCALHOST:
        return "127.0.0.1"
    try:
        is_loopback = ipaddress.ip_address(text).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        message = (
            f"{text!r} is not a loopback address. The local stack has no users and no passwords, so it listens on "
            "127.0.0.1 or ::1 only; use the Docker stack, or servers of your own, to be reached from other machines"
        )
        raise argparse.ArgumentTypeError(message)
    return text


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Return a listening TCP socket; port 0 takes any free port.

    Raises:
        PortTakenError: the port is in use or not permitted; the message names it and ``option``.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        message = f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. Choose another port with {option}."
        raise PortTakenError(message) from error
    return listener


def shown_address(host: str, port: int) -> str:
    """Return ``host:port`` as it is written in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""How a local service starts: on loopback, on a free port, or with an exit code and a message that says why not."""

import argparse
import errno
import ipaddress
import os
import socket

EXIT_MISSING_PACKAGE = 3
EXIT_PORT_TAKEN = 4
EXIT_DATA_DIR = 5


class StartError(Exception):
    """The service cannot start; the message is for the one who started it."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def missing_package(error: Exception) -> StartError:
    """Return the error for a service whose packages are not installed."""
    return StartError(EXIT_MISSING_PACKAGE, f"not installed ({error}): pip install 'customer-journeys[local]'")


def loopback_host(text: str) -> str:
    """Check a ``--host`` value and return the address it stands for.

    Nothing here asks who is calling, so an address that other machines can reach is refused, with no way around it.

    Raises:
        argparse.ArgumentTypeError: the value is neither ``localhost`` nor a loopback address.

    """
    if text == "localhost":
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


def port_number(text: str) -> int:
    """Check a port option and return it; 0 stands for any free port.

    Raises:
        argparse.ArgumentTypeError: it is no port.

    """
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        message = f"{text!r} is not a port: a number from 0 to 65535 is needed"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def broker_port(text: str) -> int:
    """Check a ``--port`` value of a broker, which cannot be told to take any free port.

    Raises:
        argparse.ArgumentTypeError: the value is no port, or 0.

    """
    port = port_number(text)
    if port == 0:
        message = "0 is not possible here: clients are told this port"
        raise argparse.ArgumentTypeError(message)
    return port


def listen(host: str, port: int, *, option: str) -> socket.socket:
    """Return a listening TCP socket; port 0 takes any free port.

    Raises:
        StartError: the port is in use or not permitted; the message names it and ``option``.

    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        address = shown_address(host, port)
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} is taken: something else listens on {address}. Choose another one with {option}"
        else:
            message = f"cannot listen on {address}: {os.strerror(error.errno or 0)}. Choose another port with {option}"
        raise StartError(EXIT_PORT_TAKEN, message) from error
    return listener


def shown_address(host: str, port: int) -> str:
    """Return ``host:port`` as it is written in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

import argparse
import socket

import pytest

from deploy.local.starting import StartError, listen, loopback_host, port_number, shown_address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_addresses_are_taken_as_they_are(host: str) -> None:
    assert loopback_host(host) == host


def test_localhost_stands_for_the_address() -> None:
    assert loopback_host("localhost") == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "8.8.8.8", "example.com", ""])  # noqa: S104
def test_every_other_host_is_refused(host: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a loopback address"):
        loopback_host(host)


@pytest.mark.parametrize(("text", "port"), [("0", 0), ("9000", 9000), ("65535", 65535)])
def test_ports_are_numbers(text: str, port: int) -> None:
    assert port_number(text) == port


@pytest.mark.parametrize("text", ["65536", "-1", "x", "", "9000.0", "٩"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a port"):
        port_number(text)


def test_a_taken_port_is_named_with_the_option_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=rf"port {port} is taken.*127\.0\.0\.1:{port}.*--native-port") as raised:
            listen("127.0.0.1", port, option="--native-port")
    assert raised.value.exit_code == 4


def test_addresses_of_both_families_can_be_written_in_a_url() -> None:
    assert shown_address("127.0.0.1", 9000) == "127.0.0.1:9000"
    assert shown_address("::1", 9000) == "[::1]:9000"

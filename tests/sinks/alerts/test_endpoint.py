"""Addresses of receivers: what is allowed, and what is shown."""

import re

import pytest
from pydantic import SecretStr

from sinks.alerts.address import Reach, Zone
from sinks.alerts.allowed import AllowedAddresses
from sinks.alerts.endpoint import Endpoint
from tests.support.endpoints import SECRET_URL, an_endpoint


@pytest.mark.parametrize(
    ("url", "masked", "reach"),
    [
        (SECRET_URL, "https://hooks.example.com/…", Reach.PUBLIC),
        ("https://hooks.example.com:8443/a?key=b", "https://hooks.example.com:8443/…", Reach.PUBLIC),
        ("https://8.8.8.8/", "https://8.8.8.8/…", Reach.PUBLIC),
        ("http://localhost:8080/a", "http://localhost:8080/…", Reach.LOOPBACK),
        ("http://LOCALHOST./a", "http://localhost./…", Reach.LOOPBACK),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/…", Reach.LOOPBACK),
        ("http://[::1]:8080/a", "http://[::1]:8080/…", Reach.LOOPBACK),
        ("https://127.0.0.1/a", "https://127.0.0.1/…", Reach.LOOPBACK),
        ("https://localhost.example.com/a", "https://localhost.example.com/…", Reach.PUBLIC),
    ],
)
def test_an_address_shows_its_host_only(url: str, masked: str, reach: Reach) -> None:
    endpoint = an_endpoint(url)
    assert (endpoint.masked, endpoint.reach) == (masked, reach)
    assert repr(endpoint) == f"Endpoint(masked='{masked}', reach={reach!r})"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.com/secret", "https://"),
        ("http://localhost.example.com/secret", "https://"),
        ("https://10.0.0.1/secret", "10.0.0.1, which is not a public address"),
        ("https://169.254.169.254/secret", "not a public address"),
        ("https://[fe80::1]/secret", "not a public address"),
        ("https://[::ffff:10.0.0.1]/secret", "not a public address"),
        ("https://0.0.0.0/secret", "not a public address"),
        ("https://2130706433/secret", "usual form"),
        ("https://127.1/secret", "usual form"),
        ("https://0177.0.0.1/secret", "usual form"),
        ("https://0x7f000001/secret", "usual form"),
        ("https://me:secret@hooks.example.com/", "user or password"),
        ("https://secret@hooks.example.com/", "user or password"),
        ("file:///secret", "https://"),
        ("https:///secret", "https://"),
        ("//hooks.example.com/secret", "https://"),
        ("secret", "https://"),
        ("https://[secret/", "not a URL"),
        ("https://hooks.example.com:99999/secret", "not a URL"),
        ("https://hooks.example.com/a secret", "not a URL"),
        ("https://hooks.example.com/secret\r\nHost: x", "not a URL"),
        ("https://hooks.example.com/secret" + "x" * 2048, "not a URL"),
    ],
)
def test_an_address_that_may_not_be_posted_to_says_why_without_showing_itself(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        an_endpoint(url)
    assert "secret" not in str(caught.value)


ALLOWED = AllowedAddresses.model_validate(
    {"allowed_hosts": ["Chat.Intern.Example."], "allowed_networks": ["10.1.0.0/16", "192.168.7.7"]}
)


@pytest.mark.parametrize(
    ("url", "zone"),
    [
        ("https://chat.intern.example/secret", Zone.NAMED),
        ("https://CHAT.intern.example./secret", Zone.NAMED),
        ("https://other.intern.example/secret", Zone.PUBLIC),
        ("https://x.chat.intern.example/secret", Zone.PUBLIC),
        ("https://10.1.2.3/secret", Zone.PUBLIC),
        ("https://192.168.7.7/secret", Zone.PUBLIC),
        ("http://localhost/secret", Zone.LOOPBACK),
    ],
)
def test_what_is_allowed_by_name_or_network_may_be_posted_to(url: str, zone: Zone) -> None:
    assert Endpoint.parse(SecretStr(url), ALLOWED).reach.zone is zone


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.intern.example/secret",
        "http://10.1.2.3/secret",
        "https://10.2.0.1/secret",
        "https://192.168.7.8/secret",
        "https://169.254.169.254/secret",
    ],
)
def test_what_is_allowed_is_so_over_tls_and_to_its_edges(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://|not a public address"):
        Endpoint.parse(SecretStr(url), ALLOWED)


@pytest.mark.parametrize("host", ["*.example", "10.0.0.1", "127.1", "", "a b", "https://x", "x/y", "-x\n", "[::1]"])
def test_only_the_name_of_a_host_can_be_allowed_as_one(host: str) -> None:
    with pytest.raises(ValueError, match="name of a host"):
        AllowedAddresses(allowed_hosts=(host,))


@pytest.mark.parametrize("network", ["10.1.0.1/16", "intern", "10.0.0.0/33"])
def test_a_network_that_is_none_cannot_be_allowed(network: str) -> None:
    with pytest.raises(ValueError, match="allowed_networks"):
        AllowedAddresses.model_validate({"allowed_networks": [network]})

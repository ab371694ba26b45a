"""Addresses of receivers: what is allowed, and what is shown."""

import re

import pytest

from sinks.alerts.address import Reach
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

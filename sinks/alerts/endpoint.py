"""The address of a receiver, which for a chat webhook is a password: whoever has it can post."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from pydantic import SecretStr
from yarl import URL

from sinks.alerts.address import Reach, is_within
from sinks.alerts.secret_source import SecretError, read_secret

#: No receiver has a longer address, and log lines of proxies end here.
URL_CHARACTERS: Final = 2048


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked address to post to. Only `masked` is shown, e.g. `https://hooks.slack.com/…`."""

    url: URL = field(repr=False)
    masked: str
    reach: Reach

    @classmethod
    def read(cls, env: str | None, file: Path | None, environment: Mapping[str, str], folder: Path) -> Self:
        """Read and check an address from the place that `url_env` or `url_file` names.

        Raises:
            SecretError: it cannot be read, or is no address to post to.

        """
        try:
            return cls.parse(read_secret("url", env, file, environment, folder))
        except ValueError as error:
            raise SecretError("url_env" if env else "url_file", str(error)) from None

    @classmethod
    def parse(cls, secret: SecretStr) -> Self:
        """Check an address: https, or http on this machine; no user or password in it; no private IP address.

        Raises:
            ValueError: says what is wrong without showing the address.

        """
        text = secret.get_secret_value()
        try:
            url = URL(text)
            host, port = url.host, url.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if len(text) > URL_CHARACTERS or not text.isprintable() or " " in text:
            raise ValueError(f"is not a URL of at most {URL_CHARACTERS} printable characters")
        if url.scheme not in ("http", "https") or not host or port is None:
            raise ValueError("is not a URL that starts with https://")
        if url.user is not None or url.password is not None:
            raise ValueError("has a user or password in it; receivers are told apart by their address alone")
        if _is_number(host) and not _is_literal(host):
            raise ValueError(f"leads to {host}, which is not an IP address in its usual form")
        reach = Reach.LOOPBACK if _is_loopback(host) else Reach.PUBLIC
        if url.scheme == "http" and reach is not Reach.LOOPBACK:
            raise ValueError("must start with https:// (http is for this machine only)")
        if _is_literal(host) and not is_within(host, reach):
            raise ValueError(f"leads to {host}, which is not a public address")
        shown_port = "" if url.is_default_port() else f":{port}"
        shown_host = f"[{host}]" if ":" in host else host
        return cls(url=url.with_fragment(None), masked=f"{url.scheme}://{shown_host}{shown_port}/…", reach=reach)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_number(host: str) -> bool:
    """Whether a host is a number to name servers (`127.1`, `0x7f000001`), and so an address that is not seen as one."""
    return re.fullmatch(r"\d+|0[xX][0-9a-fA-F]*", host.rstrip(".").rpartition(".")[2]) is not None


def _is_loopback(host: str) -> bool:
    return host.rstrip(".").lower() == "localhost" or (_is_literal(host) and is_within(host, Reach.LOOPBACK))

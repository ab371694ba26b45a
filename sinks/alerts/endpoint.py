"""The address of a receiver, which for a chat webhook is a password: whoever has it can post."""

from dataclasses import dataclass, field, replace
from typing import Final, Self

from pydantic import SecretStr
from yarl import URL

from sinks.alerts.address import Reach, Zone, is_within
from sinks.alerts.allowed import NOTHING_ALLOWED, AllowedAddresses, is_literal, is_number

#: No receiver has a longer address, and log lines of proxies end here.
URL_CHARACTERS: Final = 2048


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked address to post to. Only `masked` is shown, e.g. `https://hooks.slack.com/…`."""

    url: URL = field(repr=False)
    masked: str
    reach: Reach

    @classmethod
    def parse(cls, secret: SecretStr, allowed: AllowedAddresses = NOTHING_ALLOWED) -> Self:
        """Check an address: https, or http on this machine; no user or password in it; no private IP address.

        What is `allowed` by name or network may be private.

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
        if is_number(host) and not is_literal(host):
            raise ValueError(f"leads to {host}, which is not an IP address in its usual form")
        reach = allowed.reach_of(host)
        if url.scheme == "http" and reach.zone is not Zone.LOOPBACK:
            raise ValueError("must start with https:// (http is for this machine only)")
        if is_literal(host) and not is_within(host, reach):
            raise ValueError(f"leads to {host}, which is not a public address")
        shown_port = "" if url.is_default_port() else f":{port}"
        shown_host = f"[{host}]" if ":" in host else host
        return cls(url=url.with_fragment(None), masked=f"{url.scheme}://{shown_host}{shown_port}/…", reach=reach)

    def at(self, path: str) -> "Endpoint":
        """The same place with a path below it, for receivers with several."""
        return replace(self, url=self.url / path)

"""Connections to ClickHouse, with the timeouts and settings that every query of ours needs."""

import math
import socket
import threading
from contextlib import suppress
from typing import Any, Final

from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress

CONNECT_TIMEOUT_S: Final = 5
#: A whole answer may take so many times as long as silence; by default five minutes, where a flush takes seconds.
_SILENCES: Final = 5

_SETTINGS = {
    # Newer servers insert asynchronously by default; then an answer no longer means that rows are durable.
    "async_insert": 0,
    "insert_deduplicate": 1,
    # History may span many months; the limit would refuse such a block for ever, as "too many parts".
    "max_partitions_per_insert_block": 0,
    # A skip index must not hide the newest version of a row from FINAL.
    "use_skip_indexes_if_final": 1,
    "use_skip_indexes_if_final_exact_mode": 1,
}


class _PunctualClient(Client):  # type: ignore[misc]  # the driver has no types
    """Gives up an answer that is not there after `whole_within_s` seconds, however often a byte of it comes."""

    whole_within_s: float = math.inf

    def execute(self, *arguments: Any, **named: Any) -> Any:
        if self.whole_within_s == math.inf:
            return super().execute(*arguments, **named)
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            interrupt(self)

        timer = threading.Timer(self.whole_within_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            return super().execute(*arguments, **named)
        except Exception as error:
            if is_late.is_set():
                raise TimeoutError(f"no whole answer within {self.whole_within_s:g} s") from error
            raise
        finally:
            timer.cancel()


def connect(address: ClickHouseAddress, *, database: str | None = None, whole_within_s: float | None = None) -> Client:
    """Client for one thread, in the address's database or another; it dials with its first query.

    An answer has to be whole within `whole_within_s` seconds, by default a multiple of the time that the server may be
    silent; `math.inf` waits for as long as something comes. Queries raise the driver's errors;
    `sinks.clickhouse.errors` says what they mean.
    """
    client = _PunctualClient(
        host=address.host,
        port=address.port,
        database=address.database if database is None else database,
        user=address.user,
        password=address.password,
        secure=address.secure,
        client_name="customer-journeys",
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=address.answer_timeout_s,
        tcp_keepalive=True,
        settings=_SETTINGS,
    )
    client.whole_within_s = _SILENCES * address.answer_timeout_s if whole_within_s is None else whole_within_s
    return client


def longest_attempt_s(address: ClickHouseAddress) -> float:
    """Seconds that one question may take at most, by default: to dial, and for a whole answer."""
    return CONNECT_TIMEOUT_S + _SILENCES * address.answer_timeout_s


def interrupt(client: Client) -> None:
    """End the wait of another thread for a server's answer: its query fails as if the server had gone."""
    waiting_on = client.connection.socket
    if waiting_on is not None:
        with suppress(OSError):
            waiting_on.shutdown(socket.SHUT_RDWR)

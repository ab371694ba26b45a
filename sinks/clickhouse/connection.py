"""Connections to ClickHouse, with the timeouts and settings that every query of ours needs."""

import socket
from contextlib import suppress

from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress

CONNECT_TIMEOUT_S = 5
#: A silent server is given up after this; an insert of one flush takes far less.
ANSWER_TIMEOUT_S = 60

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


def connect(
    address: ClickHouseAddress, *, database: str | None = None, answer_timeout_s: int = ANSWER_TIMEOUT_S
) -> Client:
    """Client for one thread, in the address's database or another; it dials with its first query.

    Queries raise the driver's errors; `sinks.clickhouse.errors` says what they mean.
    """
    return Client(
        host=address.host,
        port=address.port,
        database=address.database if database is None else database,
        user=address.user,
        password=address.password,
        secure=address.secure,
        client_name="customer-journeys",
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=answer_timeout_s,
        tcp_keepalive=True,
        settings=_SETTINGS,
    )


def interrupt(client: Client) -> None:
    """End the wait of another thread for a server's answer: its query fails as if the server had gone."""
    waiting_on = client.connection.socket
    if waiting_on is not None:
        with suppress(OSError):
            waiting_on.shutdown(socket.SHUT_RDWR)

"""What one would write with Faust alone: an agent that takes events one by one, and a table with a changelog.

The job is the smaller one that every engine can do: 30-minute sessions of each customer, and redirects to another
channel that were followed within 24 hours, as counts in a table. Run it with `python -m faust -A bench.plain_faust
worker`; the environment names the broker, the session timeout in seconds, the number of partitions, and a folder.
"""

import os
from io import BytesIO
from typing import Any

import fastavro
import faust

from bench.load import FOLLOW_WITHIN_MS, SESSION_GAP_MS
from schemas.codec import schema_index
from streams.topics import TOUCHPOINTS

NAME = "plain"
CHANGELOG = f"{NAME}-customers-changelog"
#: Magic byte and schema id.
_HEADER_BYTES = 5
_INDEX = schema_index()
_SCHEMA = _INDEX.by_id[_INDEX.current_id]

app = faust.App(
    NAME,
    broker=f"kafka://{os.environ.get('PLAIN_KAFKA', '127.0.0.1:9092')}",
    broker_session_timeout=float(os.environ.get("PLAIN_SESSION_TIMEOUT_S", "10")),
    broker_heartbeat_interval=float(os.environ.get("PLAIN_SESSION_TIMEOUT_S", "10")) / 4,
    consumer_auto_offset_reset="earliest",
    datadir=os.environ.get("PLAIN_FOLDER"),
    store="memory://",
    topic_partitions=int(os.environ.get("PLAIN_PARTITIONS", "4")),
    topic_allow_declare=False,
    topic_disable_leader=True,
)
touchpoints = app.topic(
    TOUCHPOINTS, key_type=str, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=False
)
customers: Any = app.Table("customers", default=dict)


@app.agent(touchpoints)
async def count(stream: Any) -> None:
    async for customer, value in stream.items():
        touchpoint: Any = fastavro.schemaless_reader(BytesIO(value[_HEADER_BYTES:]), _SCHEMA, None)
        state = customers[customer]
        at = touchpoint["occurred_at"]
        last_at = state.get("last_at")
        if last_at is None or at - last_at > SESSION_GAP_MS:
            state["sessions"] = state.get("sessions", 0) + 1
        state["last_at"] = at if last_at is None else max(at, last_at)
        if (
            touchpoint["actor"] == "customer"
            and touchpoint["channel"] == state.get("sent_to")
            and 0 <= at - state["sent_at"] <= FOLLOW_WITHIN_MS
        ):
            state["followed"] = state.get("followed", 0) + 1
            state["sent_to"] = None
        if touchpoint["redirect_to"] is not None:
            state["sent_to"], state["sent_at"] = touchpoint["redirect_to"], at
        customers[customer] = state

"""The door over HTTP, in front of a real broker: what it has acknowledged is in the topic."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams.producing.door import MAX_BODY_BYTES, make_app
from streams.producing.door_contract import openapi
from streams.producing.door_sender import DOOR_LIMITS, DoorSender
from streams.producing.producer import ProducerLimits
from streams.settings import KafkaSettings
from tests.support.kafka_records import broker_with_topics, touchpoints_in
from tests.support.local_broker import free_port

pytestmark = pytest.mark.stack

NOW = 1_704_067_260_000
JSON = {"Content-Type": "application/json"}
Client = TestClient[Any, Any]


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"event-{number}",
        "source": "web",
        "kind": "page.viewed",
        "occurred_at": "2024-01-01T00:00:00Z",
        "identities": [f"account:{number}"],
    } | fields


def through_the_door(
    kafka: KafkaSettings, visit: Callable[[Client], Awaitable[None]], limits: ProducerLimits = DOOR_LIMITS
) -> None:
    """Run `visit` with a client of a door of its own."""

    async def run() -> None:
        sender = DoorSender(kafka, limits)
        async with TestClient(TestServer(make_app(sender, lambda: NOW))) as client:
            await visit(client)
        await sender.close()

    asyncio.run(run())


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


def test_what_is_accepted_is_in_the_topic_with_the_time_of_the_door(kafka: KafkaSettings) -> None:
    async def visit(client: Client) -> None:
        for content, accepted in [(event(1), 1), ([event(2), event(3)], 2), ({"events": [event(4)]}, 1)]:
            response = await client.post("/v1/events", json=content)
            assert (response.status, await response.json()) == (202, {"accepted": accepted})

    through_the_door(kafka, visit)
    found = {touchpoint.id: (key, touchpoint) for key, touchpoint in touchpoints_in(kafka)}
    for number in (1, 2, 3, 4):
        key, touchpoint = found[f"event-{number}"]
        assert key == f"account:{number}".encode()
        assert touchpoint.received_at == NOW


def test_of_a_batch_with_one_wrong_touchpoint_nothing_arrives(kafka: KafkaSettings) -> None:
    async def visit(client: Client) -> None:
        response = await client.post("/v1/events", json=[event(10), event(11, kind=None), event(12)])
        answer = await response.json()
        assert response.status == 400
        assert answer["accepted"] == 0
        assert "nothing of the request was accepted" in answer["error"]
        assert answer["errors"] == [{"index": 1, "field": "kind", "reason": "kind is missing or empty"}]

    through_the_door(kafka, visit)
    assert not {"event-10", "event-12"} & {touchpoint.id for _, touchpoint in touchpoints_in(kafka)}


def test_another_content_type_is_refused(kafka: KafkaSettings) -> None:
    async def visit(client: Client) -> None:
        for type_ in ("text/plain", "application/x-www-form-urlencoded", ""):
            response = await client.post("/v1/events", data=json.dumps(event(20)), headers={"Content-Type": type_})
            assert response.status == 415
        response = await client.post(
            "/v1/events", data=json.dumps(event(21)), headers={"Content-Type": "application/json; charset=utf-8"}
        )
        assert response.status == 202

    through_the_door(kafka, visit)


def test_a_body_of_500000_bytes_is_read_and_one_byte_more_is_not(kafka: KafkaSettings) -> None:
    async def visit(client: Client) -> None:
        content = json.dumps(event(30)).encode()
        room = b" " * (500_000 - len(content))
        response = await client.post("/v1/events", data=content + room, headers=JSON)
        assert response.status == 202
        response = await client.post("/v1/events", data=content + room + b" ", headers=JSON)
        assert response.status == 413
        assert "larger than the limit of 500000 bytes" in (await response.json())["error"]

    assert MAX_BODY_BYTES == 500_000
    through_the_door(kafka, visit)


def test_unknown_paths_and_methods_are_answered_in_json(kafka: KafkaSettings) -> None:
    async def visit(client: Client) -> None:
        response = await client.get("/v1/events")
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["error"].startswith("GET /v1/events: Method Not Allowed")
        assert (await client.get("/nowhere")).status == 404

    through_the_door(kafka, visit)


def test_the_contract_and_the_health_are_shown(kafka: KafkaSettings) -> None:
    async def visit(client: Client) -> None:
        response = await client.get("/openapi.json")
        limits = {"max_body_bytes": 500_000, "max_events": 2_500, "max_event_bytes": 32_000}
        assert await response.json() == json.loads(msgspec.json.encode(openapi(**limits)))
        response = await client.get("/healthz")
        assert (response.status, await response.json()) == (200, {"status": "ok", "in_flight": 0})

    through_the_door(kafka, visit)


def test_more_than_may_be_in_flight_is_turned_away_and_the_rest_goes_through(kafka: KafkaSettings) -> None:
    # Batches linger for a second, so the first is still in flight when the second comes.
    lingering = ProducerLimits(linger_ms=1_000, max_in_flight=10)

    async def visit(client: Client) -> None:
        await client.get("/healthz")
        first = asyncio.create_task(client.post("/v1/events", json=[event(40 + number) for number in range(8)]))
        async with asyncio.timeout(5):
            while (await (await client.get("/healthz")).json())["in_flight"] < 8:
                pass  # every look is a request of its own
        refused = await client.post("/v1/events", json=[event(50 + number) for number in range(3)])
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        taken = await client.post("/v1/events", json=[event(60), event(61)])
        assert ((await first).status, taken.status) == (202, 202)

    through_the_door(kafka, visit, lingering)
    arrived = {touchpoint.id for _, touchpoint in touchpoints_in(kafka)}
    assert {"event-47", "event-60"} <= arrived
    assert "event-50" not in arrived


def test_without_a_broker_the_door_says_so_and_the_health_too() -> None:
    nowhere = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}")

    async def visit(client: Client) -> None:
        response = await client.post("/v1/events", json=event(1))
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert "no Kafka broker answers" in (await response.json())["error"]
        response = await client.get("/healthz")
        assert (response.status, (await response.json())["status"]) == (503, "broker down")

    through_the_door(nowhere, visit, ProducerLimits(connect_timeout_s=0.5))


def test_a_broker_that_dies_is_told_as_unavailable_and_never_as_accepted() -> None:
    impatient = ProducerLimits(connect_timeout_s=1.0, delivery_timeout_s=1.5, linger_ms=5)
    with ExitStack() as broker:
        kafka = broker.enter_context(broker_with_topics())

        async def visit(client: Client) -> None:
            assert (await client.post("/v1/events", json=event(1))).status == 202
            await asyncio.to_thread(broker.close)
            response = await client.post("/v1/events", json=event(2))
            assert response.status == 503
            assert "sending the same again is safe" in (await response.json())["error"]
            # The old connection is given up; the next request looks for a broker anew.
            response = await client.post("/v1/events", json=event(3))
            assert response.status == 503
            assert "no Kafka broker answers" in (await response.json())["error"]

        through_the_door(kafka, visit, impatient)

"""A minute with very many frictions, with the real ledger: all are told of, in order, within limits, in flat memory."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.alerts import AlertIntent, encode_intent
from sinks.alerts.incidents import snapshot
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from streams.alerts_agent import AlertsAgent
from streams.settings import ClickHouseSettings, Settings
from streams.topics import OUTBOX
from tests.support.alert_intents import an_intent
from tests.support.chat_endpoint import ChatEndpoint
from tests.support.deadline import eventually
from tests.support.deliveries import Deliveries
from tests.support.local_clickhouse import running_clickhouse

pytestmark = pytest.mark.stack
#: Two channels; a minute of frictions is over long before the digest at noon.
ROUTING = """
channels:
  desk: {type: webhook, url_env: DESK_URL, secret_env: DESK_SECRET}
  floor: {type: webhook, url_env: FLOOR_URL, secret_env: DESK_SECRET}
routes:
  - channels: [desk]
  - channels: [floor]
    min_severity: 4
group_wait: 10s
group_interval: 1h
minimum: false
swarm: false
digest: {below_severity: 3, at: '12:00'}
limits:
  desk: {messages: 4, within: 1m}
  floor: {messages: 2, within: 1m}
"""
LIMITS = {"desk": 4, "floor": 2}
FRICTIONS, CAUSES = 2_000, 10
#: Monday, 2026-01-05, 10:00 UTC.
START_S = 1_767_607_200.0


def frictions() -> list[AlertIntent]:
    """Each of another customer; of every five causes one of each severity."""
    return [
        an_intent(
            friction_id=f"f{number:05}", person_key=f"p{number:05}", severity=1 + number % 5,
            to_channel=f"channel-{number % CAUSES}",
        )
        for number in range(FRICTIONS)
    ]  # fmt: skip


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ClickHouseAddress]:
    with running_clickhouse(tmp_path / "clickhouse") as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        yield address


def told(endpoint: ChatEndpoint) -> list[dict[str, Any]]:
    return [request.json["data"] for request in endpoint.received]


def test_a_flood_is_told_as_few_messages_the_most_severe_first_and_nobody_is_forgotten(
    engine: ClickHouseAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alerts.yaml").write_text(ROUTING)
    now_s = START_S
    outbox = Deliveries(OUTBOX)
    sizes: list[int] = []

    async def scenario() -> dict[str, ChatEndpoint]:
        nonlocal now_s
        async with ChatEndpoint() as desk, ChatEndpoint() as floor:
            monkeypatch.setenv("DESK_URL", desk.url())
            monkeypatch.setenv("FLOOR_URL", floor.url("/floor"))
            monkeypatch.setenv("DESK_SECRET", "whsec_" + "A" * 32)
            settings = Settings(alert_routing=tmp_path / "alerts.yaml", clickhouse=ClickHouseSettings(port=engine.port))
            agent = AlertsAgent(settings, now_s=lambda: now_s, wall_ms=lambda: round(now_s * 1000))
            await agent.start()
            await agent.assigned(frozenset({0}))

            async def pass_time(seconds: float) -> None:
                nonlocal now_s
                now_s += seconds
                await agent.tick()
                await eventually(lambda: all(sender.waiting == 0 for sender in agent._senders.values()))
                await agent.tick()

            values = [encode_intent(one) for one in frictions()]
            for start in range(0, FRICTIONS, 100):
                await agent.handle(outbox.chunk(values[start : start + 100]))
                sizes.append(len(snapshot(agent._state)))
                await pass_time(3.0)
            for _ in range(5):
                await pass_time(61.0)
            now_s = START_S + 2 * 3600
            for _ in range(5):
                await pass_time(61.0)
            await agent.close()
            return {"desk": desk, "floor": floor}

    endpoints = asyncio.run(asyncio.wait_for(scenario(), 120))
    assert outbox.acknowledged[-1] == FRICTIONS
    assert sizes[-1] < sizes[10] * 1.05, "what is remembered depends on the causes, not on their frictions"
    for name, endpoint in endpoints.items():
        messages = told(endpoint)
        opened = [one["subjects"][0]["severity"] for one in messages if one["kind"] == "opened"]
        assert all(first >= after for first, after in pairwise(opened)), (name, opened)
        assert len(opened) == {"desk": 6, "floor": 4}[name]
        decided = [request.json["timestamp"] for request in endpoint.received]
        by_minute = Counter(moment[:16] for moment in decided)
        assert max(by_minute.values()) <= LIMITS[name], by_minute
        assert len(messages) <= 25, "of two thousand frictions"
    digests = [one for one in told(endpoints["desk"]) if one["kind"] == "digest"]
    slight = sorted(subject["severity"] for one in digests for subject in one["subjects"])
    assert slight == [1, 1, 2, 2], "what is slight is told once a day"
    client = connect(engine)
    try:
        became = dict(client.execute("SELECT channel, groupUniqArray(state) FROM v_alerts GROUP BY channel"))
        counted = client.execute("SELECT channel, uniqExact(friction_id) FROM v_alerts GROUP BY channel ORDER BY 1")
        (sums,) = client.execute("SELECT sum(frictions), sum(customers) FROM v_alert_incidents")
    finally:
        client.disconnect()
    assert counted == [("desk", 2_000), ("floor", 800)]
    assert sums == (2_000, 2_000)
    assert {name: set(states) <= {"delivered", "digested"} for name, states in became.items()} == {
        "desk": True,
        "floor": True,
    }, became

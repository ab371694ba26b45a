"""The alerts agent between a real endpoint and a store in memory: each friction once, none after its withdrawal."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.alerts import AlertIntent, encode_intent
from streams.alerts_agent import AlertsAgent
from streams.settings import Settings
from streams.topics import OUTBOX
from tests.support.alert_intents import an_intent
from tests.support.chat_endpoint import Answer, ChatEndpoint
from tests.support.deadline import eventually
from tests.support.deliveries import Deliveries
from tests.support.faults import Faults, Killed, Moment
from tests.support.memory_store import MemoryStore

ROUTING = """
channels:
  desk: {type: slack, url_env: DESK_URL}
  floor: {type: slack, url_env: FLOOR_URL}
routes:
  - channels: [desk]
  - channels: [floor]
    min_severity: 4
"""
BUSY = Answer(status=503)


class Clock:
    """Seconds, put forward by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Desk:
    """Two chat endpoints, a ledger that outlives agents, and the outbox topic."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryStore()
        self.outbox = Deliveries(OUTBOX)
        self.clock = Clock()
        self.endpoint = ChatEndpoint()
        self.floor = ChatEndpoint()
        self._monkeypatch = monkeypatch
        self._routing = folder / "alerts.yaml"
        self._routing.write_text(ROUTING)

    async def agent(self) -> AlertsAgent:
        """A new worker's agent."""
        self._monkeypatch.setenv("DESK_URL", self.endpoint.url())
        self._monkeypatch.setenv("FLOOR_URL", self.floor.url("/services/T00/B00/other-part"))
        agent = AlertsAgent(Settings(alert_routing=self._routing), self.store, self.clock)
        await agent.start()
        await agent.assigned(frozenset({0}))
        return agent

    async def deliver(self, agent: AlertsAgent, *intents: AlertIntent) -> None:
        await agent.handle(self.outbox.chunk([encode_intent(intent) for intent in intents]))

    @property
    def told(self) -> list[str]:
        """Sentences that the desk got, in order."""
        return [said(request.json) for request in self.endpoint.received]

    @property
    def ledger(self) -> list[tuple[str, str, str]]:
        return [(row["friction_id"], row["channel"], row["state"]) for row in self.store.written["alerts"]]


def said(payload: Any) -> str:
    return str(payload["text"])


def friction(name: str, *, version: int = 1, severity: int = 2, action: str = "open") -> AlertIntent:
    return an_intent(
        friction_id=name, version=version, severity=severity, action=action, sentence_en=f"sentence of {name}"
    )


def run(desk: Desk, scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with desk.endpoint, desk.floor:
            await scenario(desk)

    asyncio.run(asyncio.wait_for(whole(), 60))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def names(told: list[str], *candidates: str) -> list[str]:
    """Which frictions were told of, in order."""
    return [name for text in told for name in candidates if f"sentence of {name}" in text]


def test_a_friction_is_told_noted_and_then_acknowledged(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        assert names(desk.told, "f1") == ["f1"]
        assert desk.ledger == [("f1", "desk", "delivered")]
        assert desk.outbox.acknowledged == [1]
        await agent.close()

    run(desk, scenario)


def test_the_routing_decides_which_channels_hear_of_it(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", severity=3), friction("f2", severity=4))
        assert names(desk.told, "f1", "f2") == ["f1", "f2"]
        assert names([said(request.json) for request in desk.floor.received], "f1", "f2") == ["f2"]
        await agent.close()

    run(desk, scenario)


def test_repetitions_and_revisions_tell_nobody_again_not_even_after_a_restart(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", version=1))
        await desk.deliver(agent, friction("f1", version=1), friction("f1", version=2))
        await agent.close()
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", version=1), friction("f1", version=3))
        assert names(desk.told, "f1") == ["f1"]
        assert desk.outbox.acknowledged == [1, 3, 5]
        await agent.close()

    run(desk, scenario)


def test_an_endpoint_that_is_away_holds_back_its_alerts_in_order_and_their_acknowledgement(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await desk.deliver(agent, friction("f2"))
        assert len(desk.endpoint.received) == 1, "nobody is called again before the pause is over"
        assert desk.ledger == []
        assert desk.outbox.acknowledged == []
        await agent.tick()
        assert len(desk.endpoint.received) == 1
        desk.clock.now_s += 1.0
        await agent.tick()
        assert names(desk.told, "f1", "f2") == ["f1", "f1", "f2"]
        assert desk.outbox.acknowledged == [1, 2]
        await agent.close()

    run(desk, scenario)


def test_while_alerts_wait_for_their_channel_the_agent_gives_signs_of_life_and_none_before_or_after(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await agent.tick()
        assert agent.pulse.beats == 0
        await desk.deliver(agent, friction("f1"))
        for _ in range(3):
            await agent.tick()
        assert agent.pulse.beats == 3
        desk.clock.now_s += 1.0
        await agent.tick()
        await agent.tick()
        assert names(desk.told, "f1") == ["f1", "f1"]
        assert agent.pulse.beats == 3
        await agent.close()

    run(desk, scenario)


def test_pauses_double_and_what_the_endpoint_asks_for_wins(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY, BUSY, BUSY, Answer(status=429, headers={"Retry-After": "90"}))
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        waited = []
        for pause in (1.0, 2.0, 4.0, 90.0):
            for part in (pause - 0.1, 0.1):
                calls = len(desk.endpoint.received)
                desk.clock.now_s += part
                await agent.tick()
                waited.append(len(desk.endpoint.received) - calls)
        assert waited == [0, 1] * 4
        assert desk.outbox.acknowledged == [1]
        await agent.close()

    run(desk, scenario)


def test_another_channel_goes_on_while_one_is_away(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", severity=5))
        await desk.deliver(agent, friction("f2", severity=5))
        assert names([said(request.json) for request in desk.floor.received], "f1", "f2") == ["f1", "f2"]
        assert desk.outbox.acknowledged == []
        desk.clock.now_s += 1.0
        await agent.tick()
        assert len(desk.floor.received) == 2, "what was told is not told again with what was not"
        assert desk.outbox.acknowledged == [1, 2]
        await agent.close()

    run(desk, scenario)


def test_a_withdrawal_overtakes_an_alert_that_waits(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", version=1), friction("f2", version=1))
        await desk.deliver(agent, friction("f1", version=2, action="retract"))
        desk.clock.now_s += 1.0
        await agent.tick()
        assert names(desk.told[1:], "f1", "f2") == ["f2"]
        assert ("f1", "", "retracted") in desk.ledger
        assert desk.outbox.acknowledged == [1 + 1, 3]
        await agent.close()

    run(desk, scenario)


def test_a_withdrawn_friction_stays_untold_when_its_opening_is_read_again(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", version=2, action="retract"))
        await agent.close()
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", version=1))
        assert desk.told == []
        await desk.deliver(agent, friction("f1", version=3))
        assert names(desk.told, "f1") == ["f1"], "it opened again after the withdrawal"
        await agent.close()

    run(desk, scenario)


def test_while_one_channel_waits_the_store_is_not_asked_for_the_others_again_and_again(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(Answer(), BUSY)
        desk.floor.answer_next(Answer(status=429, headers={"Retry-After": "600"}))
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", severity=5))
        reads = desk.store.reads
        for _ in range(50):
            await agent.tick()
        assert desk.store.reads == reads, "the desk was told of everything"

        # The desk has a pause, and then nothing to wait for any more.
        await desk.deliver(agent, friction("f2", severity=2))
        await desk.deliver(agent, friction("f2", version=2, action="retract"))
        desk.clock.now_s += 2.0
        reads = desk.store.reads
        for _ in range(50):
            await agent.tick()
        assert desk.store.reads <= reads + 1
        assert len(desk.floor.received) == 1
        await agent.close()

    run(desk, scenario)


def test_what_a_channel_refuses_for_good_is_noted_and_holds_nobody_up(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(Answer(status=404, body="no_team"))
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"), friction("f2"))
        assert desk.ledger == [("f1", "desk", "refused"), ("f2", "desk", "delivered")]
        assert desk.outbox.acknowledged == [2]
        await agent.close()

    run(desk, scenario)


def test_a_record_that_is_no_intent_is_passed_over(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await agent.handle(desk.outbox.chunk([None, b"", b"{", b'{"action": "open"}', encode_intent(friction("f1"))]))
        assert names(desk.told, "f1") == ["f1"]
        assert desk.outbox.acknowledged == [5]
        await agent.close()

    run(desk, scenario)


@pytest.mark.parametrize("moment", Moment)
def test_a_death_between_telling_and_noting_is_the_only_one_that_can_tell_twice(desk: Desk, moment: Moment) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        desk.store.faults = Faults(at_step=0, moment=moment)
        with pytest.raises(Killed):
            await desk.deliver(agent, friction("f1"))
        assert desk.outbox.acknowledged == []
        desk.store.faults = Faults()
        await agent.close()
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        assert len(desk.told) == (1 if moment is Moment.AFTER else 2)
        await agent.close()

    run(desk, scenario)


def test_whoever_loses_the_partition_tells_nothing_more_of_it(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await agent.revoked(5.0)
        desk.clock.now_s += 100.0
        await agent.tick()
        assert len(desk.endpoint.received) == 1
        assert desk.outbox.acknowledged == []
        await agent.assigned(frozenset({0}))
        await desk.deliver(agent, friction("f2"))
        assert names(desk.told[1:], "f1", "f2") == ["f2"]
        assert desk.outbox.acknowledged == [2]
        await agent.close()

    run(desk, scenario)


def test_a_rebalance_waits_for_the_alert_in_hand_and_not_for_those_behind_it(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        handling = asyncio.create_task(desk.deliver(agent, *(friction(f"f{number}") for number in range(500))))
        await eventually(lambda: len(desk.endpoint.received) > 0)
        await agent.revoked(30.0)
        await handling
        told = len(desk.told)
        assert 0 < told < 500
        assert len(desk.ledger) == told, "what was told is noted"
        await agent.close()

    run(desk, scenario)


def test_a_rebalance_does_not_wait_for_an_endpoint_that_hangs(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(Answer(hangs=True))
        agent = await desk.agent()
        handling = asyncio.create_task(desk.deliver(agent, friction("f1")))
        await eventually(lambda: len(desk.endpoint.received) > 0)
        await asyncio.wait_for(agent.revoked(0.05), 5)
        await asyncio.wait_for(handling, 5)
        assert desk.outbox.acknowledged == []
        await agent.close()

    run(desk, scenario)


def test_when_too_many_wait_no_more_are_read_until_there_is_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.alerts_agent._MOST_WAITING", 1)

    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        handling = asyncio.create_task(desk.deliver(agent, friction("f1"), friction("f2")))
        await eventually(lambda: len(desk.endpoint.received) > 0)
        done, _ = await asyncio.wait({handling}, timeout=0.2)
        assert not done
        desk.clock.now_s += 1.0
        await agent.tick()
        await asyncio.wait_for(handling, 5)
        assert desk.outbox.acknowledged == [2]
        await agent.close()

    run(desk, scenario)

"""The alerts agent between real endpoints and a store in memory: nothing is lost, nothing is told twice."""

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession

from schemas.alerts import AlertIntent, encode_intent
from sinks.alerts.incidents import snapshot
from sinks.alerts.posting import HttpSender, Limits
from sinks.clickhouse.records import ActionRecord
from sinks.clickhouse.rows import action_block
from streams.alert_sending import STEPS, ChannelSender
from streams.alerts_agent import AlertsAgent
from streams.metrics import CATALOGUE
from streams.settings import Settings
from streams.topics import OUTBOX
from tests.support.alert_intents import an_intent
from tests.support.chat_endpoint import Answer, ChatEndpoint, Received
from tests.support.deadline import eventually
from tests.support.deliveries import Deliveries
from tests.support.faults import Faults, Killed, Moment
from tests.support.memory_store import MemoryStore

ROUTING = """
channels:
  desk: {type: webhook, url_env: DESK_URL, secret_env: DESK_SECRET}
  floor: {type: webhook, url_env: FLOOR_URL, secret_env: DESK_SECRET}
routes:
  - channels: [desk]
  - channels: [floor]
    min_severity: 4
group_wait: 10s
group_interval: 1m
minimum: false
digest: false
limit: false
"""
AT_ONCE = ROUTING.replace("10s", "0s") + "group_by: ['...']\n"
BUSY = Answer(status=503)
#: Monday, 2026-01-05, 10:00 UTC.
START_S = 1_767_607_200.0


class Clock:
    """Seconds, put forward by hand."""

    def __init__(self) -> None:
        self.now_s = START_S

    def __call__(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return round(self.now_s * 1000)


class Desk:
    """Two endpoints, a store that outlives agents, and the outbox topic."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryStore()
        self.outbox = Deliveries(OUTBOX)
        self.clock = Clock()
        self.endpoint = ChatEndpoint()
        self.floor = ChatEndpoint()
        self._monkeypatch = monkeypatch
        self.routing = folder / "alerts.yaml"
        self.routing.write_text(ROUTING)

    async def agent(self) -> AlertsAgent:
        """A new worker's agent."""
        self._monkeypatch.setenv("DESK_URL", self.endpoint.url())
        self._monkeypatch.setenv("FLOOR_URL", self.floor.url("/services/T00/B00/other-part"))
        self._monkeypatch.setenv("DESK_SECRET", "whsec_" + "A" * 32)
        agent = AlertsAgent(
            Settings(alert_routing=self.routing),
            self.store,
            self.clock,
            self.clock.wall_ms,
            HttpSender(Limits(total_s=0.3)),
        )
        await agent.start()
        await agent.assigned(frozenset({0}))
        return agent

    async def deliver(self, agent: AlertsAgent, *intents: AlertIntent) -> None:
        await agent.handle(self.outbox.chunk([encode_intent(intent) for intent in intents]))

    async def pass_time(self, agent: AlertsAgent, seconds: float) -> None:
        """Let time go by, and let the agent look."""
        self.clock.now_s += seconds
        await agent.tick()

    async def act(self, agent: AlertsAgent, **fields: Any) -> None:
        now = self.clock.wall_ms()
        self.store.take(action_block([ActionRecord(action_id=f"a{now}", acted_at=now, **fields)], token_prefix="t"))
        await self.pass_time(agent, 3.0)

    @property
    def told(self) -> list[tuple[str, str]]:
        """Kind of message and friction shown, of what the desk took, in order."""
        return told(self.endpoint)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Newest rows of a table."""
        ids = {"alert_notices": "notice_id", "alert_incidents": "incident_id"}
        newest: dict[str, dict[str, Any]] = {}
        for row in self.store.written[table]:
            key = row[ids[table]]
            if key not in newest or row["version"] >= newest[key]["version"]:
                newest[key] = row
        return list(newest.values())


def taken(endpoint: ChatEndpoint) -> list[Received]:
    return [
        one for one in endpoint.received if 200 <= one.answer.status < 300 and not (one.answer.hangs or one.answer.cuts)
    ]


def told(endpoint: ChatEndpoint) -> list[tuple[str, str]]:
    data = [request.json["data"] for request in taken(endpoint)]
    return [(one["kind"], one["subjects"][0]["friction_id"]) for one in data]


def friction(name: str, *, version: int = 1, severity: int = 2, action: str = "open", **changes: Any) -> AlertIntent:
    fields: dict[str, Any] = {"friction_id": name, "person_key": f"person of {name}"}
    return an_intent(**{**fields, "version": version, "severity": severity, "action": action, **changes})


def states(desk: Desk) -> set[tuple[str, str]]:
    """Kind and state of each message the agent knows."""
    return {(row["kind"], row["state"]) for row in desk.rows("alert_notices")}


def has_tried(desk: Desk, attempts: int) -> bool:
    """Whether the only message was tried so often and waits again."""
    (notice,) = desk.rows("alert_notices")
    return (notice["attempts"], bool(notice["reason"])) == (attempts, True)


def has_failed(desk: Desk, attempts: int) -> bool:
    """Whether so many attempts to send one of the messages failed."""
    return any(row["attempts"] == attempts and row["reason"] for row in desk.rows("alert_notices"))


def run(desk: Desk, scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with desk.endpoint, desk.floor:
            await scenario(desk)

    asyncio.run(asyncio.wait_for(whole(), 60))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_what_was_read_is_settled_and_acknowledged_before_anybody_is_told(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"), friction("f2"))
        assert desk.outbox.acknowledged == [2]
        assert [(row["friction_id"], row["state"]) for row in desk.store.written["alerts"]] == [
            ("f1", "waiting"), ("f2", "waiting"),
        ]  # fmt: skip
        await desk.pass_time(agent, 9.0)
        assert desk.endpoint.received == []
        await desk.pass_time(agent, 2.0)
        await eventually(lambda: desk.told == [("opened", "f1")])
        (subject,) = desk.endpoint.received[0].json["data"]["subjects"]
        assert (subject["customers"], subject["this_week"]) == (2, 2)
        await agent.close()
        assert [row["state"] for row in desk.rows("alert_notices")] == ["delivered"]

    run(desk, scenario)


def test_the_policy_decides_which_channels_hear_of_it(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", severity=3), friction("f2", severity=4))
        await eventually(lambda: len(desk.told) == 2 and len(told(desk.floor)) == 1)
        assert told(desk.floor) == [("opened", "f2")]
        await agent.close()

    run(desk, scenario)


def test_repetitions_tell_nobody_again_not_even_after_a_restart(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        for version in (1, 2):
            agent = await desk.agent()
            await desk.deliver(agent, friction("f1", version=1), friction("f1", version=version))
            await eventually(lambda: len(desk.told) == 1)
            await desk.pass_time(agent, 100.0)
            await agent.close()
        assert desk.told == [("opened", "f1")]

    run(desk, scenario)


@pytest.mark.parametrize(
    ("answers", "pauses"),
    [
        ([Answer(status=429, headers={"Retry-After": "90"})], [90.0]),
        ([Answer(status=500), BUSY, BUSY], [1.0, 2.0, 4.0]),
        ([Answer(hangs=True)], [1.0]),
    ],
    ids=["429 with Retry-After", "500 and 503", "hangs"],
)
def test_every_retry_comes_when_it_may_and_with_the_same_id_and_the_same_bytes(
    desk: Desk, answers: list[Answer], pauses: list[float]
) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(*answers)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        assert desk.outbox.acknowledged == [1], "whoever is told later holds up nobody"
        for number, pause in enumerate(pauses, 1):
            await eventually(partial(has_tried, desk, number))
            await desk.pass_time(agent, pause - 0.5)
            await asyncio.sleep(0.1)
            assert len(desk.endpoint.received) == number
            await desk.pass_time(agent, 0.5)
        await eventually(lambda: len(desk.endpoint.received) == len(pauses) + 1)
        assert len({request.headers["webhook-id"] for request in desk.endpoint.received}) == 1
        assert len({request.body for request in desk.endpoint.received}) == 1
        await eventually(lambda: desk.rows("alert_notices")[0]["state"] == "delivered")
        await agent.close()

    run(desk, scenario)


def test_an_endpoint_that_is_away_is_left_alone_and_then_tried_with_one_message(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_always(BUSY)
        agent = await desk.agent()

        def circuit() -> float:
            return {sample.labels: sample.value for sample in agent.measure() if "circuit" in sample.metric}[("desk",)]

        assert circuit() == 0.0
        await desk.deliver(agent, *(friction(f"f{number}", severity=4) for number in range(5)))
        await eventually(lambda: circuit() == 1.0)
        # Another channel goes on.
        await eventually(lambda: len(told(desk.floor)) == 5)
        desk.clock.now_s += 1.0
        assert circuit() == 0.5
        await eventually(lambda: circuit() == 1.0)
        assert len(desk.endpoint.received) == 2
        desk.endpoint.answer_always(Answer())
        desk.clock.now_s += 2.0
        await eventually(lambda: len(desk.told) == 5)
        assert circuit() == 0.0
        measured = {sample.metric for sample in agent.measure()}
        assert measured == {name for name in CATALOGUE if name.startswith("journeys_alert_")}
        await agent.close()

    run(desk, scenario)


def test_what_a_channel_refuses_is_noted_holds_nobody_up_and_can_be_sent_again(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(Answer(status=404))
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"), friction("f2"))
        await eventually(lambda: len(desk.told) == 1)
        await desk.pass_time(agent, 1.0)
        (refused,) = [row for row in desk.rows("alert_notices") if row["state"] == "refused"]
        assert "404" in refused["reason"]
        await desk.act(agent, kind="replay", notice_id=refused["notice_id"])
        await eventually(lambda: len(desk.told) == 2)
        assert desk.endpoint.received[-1].headers["webhook-id"] == refused["notice_id"]
        await desk.pass_time(agent, 3.0)
        assert len(desk.endpoint.received) == 3, "what was done is done once"
        await agent.close()

    run(desk, scenario)


def test_what_was_told_and_turns_out_wrong_is_withdrawn_with_its_reason(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await desk.pass_time(agent, 11.0)
        await eventually(lambda: len(desk.told) == 1)
        await desk.deliver(agent, friction("f1", version=2, action="retract", because_en="the reply did arrive"))
        await desk.pass_time(agent, 1.0)
        await eventually(lambda: len(desk.endpoint.received) == 2)
        data = desk.endpoint.received[-1].json["data"]
        assert (data["kind"], data["because_en"]) == ("withdrawn", "the reply did arrive")
        assert desk.rows("alert_incidents")[0]["phase"] == "withdrawn"
        await agent.close()

    run(desk, scenario)


def test_a_withdrawal_overtakes_a_message_that_waits_for_its_endpoint(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"), friction("f2"))
        await eventually(lambda: len(desk.endpoint.received) == 1)
        first = desk.endpoint.received[0].json["data"]["subjects"][0]["friction_id"]
        await desk.deliver(agent, friction(first, version=2, action="retract"))
        desk.clock.now_s += 5.0
        await eventually(lambda: len(desk.told) == 1)
        await desk.pass_time(agent, 100.0)
        assert [name for _, name in desk.told] == ["f1" if first == "f2" else "f2"]
        assert sorted(row["state"] for row in desk.rows("alert_notices")) == ["delivered", "superseded"]
        await agent.close()

    run(desk, scenario)


#: What an endpoint does to the first attempts, how often that is, and whether the endpoint has the message after it.
TROUBLE = {
    "answers": ([], 0, 0),
    "cuts after receiving": ([Answer(cuts=True)], 1, 1),
    "429 with Retry-After": ([Answer(status=429, headers={"Retry-After": "7"})], 1, 0),
    "500, then cuts": ([Answer(status=500), Answer(cuts=True)], 2, 1),
    "hangs": ([Answer(hangs=True)], 1, 1),
    "drips after it said 200": ([Answer(drips=True)], 0, 0),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_every_friction_is_told_at_least_once_and_once_where_nothing_was_cut(desk: Desk, trouble: str) -> None:
    answers, attempts, may_be_repeated = TROUBLE[trouble]

    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        # In the middle of others, which go on to be told once.
        desk.endpoint.answer_next(Answer(), *answers)
        agent = await desk.agent()
        names = [f"f{number}" for number in range(6)]
        await desk.deliver(agent, *(friction(name) for name in names))
        for number in range(1, attempts + 1):
            await eventually(partial(has_failed, desk, number))
            await desk.pass_time(agent, 10.0)
        await settled(agent)
        await agent.close()
        by_message: dict[str, list[Received]] = {}
        for request in desk.endpoint.received:
            by_message.setdefault(request.headers["webhook-id"], []).append(request)
        shown = {one[0].json["data"]["subjects"][0]["friction_id"]: one for one in by_message.values()}
        assert sorted(shown) == names, "at least once each, and a message is of one friction"
        repeated = [one for one in shown.values() if len(one) > 1]
        assert sorted(map(len, repeated)) == ([attempts + 1] if attempts else [])
        for one in shown.values():
            assert len({request.body for request in one}) == 1, "the same bytes under the same id"
            whole = [request for request in one if request in taken(desk.endpoint)]
            assert len(whole) == 1, "exactly once where nothing was cut"
        had = [request for one in repeated for request in one if request.answer.status == 200]
        assert len(had) == (may_be_repeated + 1 if attempts else 0)
        assert {row["state"] for row in desk.rows("alert_notices")} == {"delivered"}

    run(desk, scenario)


def test_an_endpoint_that_breaks_off_tls_gets_everything_once_it_speaks_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without TLS on a port where TLS is wanted answers the handshake with what is none."""

    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        agent = await desk.agent()
        monkeypatch.setenv("DESK_URL", desk.endpoint.url().replace("http:", "https:"))
        await desk.deliver(agent)
        desk.routing.write_text(AT_ONCE + "resolve_after: 1d\n")
        await desk.pass_time(agent, 6.0)
        await desk.deliver(agent, friction("f1"), friction("f2"))
        await eventually(lambda: any(row["reason"] for row in desk.rows("alert_notices")))
        (tried,) = [row for row in desk.rows("alert_notices") if row["attempts"]]
        assert (tried["state"], desk.endpoint.received) == ("due", []), "nobody can have seen it"
        monkeypatch.setenv("DESK_URL", desk.endpoint.url())
        desk.routing.write_text(AT_ONCE)
        await desk.pass_time(agent, 6.0)
        await settled(agent)
        assert sorted(name for _, name in desk.told) == ["f1", "f2"]
        assert len({request.headers["webhook-id"] for request in desk.endpoint.received}) == 2
        await agent.close()

    run(desk, scenario)


@pytest.mark.parametrize(
    "unknown", [Answer(hangs=True), Answer(cuts=True), Answer(status=502)], ids=["hangs", "cuts", "502"]
)
@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_may_have_been_seen_is_withdrawn_as_if_it_had_been_told(
    desk: Desk, unknown: Answer, *, is_restarted: bool
) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(unknown, *[BUSY] * is_restarted)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: has_tried(desk, 1))
        if is_restarted:
            await agent.close()
            agent = await desk.agent()
            await eventually(lambda: has_tried(desk, 2))
        await desk.deliver(agent, friction("f1", version=2, action="retract", because_en="the reply did arrive"))
        await desk.pass_time(agent, 5.0)
        await eventually(lambda: [kind for kind, _ in desk.told] == ["withdrawn"])
        await settled(agent)
        assert sorted(row["state"] for row in desk.rows("alert_notices")) == ["delivered", "uncertain"]
        await agent.close()

    run(desk, scenario)


def test_what_may_have_been_seen_before_it_expired_is_withdrawn_when_it_was_wrong(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE + "expires_after: 1m\n")
        desk.endpoint.answer_next(Answer(hangs=True))
        desk.endpoint.answer_always(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: has_tried(desk, 1))
        desk.clock.now_s += 60.0
        while "expired" not in {row["state"] for row in desk.rows("alert_notices")}:
            await desk.pass_time(agent, 1.0)
            await asyncio.sleep(0.01)
        desk.endpoint.answer_always(Answer())
        await desk.deliver(agent, friction("f1", version=2, action="retract", because_en="the reply did arrive"))
        await desk.pass_time(agent, 10.0)
        await eventually(lambda: ("expired", "delivered") in states(desk))
        # What a channel was told is taken back at a look after it was told, never before.
        await desk.pass_time(agent, 10.0)
        await eventually(lambda: desk.told == [("expired", "f1"), ("withdrawn", "f1")])
        await agent.close()

    run(desk, scenario)


def test_a_later_answer_that_it_was_not_taken_says_nothing_of_the_attempt_before(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(Answer(cuts=True), BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: has_tried(desk, 1))
        await desk.pass_time(agent, 1.0)
        await eventually(lambda: has_tried(desk, 2))
        await desk.deliver(agent, friction("f1", version=2, action="retract"))
        await desk.pass_time(agent, 10.0)
        await eventually(lambda: [kind for kind, _ in desk.told] == ["withdrawn"])
        await agent.close()

    run(desk, scenario)


def test_a_withdrawal_waits_for_the_message_that_is_on_its_way(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(Answer(hangs=True))
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: len(desk.endpoint.received) == 1)
        await desk.deliver(agent, friction("f1", version=2, action="retract"))
        states = {row["kind"]: (row["state"], row["attempts"]) for row in desk.rows("alert_notices")}
        assert states["opened"] == ("uncertain", 1), "it timed out, and is not sent again"
        await agent.close()

    run(desk, scenario)


def test_a_message_of_what_was_withdrawn_is_not_sent_after_a_restart(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: has_tried(desk, 1))
        # The worker dies when the withdrawal is decided, and before its message is taken back.
        desk.store.faults = Faults(at_step=2, moment=Moment.BEFORE)
        with pytest.raises(Killed):
            await desk.deliver(agent, friction("f1", version=2, action="retract"))
        assert desk.store.faults.steps[2] == "insert alert_notices"
        desk.store.faults = Faults()
        await agent.close()
        agent = await desk.agent()
        await desk.pass_time(agent, 10.0)
        await settled(agent)
        assert desk.told == []
        assert [row["state"] for row in desk.rows("alert_notices")] == ["superseded"]
        await agent.close()

    run(desk, scenario)


def test_a_changed_file_is_taken_and_a_wrong_one_is_not(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        desk.routing.write_text("channels: {desk: {type: nothing}}\n")
        await desk.pass_time(agent, 6.0)
        await desk.deliver(agent, friction("f1"))
        await desk.pass_time(agent, 11.0)
        await eventually(lambda: len(desk.told) == 1)
        changed = ROUTING.replace("routes:\n  - channels: [desk]", "routes:\n  - channels: [floor]").replace(
            "10s", "0s"
        )
        desk.routing.write_text(changed)
        await desk.pass_time(agent, 6.0)
        await desk.deliver(agent, friction("f2", rule_id="wait_sum"))
        await eventually(lambda: told(desk.floor) == [("opened", "f2")])
        assert len(desk.told) == 1
        await agent.close()

    run(desk, scenario)


def test_what_a_channel_was_to_get_is_given_up_when_the_file_names_it_no_more(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.floor.answer_always(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1", severity=5))
        await eventually(lambda: len(desk.floor.received) == 1 and len(desk.told) == 1)
        await agent.close()
        only_desk = AT_ONCE.replace("  - channels: [floor]\n    min_severity: 4\n", "")
        desk.routing.write_text("".join(line for line in only_desk.splitlines(keepends=True) if "FLOOR" not in line))
        agent = await desk.agent()
        await desk.pass_time(agent, 10.0)
        assert sorted(row["state"] for row in desk.rows("alert_notices")) == ["delivered", "superseded"]
        assert len(desk.floor.received) == 1
        await agent.close()

    run(desk, scenario)


def test_somebody_acknowledges_assigns_and_snoozes_and_the_incident_says_so(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await desk.pass_time(agent, 11.0)
        await eventually(lambda: len(desk.told) == 1)
        (incident,) = desk.rows("alert_incidents")
        about = {"incident_id": incident["incident_id"], "cause": incident["cause"], "acted_by": "ann"}
        await desk.act(agent, kind="acknowledge", **about)
        await desk.act(agent, kind="assign", text="bob", **about)
        until = desk.clock.wall_ms() + 3_600_000
        await desk.act(agent, kind="snooze", until=until, **about)
        (incident,) = desk.rows("alert_incidents")
        assert (incident["acknowledged_by"], incident["assigned_to"]) == ("ann", "bob")
        await agent.close()

        agent = await desk.agent()
        await desk.deliver(agent, *(friction(f"g{number}") for number in range(5)))
        await desk.pass_time(agent, 300.0)
        assert len(desk.told) == 1, "a snooze outlives a restart"
        assert desk.store.written["alerts"][-1]["reason"] == "snoozed by ann"
        await desk.pass_time(agent, 3600.0)
        await eventually(lambda: len(desk.told) == 2)
        assert desk.endpoint.received[-1].json["data"]["acknowledged_by"] == "ann"
        await agent.close()

    run(desk, scenario)


def test_a_record_that_is_no_intent_is_passed_over(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        agent = await desk.agent()
        await agent.handle(desk.outbox.chunk([None, b"", b"{", b'{"action": "open"}', encode_intent(friction("f1"))]))
        await eventually(lambda: desk.told == [("opened", "f1")])
        assert desk.outbox.acknowledged == [5]
        await agent.close()

    run(desk, scenario)


# Deaths.

#: One cause that grows, is told, told again and withdrawn; another that stays.
STORY = [
    [friction("f1", severity=4), friction("f2")],
    [friction("f3", rule_id="wait_sum"), *(friction(f"g{number}") for number in range(4))],
    [friction("f3", rule_id="wait_sum", version=2, action="retract")],
]


async def live(desk: Desk, agent: AlertsAgent, chunks: list[list[AlertIntent]]) -> None:
    """Let the story happen, as far as it goes; each chunk until nothing more is sent of it."""
    for chunk in chunks:
        await desk.deliver(agent, *chunk)
        for seconds in (11.0, 61.0):
            await desk.pass_time(agent, seconds)
            await settled(agent)
    await desk.pass_time(agent, 61.0)
    await settled(agent)


async def settled(agent: AlertsAgent) -> None:
    def is_quiet() -> bool:
        for sender in agent._senders.values():
            if (failure := sender.failure) is not None:
                raise failure
        return all(sender.waiting == 0 for sender in agent._senders.values())

    await eventually(is_quiet)


def expected_story(endpoint: ChatEndpoint) -> Counter[tuple[str, str]]:
    data = [request.json["data"] for request in taken(endpoint)]
    return Counter((one["kind"], one["subjects"][0]["rule_id"]) for one in data)


WHOLE = Counter(
    {("opened", "channel_redirect"): 1, ("updated", "channel_redirect"): 1, ("opened", "wait_sum"): 1,
     ("withdrawn", "wait_sum"): 1}
)  # fmt: skip


def test_the_story_without_deaths(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        agent = await desk.agent()
        await live(desk, agent, STORY)
        assert expected_story(desk.endpoint) == WHOLE
        assert told(desk.floor) == [("opened", "f1")], "what is slight and joins later is none of its business"
        steps = len(desk.store.faults.steps)
        assert steps == 25, "the deaths below are at each of them"
        await agent.close()

    run(desk, scenario)


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
@pytest.mark.parametrize("part", range(4))
def test_a_death_at_any_write_loses_nothing_and_tells_twice_only_between_answer_and_note(
    desk: Desk, part: int, moment: Moment
) -> None:
    async def die_at(number: int) -> None:
        desk.store = MemoryStore(Faults(at_step=number, moment=moment))
        desk.outbox = Deliveries(OUTBOX)
        desk.clock.now_s = START_S
        before = (len(desk.endpoint.received), len(desk.floor.received))
        agent = await desk.agent()
        left = list(STORY)
        is_dead = False
        try:
            for chunk in STORY:
                await live(desk, agent, [chunk])
                left.remove(chunk)
        except Killed:
            is_dead = True
        name = desk.store.faults.steps[number] if number < len(desk.store.faults.steps) else ""
        acknowledged = max(desk.outbox.acknowledged, default=0)
        desk.store.faults = Faults()
        # What the other channel has on its way is not to be cut too.
        await eventually(lambda: not any(sender.is_sending for sender in agent._senders.values()))
        await agent.close()
        if is_dead:
            agent = await desk.agent()
            # What was not acknowledged is read again; the rest of the log follows.
            position, again = 0, []
            for chunk in STORY:
                again += [[one for offset, one in enumerate(chunk, position) if offset >= acknowledged]]
                position += len(chunk)
            await live(desk, agent, [chunk for chunk in again if chunk] or [[]])
            await agent.close()
        requests = taken(desk.endpoint)[before[0] :]
        kinds = Counter((one.json["data"]["kind"], one.json["data"]["subjects"][0]["rule_id"]) for one in requests)
        ids = Counter(one.headers["webhook-id"] for one in (*requests, *taken(desk.floor)[before[1] :]))
        repeated = sum(count - 1 for count in ids.values())
        assert repeated <= (1 if name == "insert alert_notices" and moment is Moment.BEFORE else 0), (number, name)
        redirects = [one.json["data"]["subjects"][0] for one in requests]
        customers = [one["customers"] for one in redirects if one["rule_id"] == "channel_redirect"]
        assert kinds["opened", "channel_redirect"] - repeated <= 1, (number, name, kinds)
        assert max(customers) == 6, (number, name, "somebody was not told of")
        # Where the withdrawal is read again before the opening was sent, neither is said.
        assert bool(kinds["withdrawn", "wait_sum"]) == bool(kinds["opened", "wait_sum"]), (number, name, kinds)

    async def scenario(desk: Desk) -> None:
        for number in range(part, 25, 4):
            await die_at(number)

    run(desk, scenario)


@pytest.mark.parametrize("where", STEPS)
def test_a_death_while_sending_is_made_up_for(desk: Desk, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        agent = await desk.agent()

        def die(_: ChannelSender, step: str) -> None:
            if step == where:
                raise Killed(step)

        with monkeypatch.context() as patch:
            patch.setattr(ChannelSender, "reached", die)
            await desk.deliver(agent, friction("f1"))
            with pytest.raises(Killed):
                await settled(agent)
            await agent.close()
        agent = await desk.agent()
        await settled(agent)
        assert len(desk.told) == (2 if where == "sent" else 1)
        assert len({request.headers["webhook-id"] for request in desk.endpoint.received}) == 1
        await agent.close()

    run(desk, scenario)


def test_whoever_loses_the_partition_tells_nothing_more_of_it(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(BUSY)
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: len(desk.endpoint.received) == 1)
        await agent.revoked(5.0)
        await desk.pass_time(agent, 100.0)
        assert len(desk.endpoint.received) == 1
        await agent.assigned(frozenset({0}))
        await eventually(lambda: desk.told == [("opened", "f1")])
        await agent.close()

    run(desk, scenario)


def test_a_rebalance_does_not_wait_for_an_endpoint_that_hangs(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(AT_ONCE)
        desk.endpoint.answer_next(Answer(hangs=True))
        agent = await desk.agent()
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: len(desk.endpoint.received) > 0)
        await asyncio.wait_for(agent.revoked(0.05), 5)
        await agent.assigned(frozenset({0}))
        await eventually(lambda: desk.told == [("opened", "f1")])
        await agent.close()

    run(desk, scenario)


def test_ten_thousand_intents_while_an_endpoint_is_away_cost_no_memory_and_none_is_dropped(desk: Desk) -> None:
    async def scenario(desk: Desk) -> None:
        desk.endpoint.answer_always(BUSY)
        agent = await desk.agent()
        sizes = []
        for part in range(5):
            names = range(part * 2000, part * 2000 + 2000)
            await desk.deliver(agent, *(friction(f"f{name:05}", rule_id=f"r{name % 7}") for name in names))
            sizes.append(len(snapshot(agent._state)))
            await desk.pass_time(agent, 6.0)
        assert desk.outbox.acknowledged[-1] == 10_000
        assert len(desk.store.written["alerts"]) == 10_000
        assert agent._senders["desk"].waiting <= 20
        assert sizes[-1] < sizes[1] * 1.1, "what is remembered depends on the causes, not on their frictions"
        desk.endpoint.answer_always(Answer())
        for _ in range(10):
            await desk.pass_time(agent, 301.0)
            await settled(agent)
        counts = {
            one["subjects"][0]["rule_id"]: one["subjects"][0]["customers"]
            for one in (request.json["data"] for request in taken(desk.endpoint))
        }
        assert sum(counts.values()) == 10_000
        assert len(taken(desk.endpoint)) <= 14
        await agent.close()

    run(desk, scenario)


# Answers.

ANSWERING = (
    AT_ONCE
    + """
answering: {public_url: 'https://journeys.example/', port: 0, key_env: ANSWER_KEY, slack_secret_env: SLACK_SECRET}
"""
)


def test_a_link_asks_before_it_acts_and_nobody_makes_one_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWER_KEY", "QUFB" * 11)
    monkeypatch.setenv("SLACK_SECRET", "0123456789abcdef" * 2)

    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(ANSWERING)
        agent = await desk.agent()
        assert agent.door is not None
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: len(desk.told) == 1)
        links = desk.endpoint.received[0].json["data"]["actions"]
        assert set(links) == {"acknowledge", "snooze"}
        path = links["acknowledge"].removeprefix("https://journeys.example")
        here = f"http://127.0.0.1:{agent.door.port}"
        token = path.partition("token=")[2]
        async with ClientSession() as browser:
            async with browser.get(here + path) as page:
                assert page.status == 200
                assert "Take this incident" in await page.text()
                assert page.headers["Cache-Control"] == "no-store"
            assert desk.store.written["alert_actions"] == [], "a look at it changes nothing"
            for wrong in (token[:-1], token.replace("acknowledge", "snooze"), ""):
                async with browser.post(here + "/alerts/act", data={"token": wrong, "by": "eve"}) as page:
                    assert page.status == 403
            async with browser.post(here + "/alerts/act", data={"token": token, "by": " "}) as page:
                assert page.status == 400
            async with browser.post(here + "/alerts/act", data={"token": token, "by": "<b>ann"}) as page:
                assert (page.status, "&lt;b&gt;ann" in await page.text()) == (200, True)
            async with browser.post(here + "/alerts/slack", data=b"payload={}") as page:
                assert page.status == 403
            await desk.pass_time(agent, 3.0)
            (incident,) = desk.rows("alert_incidents")
            assert incident["acknowledged_by"] == "<b>ann"
            desk.clock.now_s += 8 * 86_400
            async with browser.post(here + "/alerts/act", data={"token": token, "by": "ann"}) as page:
                assert (page.status, "expired" in await page.text()) == (403, True)
        await agent.close()

    run(desk, scenario)


def test_a_button_in_slack_acts_when_slack_signed_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWER_KEY", "QUFB" * 11)
    monkeypatch.setenv("SLACK_SECRET", "0123456789abcdef" * 2)

    async def scenario(desk: Desk) -> None:
        desk.routing.write_text(ANSWERING)
        agent = await desk.agent()
        assert agent.door is not None
        await desk.deliver(agent, friction("f1"))
        await eventually(lambda: len(desk.told) == 1)
        (incident,) = desk.rows("alert_incidents")
        payload = {
            "type": "block_actions",
            "user": {"id": "U123", "username": "ann"},
            "actions": [{"action_id": "snooze", "value": incident["incident_id"]}],
        }
        body = urlencode({"payload": json.dumps(payload)}).encode()
        timestamp = str(int(desk.clock.now_s))
        key = (b"0123456789abcdef" * 2, b"v0:" + timestamp.encode() + b":" + body, "sha256")
        headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": "v0=" + hmac.new(*key).hexdigest()}
        async with (
            ClientSession() as slack,
            slack.post(f"http://127.0.0.1:{agent.door.port}/alerts/slack", data=body, headers=headers) as answer,
        ):
            assert answer.status == 200
        (action,) = desk.store.written["alert_actions"]
        assert (action["kind"], action["acted_by"]) == ("snooze", "ann")
        assert action["until"] == desk.clock.wall_ms() + 7_200_000
        await agent.close()

    run(desk, scenario)

"""The same records through both modes, in one process: two topics or one, the tables say the same."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest

from processors.keyring import Key, Keyring
from schemas.codec import encode
from schemas.identities import strongest_identity
from schemas.placement import partition_of
from schemas.touchpoint import Touchpoint
from streams.agent import Delivery
from streams.broker import Outgoing
from streams.intake import Intake
from streams.journeys_agent import JourneysAgent
from streams.producing.generator import GeneratedCompany
from streams.settings import FlushSettings, Settings
from streams.source_clocks import SourceClocks
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS
from tests.support.deliveries import a_record
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import DAY, MONDAY

PARTITIONS = 3
KEYRING = Keyring((Key(b"only for tests, and long enough for one"),), partitions=PARTITIONS)
LIVES = {TOUCHPOINTS: "raw-life", KEYED: "keyed-life", DEAD: "dead-life", OUTBOX: "outbox-life"}


class _NoCeiling:
    async def check(self, *_: object) -> None: ...

    def forget(self) -> None: ...


class Broker:
    """Topics in memory, and what one worker has read of them; implements `streams.broker.ProducerPort`."""

    def __init__(self) -> None:
        places = [(topic, number) for topic in (TOUCHPOINTS, KEYED) for number in range(PARTITIONS)]
        self.logs: dict[tuple[str, int], list[Any]] = {place: [] for place in places}
        self.read = dict.fromkeys(places, 0)
        self.dead = 0

    async def send(self, records: Sequence[Outgoing]) -> None:
        for out in records:
            self.dead += out.topic == DEAD
            log = self.logs.get((out.topic, out.partition))
            if log is not None:
                log.append(
                    a_record(
                        out.value, offset=len(log), topic=out.topic, partition=out.partition, key=out.key,
                        headers=out.headers, timestamp=out.timestamp or 0,
                    )
                )  # fmt: skip

    async def stop(self) -> None: ...

    def delivery(self, topic: str, chances: random.Random) -> Delivery | None:
        """The next records of any partition of a topic."""
        left = [place for place, at in self.read.items() if place[0] == topic and at < len(self.logs[place])]
        if not left:
            return None
        place = chances.choice(left)
        start = self.read[place]
        self.read[place] = stop = min(start + chances.randint(1, 60), len(self.logs[place]))
        records = self.logs[place][start:stop]
        return Delivery(*place, records, None, lambda: None, lambda _: None, lambda: True)


def outgoing(touchpoints: Iterable[Touchpoint], appended_at: int) -> list[Outgoing]:
    """Where producers put them."""
    found = []
    for touchpoint in touchpoints:
        key = str(strongest_identity(touchpoint.identities)).encode()
        partition = partition_of(key, PARTITIONS)
        found.append(Outgoing(TOUCHPOINTS, partition, key, encode(touchpoint), appended_at, []))
    return found


async def _work(settings: Settings, records: Sequence[Outgoing], seed: int) -> tuple[MemoryStore, Broker, Any]:
    chances, store, broker = random.Random(seed), MemoryStore(), Broker()
    agent = JourneysAgent(settings, store, broker)
    # On a slow machine partitions would be quiet for so long that time goes on in one mode alone.
    agent._clocks = SourceClocks(600_000, now_ms=lambda: 0.0)
    agent.begin(LIVES, PARTITIONS, KEYRING)
    intake = Intake(
        keyring=KEYRING,
        admission=settings.admission(),
        partitions=PARTITIONS,
        incarnations=LIVES,
        clocks=SourceClocks(600_000, now_ms=lambda: 0.0),
    )
    # It would ask a broker what came before the first dead letter.
    agent._guard = cast("Any", _NoCeiling())
    await agent.assigned(frozenset(range(PARTITIONS)))
    await broker.send(records)
    readers = (TOUCHPOINTS, KEYED)
    while True:
        delivery = broker.delivery(chances.choice(readers), chances)
        delivery = delivery or broker.delivery(TOUCHPOINTS, chances) or broker.delivery(KEYED, chances)
        if delivery is None:
            await agent._flush()
            if all(at == len(broker.logs[place]) for place, at in broker.read.items()) and agent.coordinator.is_idle:
                break
        elif delivery.topic == TOUCHPOINTS and not settings.fused:
            await broker.send([*intake.forward(delivery.records), *intake.ticks()])
        else:
            await agent.handle(delivery)
    counts = agent.coordinator.counts
    await agent.close()
    return store, broker, counts


@pytest.mark.parametrize("seed", [1, 2])
def test_both_modes_say_the_same_of_people_of_many_names_some_of_whom_lie_elsewhere(seed: int) -> None:
    company = GeneratedCompany(persons=20, events=400, seed=5, start=MONDAY, identities=True)
    touchpoints = list(company.touchpoints())
    random.Random(seed).shuffle(touchpoints)
    customers = sorted({one for two in touchpoints for one in two.identities if one.startswith("customer_no:")})
    # Known to no producer: what carries these is not keyed by what owns it here.
    blocked = frozenset(one.partition(":")[2] for one in customers[::9])
    plain = Settings(
        blocked_identities=blocked,
        flush=FlushSettings(max_rows=80, max_age_s=3600),
    )
    last = max(one.occurred_at for one in touchpoints)
    records = outgoing(touchpoints, last + DAY)
    two_topics, with_intake, _ = asyncio.run(_work(plain, records, seed))
    fused, broker, counts = asyncio.run(_work(plain.model_copy(update={"fused": True}), records, seed))
    assert two_topics.touchpoint_keys() == fused.touchpoint_keys()
    assert two_topics.facts() == fused.facts()
    assert len(two_topics.facts()["session"]) > 100
    assert with_intake.dead == broker.dead > 0
    assert counts.misplaced > 0

"""The topic of rules on a real broker: everything is read, what is new comes, and what is no rule stops nobody."""

import asyncio

import pytest
from kafka import KafkaProducer

from schemas.rule_changes import RuleChange
from streams.rule_log import RuleLog, publish
from streams.topics import RULES, client_options
from tests.support.kafka_records import broker_with_topics

pytestmark = pytest.mark.stack


def change(version: int, text: str | None = "id: a") -> RuleChange:
    return RuleChange(rule_id="a", version=version, effective_from=version, published_at=version, text=text)


def test_all_that_was_published_is_read_then_what_is_new() -> None:
    async def scenario() -> None:
        await publish(kafka, [change(2), change(3, None)])
        log = RuleLog(kafka)
        try:
            assert await log.read_all(30) == [change(2), change(3, None)]
            assert await log.read_new() == []
            producer = KafkaProducer(acks="all", **client_options(kafka))
            for value in (b"no JSON", None):
                producer.send(RULES, key=b"a@4", value=value, partition=0).get(30)
            producer.close()
            await publish(kafka, [change(5)])
            found: list[RuleChange] = []
            async with asyncio.timeout(30):
                while not found:
                    found += await log.read_new()
                    await asyncio.sleep(0.01)
            assert found == [change(5)]
        finally:
            await log.close()

    with broker_with_topics() as kafka:
        asyncio.run(scenario())

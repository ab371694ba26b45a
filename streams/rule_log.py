"""The topic of rules: what was published there, read without a group, since every reader needs all of it."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.rule_changes import RuleChange, decode_change, encode_change
from streams.broker import aiokafka_options
from streams.settings import KafkaSettings
from streams.topics import RULES

_log = structlog.get_logger()
_PLACE: Final = TopicPartition(RULES, 0)
#: Milliseconds that one question to the broker waits for more.
_WAIT_MS: Final = 200


class RuleLogSilent(RuntimeError):
    """The broker did not hand over the topic of rules in time."""


class RuleLog:
    """Reads all that was published, then what is new."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._consumer = AIOKafkaConsumer(
            group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **aiokafka_options(kafka)
        )

    async def read_all(self, within_s: float) -> list[RuleChange]:
        """Connect, and read from the beginning to where the topic ends by now.

        Raises:
            RuleLogSilent: that took longer than `within_s` seconds.
            KafkaError: there is no such broker, or no such topic.

        """
        try:
            async with asyncio.timeout(within_s):
                await self._consumer.start()
                self._consumer.assign([_PLACE])
                found: list[RuleChange] = []
                end = (await self._consumer.end_offsets([_PLACE]))[_PLACE]
                while await self._consumer.position(_PLACE) < end:
                    found += await self._read(_WAIT_MS)
        except TimeoutError as error:
            raise RuleLogSilent(f"the topic {RULES} could not be read within {within_s:.0f} s") from error
        return found

    async def read_new(self) -> list[RuleChange]:
        """What has arrived since; does not wait."""
        return await self._read(0)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._consumer.stop()

    async def _read(self, wait_ms: int) -> list[RuleChange]:
        records = await self._consumer.getmany(_PLACE, timeout_ms=wait_ms)
        return list(_decoded(record.value for record in records.get(_PLACE, ())))


async def publish(kafka: KafkaSettings, changes: Sequence[RuleChange]) -> None:
    """Append changes; returns when the broker has them.

    Raises:
        KafkaError: it does not answer, or refuses.

    """
    producer = AIOKafkaProducer(acks="all", **aiokafka_options(kafka))
    await producer.start()
    try:
        for change in changes:
            await producer.send_and_wait(RULES, encode_change(change), key=change.key.encode(), partition=0)
    finally:
        await producer.stop()


def _decoded(values: Iterable[bytes | None]) -> Iterable[RuleChange]:
    for value in values:
        if value is None:
            continue
        try:
            yield decode_change(value)
        except msgspec.DecodeError as error:
            # Only `journeys rules` writes here; what somebody else wrote changes no rule and must stop nobody.
            _log.error("rule_change_unreadable", error=str(error))

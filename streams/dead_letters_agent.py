"""The dead-letters agent: notes in ClickHouse what the dead-letter topic holds, so people can see and replay it."""

import hashlib
import hmac
import time
from collections.abc import Mapping

import structlog

from processors.keyring import Keyring
from schemas.log import DeadLetter, Position
from sinks.clickhouse.records import DeadLetterRecord
from sinks.clickhouse.rows import dead_letter_block
from streams.agent import Delivery
from streams.pulse import Pulse
from streams.settings import Settings
from streams.store import Store, StorePort, clickhouse_address
from streams.topics import DEAD
from streams.transport import Record
from streams.turns import Turns
from streams.version import CODE_VERSION

_log = structlog.get_logger()


def read_dead_letter(record: Record) -> tuple[DeadLetter, Mapping[str, str]]:
    """Dead letter from a record of the dead-letter topic, and its headers as text."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    position = Position(headers.get("topic", ""), _number(headers.get("partition")), _number(headers.get("offset")))
    letter = DeadLetter(
        stage=headers.get("stage", "unknown"),
        reason=headers.get("reason", "unknown"),
        field=headers.get("field") or None,
        detail=headers.get("detail", ""),
        raw=record.value,
        key=record.key or None,
        position=position,
        timestamp=_number(headers.get("timestamp")) if "timestamp" in headers else record.timestamp,
    )
    return letter, headers


def _number(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        return -1


class DeadLettersAgent:
    """Reads `touchpoints.dead`, writes the table `dead_letters` (without payloads)."""

    name = "dead-letters"
    topics: tuple[str, ...] = (DEAD,)
    most_in_hand = 1

    def __init__(self, settings: Settings, store: StorePort | None = None) -> None:
        self.pulse = Pulse()
        self._settings = settings
        self._store = store or Store(clickhouse_address(settings.clickhouse), self.pulse)
        self._turns = Turns()
        self._keyring: Keyring | None = None

    async def start(self) -> None:
        """Read the secret that hides record keys."""
        self._keyring = self._settings.keyring()

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Nothing to prepare."""

    async def revoked(self, within_s: float) -> None:
        """Finish what is being written, or leave it to the next owner."""
        await self._end(within_s)

    async def handle(self, delivery: Delivery) -> None:
        """Note the dead letters; a repeated one is the same row."""

        async def note() -> None:
            block = dead_letter_block(
                [self._record(record) for record in delivery.records],
                token_prefix=f"{DEAD}:{delivery.partition}:{delivery.next_offset}",
            )
            for refused in await self._store.insert(block):
                # Only a foreign record has headers that no table takes. It stays in the topic.
                offset = delivery.records[refused.index].offset
                _log.error("dead_letter_not_noted", offset=offset, reason=refused.reason)
            delivery.acknowledge()

        await self._turns.take(note)

    def _record(self, record: Record) -> DeadLetterRecord:
        letter, headers = read_dead_letter(record)
        return DeadLetterRecord.of(
            letter,
            topic_incarnation=headers.get("incarnation", ""),
            key_hash=self._key_hash(letter),
            code_version=headers.get("code_version", CODE_VERSION),
            recorded_at=time.time_ns() // 1_000_000,
            stored_at=Position(record.topic, record.partition, record.offset),
        )

    def _key_hash(self, letter: DeadLetter) -> str:
        """Keyed hash of the record's key, the same whenever it is noted; '' without a key to hash or to hash with."""
        assert self._keyring is not None, "start() comes first"  # noqa: S101 - a broken promise of ours
        secret = self._keyring.current_at(letter.timestamp)
        if not letter.key or secret is None:
            return ""
        return hmac.new(secret, letter.key, hashlib.sha256).hexdigest()[:32]

    async def tick(self) -> None:
        """Nothing is due by the clock."""

    async def finish(self, within_s: float) -> None:
        """Finish what is being written."""
        await self._end(within_s)

    async def close(self) -> None:
        """Close the connection."""
        await self._store.close()

    async def _end(self, within_s: float) -> None:
        if not await self._turns.end(within_s):
            self._store.interrupt()

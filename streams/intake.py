"""Intake: checks each record, and sends its original bytes on under the key of the person's owner.

Stateless but for how far event time has come per raw partition, which it tells the owners as ticks.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from processors.admission import AdmissionSettings, Refusal, admit, owner_partition
from processors.keyring import Keyring
from schemas.codec import Undecodable, decode
from schemas.log import DeadLetter, Position
from schemas.ticks import SourceProgress, Tick, encode_tick
from schemas.touchpoint import AppliedTouchpoint
from streams.broker import Outgoing
from streams.headers import TICK_HEADERS, appended_at, dead_letter_headers, origin_headers
from streams.topics import DEAD, KEYED
from streams.transport import Record
from streams.version import CODE_VERSION


def read_record(
    record: Record, position: Position, keyring: Keyring, settings: AdmissionSettings
) -> AppliedTouchpoint | DeadLetter:
    """Decode and admit one record; a record that can never be processed comes back as a dead letter."""
    decoded = decode(record.value)
    if isinstance(decoded, Undecodable):
        return _dead_letter("decode", decoded, record, position)
    admitted = admit(
        decoded.touchpoint,
        position=position,
        append_time=appended_at(record.headers, record.timestamp),
        schema_id=decoded.schema_id,
        keyring=keyring,
        settings=settings,
    )
    if isinstance(admitted, Refusal):
        return _dead_letter("admit", admitted, record, position)
    return admitted


def _dead_letter(stage: str, why: Undecodable | Refusal, record: Record, position: Position) -> DeadLetter:
    return DeadLetter(
        stage=stage,
        reason=why.reason,
        field=why.field,
        detail=why.detail,
        raw=record.value,
        key=record.key,
        position=position,
        timestamp=appended_at(record.headers, record.timestamp),
    )


def dead_letter_record(letter: DeadLetter, incarnations: Mapping[str, str]) -> Outgoing:
    """Record of the dead-letter topic: the original bytes, and in the headers why."""
    headers = dead_letter_headers(
        letter, incarnation=incarnations.get(letter.position.topic, ""), code_version=CODE_VERSION
    )
    # A batch takes no record without key and value; an empty key stands for none here.
    return Outgoing(DEAD, 0, letter.key or b"", letter.raw, None, headers)


class Intake:
    """Turns chunks of the raw topic into records to send; keeps the clock of each raw partition."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        admission: AdmissionSettings,
        partitions: int,
        incarnations: Mapping[str, str],
        allowed_lateness_ms: int,
        quiet_after_ms: int = 5_000,
        now_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self._keyring = keyring
        self._admission = admission
        self._partitions = partitions
        self._incarnations = incarnations
        self._allowed_lateness_ms = allowed_lateness_ms
        self._quiet_after_ms = quiet_after_ms
        self._now_ms = now_ms
        self._clocks: dict[int, _SourceClock] = {}

    def assign(self, partitions: frozenset[int]) -> None:
        """Keep clocks for the raw partitions this worker reads now."""
        now = self._now_ms()
        self._clocks = {
            partition: self._clocks.get(partition) or _SourceClock(last_record=now, told=now)
            for partition in partitions
        }

    def forward(self, records: Sequence[Record]) -> list[Outgoing]:
        """Records to send for records of one raw partition, in their order."""
        outgoing = []
        newest: int | None = None
        for record in records:
            position = Position(record.topic, record.partition, record.offset)
            result = read_record(record, position, self._keyring, self._admission)
            if isinstance(result, DeadLetter):
                outgoing.append(dead_letter_record(result, self._incarnations))
                continue
            newest = result.event_time if newest is None else max(newest, result.event_time)
            outgoing.append(
                Outgoing(
                    KEYED,
                    owner_partition(result.identity_hash, self._partitions),
                    result.identity_hash.encode(),
                    record.value,
                    result.ingestion_time,
                    origin_headers(position),
                )
            )
        self._note(records[-1].partition, newest)
        return outgoing

    def _note(self, partition: int, newest: int | None) -> None:
        now = self._now_ms()
        clock = self._clocks.setdefault(partition, _SourceClock(last_record=now, told=now))
        if newest is not None:
            # Records that tell no time leave the partition quiet: a producer of garbage must not hold time back.
            clock.last_record = now
            watermark = newest - self._allowed_lateness_ms
            if clock.watermark is None or watermark > clock.watermark:
                clock.watermark = watermark
                clock.is_news = True

    def ticks(self) -> list[Outgoing]:
        """Ticks to send now, one per owner partition; none when there is nothing to tell."""
        now = self._now_ms()
        sources = []
        for partition, clock in sorted(self._clocks.items()):
            if clock.is_news:
                sources.append(SourceProgress(partition, clock.watermark))
                clock.is_news = False
                clock.told = now
            elif now - clock.last_record >= self._quiet_after_ms and now - clock.told >= self._quiet_after_ms:
                # A process that was paused saw no quiet meanwhile; somebody else may have told the time.
                quiet_ms = min(now - clock.told, 2 * self._quiet_after_ms)
                sources.append(SourceProgress(partition, None, int(quiet_ms)))
                clock.told = now
        if not sources:
            return []
        value = encode_tick(Tick(tuple(sources)))
        return [Outgoing(KEYED, owner, None, value, None, TICK_HEADERS) for owner in range(self._partitions)]


class _SourceClock:
    __slots__ = ("is_news", "last_record", "told", "watermark")

    def __init__(self, *, last_record: float, told: float) -> None:
        self.watermark: int | None = None
        self.is_news = False
        self.last_record = last_record
        self.told = told

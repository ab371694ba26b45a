"""Intake: checks each record, and sends its original bytes on under the key of the person's owner.

Stateless but for how far event time has come per raw partition, which it tells the owners as ticks.
"""

from collections.abc import Mapping, Sequence

from processors.admission import AdmissionSettings, Refusal, admit, owner_partition
from processors.keyring import Keyring
from schemas.codec import Undecodable, decode
from schemas.log import DeadLetter, Position
from schemas.ticks import Tick, encode_tick
from schemas.touchpoint import AppliedTouchpoint
from streams.broker import Outgoing
from streams.headers import TICK_HEADERS, appended_at, dead_letter_headers, origin_headers
from streams.source_clocks import SourceClocks
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


def keyed_record(applied: AppliedTouchpoint, raw: bytes | None, partitions: int) -> Outgoing:
    """Record that brings a touchpoint of the raw topic to its owner: the original bytes, time and place."""
    owner = applied.identity_hash
    return Outgoing(
        KEYED,
        owner_partition(owner, partitions),
        owner.encode(),
        raw,
        applied.ingestion_time,
        origin_headers(applied.position),
    )


def tick_records(tick: Tick | None, partitions: int) -> list[Outgoing]:
    """A tick for every owner; none when there is nothing to tell."""
    if tick is None:
        return []
    value = encode_tick(tick)
    return [Outgoing(KEYED, owner, None, value, None, TICK_HEADERS) for owner in range(partitions)]


class Intake:
    """Turns chunks of the raw topic into records to send; keeps the clock of each raw partition."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        admission: AdmissionSettings,
        partitions: int,
        incarnations: Mapping[str, str],
        clocks: SourceClocks,
    ) -> None:
        self._keyring = keyring
        self._admission = admission
        self._partitions = partitions
        self._incarnations = incarnations
        self._clocks = clocks

    def assign(self, partitions: frozenset[int]) -> None:
        """Keep clocks for the raw partitions this worker reads now."""
        self._clocks.assign(partitions)

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
            outgoing.append(keyed_record(result, record.value, self._partitions))
        self._clocks.note(records[-1].partition, newest)
        return outgoing

    def ticks(self) -> list[Outgoing]:
        """Ticks to send now, one per owner partition; none when there is nothing to tell."""
        return tick_records(self._clocks.tick(), self._partitions)

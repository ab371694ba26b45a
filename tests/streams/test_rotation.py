"""A rotation of the key from the log to the tables: whatever is read again is hashed as it was, and counts once."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from processors.admission import AdmissionSettings, owner_partition
from processors.keyring import Key, Keyring
from processors.kinds import ERASE_REQUESTED
from processors.person import PersonState, StepResult, step
from schemas.codec import encode
from schemas.log import DeadLetter, Position
from schemas.touchpoint import AppliedTouchpoint, Touchpoint
from sinks.clickhouse.rows import touchpoint_block
from streams.broker import Outgoing
from streams.headers import appended_headers
from streams.intake import Intake, read_record
from streams.source_clocks import SourceClocks
from tests.support.deliveries import a_record
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import DAY, HOUR, MONDAY

OLD = Key(b"the key of the first years")
NEW = Key(b"the key after the first rotation", MONDAY)
NEWEST = Key(b"the key after the second rotation", MONDAY + 200 * DAY)


def a_touchpoint(number: int, at: int, kind: str = "page.viewed") -> bytes:
    return encode(
        Touchpoint(
            id=f"{number}",
            source="shop",
            kind=kind,
            occurred_at=at,
            identities=("customer_no:4711", "cookie:abc"),
        )
    )


def raw_log(appended: Iterable[int], kind: str = "page.viewed") -> list[Any]:
    """Records of the raw topic by when the log took them."""
    return [
        a_record(a_touchpoint(number, at, kind), offset=number, topic="touchpoints", timestamp=at)
        for number, at in enumerate(appended)
    ]


def forwarded(records: list[Any], *keys: Key) -> list[Outgoing]:
    intake = Intake(
        keyring=Keyring(keys),
        admission=AdmissionSettings(),
        partitions=4,
        incarnations={},
        clocks=SourceClocks(0, now_ms=lambda: 0.0),
    )
    return intake.forward(records)


def read(record: Any, *keys: Key) -> AppliedTouchpoint | DeadLetter:
    return read_record(
        record, Position(record.topic, record.partition, record.offset), Keyring(keys), AdmissionSettings()
    )


def admitted(record: Any, *keys: Key) -> AppliedTouchpoint:
    result = read(record, *keys)
    assert isinstance(result, AppliedTouchpoint), result
    return result


_APPENDED = st.lists(st.integers(MONDAY - 2 * DAY, MONDAY + 199 * DAY), min_size=1, max_size=6)


@given(_APPENDED)
def test_the_log_from_its_beginning_is_forwarded_as_it_was_before_the_latest_rotation(appended: list[int]) -> None:
    records = raw_log(appended)
    assert forwarded(records, OLD, NEW) == forwarded(records, OLD, NEW, NEWEST)


@given(_APPENDED)
def test_the_worker_of_the_owner_hashes_as_the_intake_did(appended: list[int]) -> None:
    records = raw_log(appended)
    for record, sent in zip(records, forwarded(records, OLD, NEW), strict=True):
        assert sent.timestamp is not None
        applied = admitted(
            a_record(sent.value, offset=7, topic=sent.topic, timestamp=sent.timestamp, headers=sent.headers), OLD, NEW
        )
        assert applied.identity_hash.encode() == sent.key
        assert owner_partition(applied.identity_hash, 4) == sent.partition
        assert applied.touchpoint == admitted(record, OLD, NEW).touchpoint


def test_what_was_stored_before_a_rotation_is_the_same_row_when_the_log_is_read_again() -> None:
    store = MemoryStore()
    records = raw_log([MONDAY - HOUR, MONDAY - 1])
    for keys in ((OLD,), (OLD, NEW), (OLD, NEW, NEWEST)):
        store.take(touchpoint_block([admitted(record, *keys) for record in records], token_prefix="t"))
    rows = store.written["touchpoints"]
    assert len(rows) == 6
    assert rows[:2] == rows[2:4] == rows[4:]


def test_a_record_of_a_removed_key_is_a_dead_letter_until_the_key_is_back() -> None:
    (record,) = raw_log([MONDAY - 1])
    letter = read(record, NEW)
    assert isinstance(letter, DeadLetter)
    assert (letter.stage, letter.reason, letter.field) == ("admit", "key_missing", "identities")
    assert (letter.raw, letter.timestamp) == (record.value, MONDAY - 1)
    (sent,) = forwarded([record], NEW)
    assert (sent.topic, sent.value) == ("touchpoints.dead", record.value)

    replayed = a_record(
        letter.raw,
        offset=99,
        topic="touchpoints",
        timestamp=MONDAY + 100 * DAY,
        headers=appended_headers(letter.timestamp),
    )
    assert isinstance(read(replayed, NEW), DeadLetter)
    back, never_gone = admitted(replayed, OLD, NEW), admitted(record, OLD, NEW)
    assert msgspec.structs.replace(back, origin_offset=0) == never_gone


def test_a_request_to_be_forgotten_is_for_the_names_under_all_keys_and_others_for_those_under_the_last_two() -> None:
    at = NEWEST.since + 300 * DAY
    known = {key: admitted(raw_log([key.since])[0], OLD, NEW, NEWEST).touchpoint.identities for key in (NEW, NEWEST)}
    known[OLD] = admitted(raw_log([MONDAY - 1])[0], OLD, NEW, NEWEST).touchpoint.identities
    (record,) = raw_log([at], ERASE_REQUESTED)
    request = admitted(record, OLD, NEW, NEWEST)
    assert request.touchpoint.identities == known[NEWEST]
    assert request.rotated == known[NEW] + known[OLD]
    assert admitted(raw_log([at])[0], OLD, NEW, NEWEST).rotated == ()
    assert admitted(raw_log([NEWEST.since])[0], OLD, NEW, NEWEST).rotated == known[NEW]


def test_a_touchpoint_that_comes_without_its_names_under_the_old_key_is_no_other_copy() -> None:
    (record,) = raw_log([MONDAY + HOUR])
    applied = admitted(record, OLD, NEW)
    assert len(applied.rotated) == 2
    without = msgspec.structs.replace(applied, rotated=())
    assert touchpoint_block([applied], token_prefix="t") == touchpoint_block([without], token_prefix="t")

    store = MemoryStore()
    store.take(touchpoint_block([applied], token_prefix="t"))
    key = applied.identity_hash
    assert asyncio.run(store.read(lambda reader: reader.load_touchpoints([key]))) == {key: [without]}

    for first, second in ((applied, without), (without, applied)):
        state = PersonState("default", key)
        assert [step(state, first), step(state, second)] == [StepResult.APPLIED, StepResult.DUPLICATE]
        assert state.holds(first)

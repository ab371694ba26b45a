"""Intake: original bytes on under the owner's key, dead letters aside, and the time told by an injected clock."""

from typing import Any

import msgspec
import pytest
from aiokafka import ConsumerRecord

from processors.admission import AdmissionSettings, owner_partition
from processors.keyring import Key, Keyring
from schemas.codec import encode
from schemas.log import DeadLetter, Position
from schemas.ticks import SourceProgress, Tick, decode_tick
from schemas.touchpoint import Touchpoint
from streams.broker import Outgoing
from streams.headers import TICK_HEADERS, origin_of
from streams.intake import Intake, read_record
from streams.source_clocks import SourceClocks
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, SECOND

KEYRING = Keyring((Key(b"only for tests, and long enough for one"),))
LATENESS = 600_000
PARTITIONS = 4


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now_ms = 0.0

    def __call__(self) -> float:
        return self.now_ms


def intake(clock: Clock | None = None) -> Intake:
    return Intake(
        keyring=KEYRING,
        admission=AdmissionSettings(),
        partitions=PARTITIONS,
        incarnations={"touchpoints": "first-life"},
        clocks=SourceClocks(LATENESS, now_ms=clock or Clock()),
    )


def a_record(
    value: bytes | None, *, offset: int = 0, partition: int = 0, timestamp: int = MONDAY + 2 * HOUR, **more: Any
) -> Any:
    fields = {"key": b"customer_no:4711", "headers": (), **more}
    return ConsumerRecord(
        topic="touchpoints",
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=1,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value or b""),
        **fields,
    )


def a_touchpoint(at: int = MONDAY, **fields: Any) -> bytes:
    named = {"id": f"{at}", "source": "shop", "kind": "page.viewed", "identities": ("customer_no:4711",)}
    return encode(Touchpoint(occurred_at=at, **(named | fields)))


def ticks_of(outgoing: list[Outgoing]) -> list[Tick]:
    return [decode_tick(record.value or b"") for record in outgoing]


def test_a_touchpoint_goes_on_byte_for_byte_under_the_hash_of_its_strongest_identity() -> None:
    value = a_touchpoint(identities=("cookie:xyz", "customer_no:4711"))
    (sent,) = intake().forward([a_record(value, offset=17, partition=3, timestamp=MONDAY + 5)])
    (same_person,) = intake().forward([a_record(a_touchpoint(identities=("customer_no:4711",)))])
    assert sent.topic == "touchpoints.keyed"
    assert sent.value == value
    assert sent.key == same_person.key
    assert len(sent.key or b"") == 32
    assert b"4711" not in (sent.key or b"")
    assert sent.timestamp == MONDAY + 5
    assert sent.partition == same_person.partition
    assert origin_of(sent.headers, "touchpoints", Position("", 0, 0)) == Position("touchpoints", 3, 17)


@pytest.mark.parametrize(
    ("identity_hash", "partition"),
    [("00000000" + "f" * 24, 0), ("00000005" + "0" * 24, 1), ("ffffffff" + "0" * 24, 3)],
)
def test_the_first_eight_characters_of_the_hash_decide_the_owner(identity_hash: str, partition: int) -> None:
    assert owner_partition(identity_hash, 4) == partition


def test_what_can_never_be_processed_goes_to_the_dead_letters_with_its_bytes_and_the_rest_goes_on() -> None:
    good = a_touchpoint()
    sent = intake().forward(
        [a_record(b"\x07garbage", offset=1, timestamp=MONDAY), a_record(good, offset=2), a_record(None, offset=3)]
    )
    assert [record.topic for record in sent] == ["touchpoints.dead", "touchpoints.keyed", "touchpoints.dead"]
    bad, _, tombstone = sent
    headers = dict(bad.headers)
    assert bad.value == b"\x07garbage"
    assert bad.key == b"customer_no:4711"
    assert headers["reason"] == b"bad_magic"
    assert headers["stage"] == b"decode"
    assert (headers["topic"], headers["partition"], headers["offset"]) == (b"touchpoints", b"0", b"1")
    assert headers["incarnation"] == b"first-life"
    assert headers["timestamp"] == b"%d" % MONDAY
    assert tombstone.value is None
    assert dict(tombstone.headers)["reason"] == b"empty_value"


def test_a_dead_letter_without_key_and_value_can_be_sent() -> None:
    (sent,) = intake().forward([a_record(None, key=None)])
    assert (sent.key, sent.value) == (b"", None)


def test_headers_never_hold_payload_text() -> None:
    sent = intake().forward(
        [a_record(a_touchpoint(at=MONDAY - 500 * DAY, actor_id="secret-name")), a_record(b"\x00secret-name")]
    )
    assert [record.topic for record in sent] == ["touchpoints.dead"] * 2
    assert not any(b"secret-name" in value for record in sent for _, value in record.headers)


@pytest.mark.parametrize(("late_by", "is_let_in"), [(0, True), (1, False)])
def test_age_is_measured_against_the_time_the_broker_took_the_record(late_by: int, is_let_in: bool) -> None:
    record = a_record(a_touchpoint(at=MONDAY), timestamp=MONDAY + 400 * DAY + late_by)
    result = read_record(record, Position("touchpoints", 0, 0), KEYRING, AdmissionSettings())
    assert isinstance(result, DeadLetter) is not is_let_in


def test_the_time_told_is_the_newest_event_time_less_the_lateness_once_for_every_owner() -> None:
    subject = intake()
    subject.forward([a_record(a_touchpoint(at=MONDAY + HOUR)), a_record(a_touchpoint(at=MONDAY))])
    told = subject.ticks()
    assert [(record.topic, record.partition) for record in told] == [("touchpoints.keyed", n) for n in range(4)]
    assert all(record.headers == TICK_HEADERS and record.key is None for record in told)
    assert set(ticks_of(told)) == {Tick((SourceProgress(0, MONDAY + HOUR - LATENESS),))}
    assert subject.ticks() == []


def test_older_records_do_not_set_the_time_back() -> None:
    subject = intake()
    subject.forward([a_record(a_touchpoint(at=MONDAY + HOUR))])
    subject.ticks()
    subject.forward([a_record(a_touchpoint(at=MONDAY))])
    assert subject.ticks() == []


@pytest.mark.parametrize(("waited_ms", "is_told"), [(4_999, False), (5_000, True)])
def test_a_partition_is_quiet_after_five_seconds_without_a_record(waited_ms: int, is_told: bool) -> None:
    clock = Clock()
    subject = intake(clock)
    subject.assign(frozenset({2}))
    subject.forward([a_record(a_touchpoint(), partition=2)])
    subject.ticks()
    clock.now_ms = waited_ms
    told = ticks_of(subject.ticks())
    assert told == ([Tick((SourceProgress(2, None, 5_000),))] * 4 if is_told else [])


def test_quiet_time_is_told_once_however_often_is_asked() -> None:
    clock = Clock()
    subject = intake(clock)
    subject.assign(frozenset({0}))
    quiet = 0
    for step in range(1, 41):
        clock.now_ms = step * 500
        for tick in ticks_of(subject.ticks())[:1]:
            quiet += tick.sources[0].quiet_ms
    assert quiet == 20_000


def test_a_process_that_was_paused_for_an_hour_has_seen_ten_seconds_of_quiet_at_most() -> None:
    clock = Clock()
    subject = intake(clock)
    subject.assign(frozenset({0}))
    clock.now_ms = HOUR
    assert ticks_of(subject.ticks())[0].sources[0].quiet_ms == 10 * SECOND


def test_a_producer_of_garbage_does_not_hold_time_back() -> None:
    clock = Clock()
    subject = intake(clock)
    subject.assign(frozenset({0}))
    subject.forward([a_record(a_touchpoint())])
    subject.ticks()
    clock.now_ms = 6_000
    subject.forward([a_record(b"\x07")])
    assert ticks_of(subject.ticks())[0] == Tick((SourceProgress(0, None, 6_000),))


def test_partitions_that_went_elsewhere_are_no_longer_told_of_and_those_that_stay_keep_their_time() -> None:
    clock = Clock()
    subject = intake(clock)
    subject.assign(frozenset({0, 1}))
    subject.forward([a_record(a_touchpoint(at=MONDAY), partition=0)])
    subject.forward([a_record(a_touchpoint(at=MONDAY + MINUTE), partition=1)])
    subject.assign(frozenset({1, 3}))
    (tick,) = set(ticks_of(subject.ticks()))
    assert tick == Tick((SourceProgress(1, MONDAY + MINUTE - LATENESS),))
    clock.now_ms = 6_000
    (tick,) = set(ticks_of(subject.ticks()))
    assert [progress.partition for progress in tick.sources] == [1, 3]


def test_what_was_told_before_partitions_were_handed_out_anew_is_told_again_for_it_may_not_have_arrived() -> None:
    subject = intake()
    subject.assign(frozenset({0}))
    subject.forward([a_record(a_touchpoint(at=MONDAY))])
    told = subject.ticks()
    assert subject.ticks() == []
    subject.assign(frozenset({0}))
    subject.forward([a_record(a_touchpoint(at=MONDAY))])
    assert ticks_of(subject.ticks()) == ticks_of(told)


def test_the_same_record_gives_the_same_touchpoint_whenever_it_is_read() -> None:
    record = a_record(a_touchpoint(sent_at=MONDAY - HOUR), timestamp=MONDAY)
    results = [read_record(record, Position("touchpoints", 0, 9), KEYRING, AdmissionSettings()) for _ in range(2)]
    assert msgspec.json.encode(results[0]) == msgspec.json.encode(results[1])

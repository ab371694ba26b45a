"""Questions of those who derive again what is stored: the engine and the store in memory answer alike."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from schemas.erasure import ErasedIdentifier
from schemas.identity import PersonIdentifier
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.period_reader import KeyRange, LastJudged, Period
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import Checkpoint
from sinks.clickhouse.rows import (
    PreparedBlock,
    checkpoint_block,
    erased_block,
    friction_block,
    identifier_block,
    person_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from tests.support.facts import Withdrawn, friction, person
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import DAY, MONDAY, TENANT, happened

pytestmark = pytest.mark.stack

_T = TypeVar("_T")
DAY_ONE = Period(MONDAY, MONDAY + DAY)
EVER = Period(0, 10_000_000_000_000)


class Stores:
    """The real store and the one in memory, written alike and asked alike."""

    def __init__(self, address: ClickHouseAddress) -> None:
        self._writer, self.real, self._memory = Writer(address), Reader(address), MemoryStore()

    def write(self, *blocks: PreparedBlock) -> None:
        for block in blocks:
            self._writer.insert(block)
            self._memory.take(block)

    def answer(self, question: Callable[[Reader], _T]) -> _T:
        """What both say, which must be the same."""
        real = question(self.real)
        assert asyncio.run(self._memory.read(question)) == real
        return real

    def close(self) -> None:
        self._writer.close()
        self.real.close()


@pytest.fixture
def stores(address: ClickHouseAddress) -> Iterator[Stores]:
    stores = Stores(address)
    yield stores
    stores.close()


def key(prefix: str, number: int) -> str:
    return f"{prefix}{number:028x}"


def row(identifier: str, person_key: str, version: int = 1) -> PersonIdentifier:
    return PersonIdentifier(
        identifier=identifier, tenant=TENANT, identity=f"email:{identifier}", person_key=person_key, version=version
    )


def test_owners_are_those_with_touchpoints_and_those_to_whom_others_belong(stores: Stores) -> None:
    own, gone, elsewhere, person_key, formerly = (key("e001", number) for number in range(5))
    for number, hash_ in enumerate((own, gone, elsewhere)):
        stores.write(
            touchpoint_block(
                [happened("page.viewed", MONDAY + number, identities=(f"email:{hash_}",))], token_prefix="t"
            )
        )
    erased = ErasedIdentifier(
        tenant=TENANT, identifier=gone, identity=f"email:{gone}", requested_at=1, source="s", id="1", version=1
    )
    stores.write(
        identifier_block([row(elsewhere, formerly)], token_prefix="1"),
        identifier_block([row(elsewhere, person_key, version=2)], token_prefix="2"),
        erased_block([erased], token_prefix="t"),
    )
    found = stores.answer(lambda reader: reader.load_owners(KeyRange("e001", "e002")))
    assert found == dict.fromkeys((own, elsewhere, person_key), TENANT)
    assert own not in stores.answer(lambda reader: reader.load_owners(KeyRange(elsewhere, "e002")))
    assert stores.answer(lambda reader: reader.load_owners(KeyRange("e001", own))) == {}
    assert found.items() <= stores.real.load_owners(KeyRange()).items()


def test_active_are_those_to_whom_something_happened_in_the_period(stores: Stores) -> None:
    before, first, last, after = (key("e003", number) for number in range(4))
    times = {before: MONDAY - 1, first: MONDAY, last: MONDAY + DAY - 1, after: MONDAY + DAY}
    told = [happened("page.viewed", at, identities=(f"email:{hash_}",)) for hash_, at in times.items()]
    stores.write(touchpoint_block(told, token_prefix="t"))
    assert stores.answer(lambda reader: reader.load_active([*times, "unknown"], DAY_ONE)) == {first, last}
    assert stores.answer(lambda reader: reader.load_active([], DAY_ONE)) == set()


def test_ranges_cover_everybody_and_hold_about_so_many_touchpoints(stores: Stores) -> None:
    at = MONDAY + 999 * DAY
    for number in range(6):
        told = [
            happened(
                "page.viewed", at + minute, identities=(f"email:{key(f'e01{number}', 0)}",), id=f"r{number}-{minute}"
            )
            for minute in range(2)
        ]
        stores.write(touchpoint_block(told, token_prefix="t"))
    period = Period(at, at + DAY)
    assert stores.real.load_key_ranges(period, 4) == [
        KeyRange("", "e012"), KeyRange("e012", "e014"), KeyRange("e014", ""),
    ]  # fmt: skip
    assert stores.real.load_key_ranges(period, 100) == [KeyRange("", "")]
    assert stores.real.load_key_ranges(Period(0, 1), 100) == [KeyRange("", "")]
    assert len(stores.real.load_key_ranges(period, 1)) == 6


def test_kinds_are_counted_once_each_without_what_is_never_judged(stores: Stores) -> None:
    at = MONDAY + 1_999 * DAY
    told = [
        happened("contact.started", at),
        happened("contact.started", at + DAY - 1, id="last"),
        happened("contact.started", at + DAY, id="after"),
        happened("page.viewed", at, probe=True),
        happened("page.viewed", at, staff=True, id="staff"),
    ]
    stores.write(touchpoint_block(told, token_prefix="1"), touchpoint_block(told[:1], token_prefix="2"))
    assert stores.real.load_kinds(Period(at, at + DAY)) == {"contact.started": 2}


def test_when_persons_were_judged_and_what_partitions_reached(stores: Stores) -> None:
    one, never, gone = (key("e004", number) for number in range(3))
    rows = [
        (person(person_key=one, next_deadline=MONDAY), 1, 3),
        (person(person_key=never, next_deadline=None), 1, 2),
    ]
    stores.write(
        person_block(rows, token_prefix="t"), person_block([], [(Withdrawn(gone, TENANT, gone), 2)], token_prefix="t")
    )
    found = stores.answer(lambda reader: reader.load_last_judged([one, never, gone]))
    assert found == {one: LastJudged(3, MONDAY), never: LastJudged(2, None)}

    def checkpoint(partition: int, incarnation: str, watermark: int | None) -> Checkpoint:
        return Checkpoint(
            consumer_group="g", topic="rederived", topic_incarnation=incarnation, partition=partition, next_offset=1,
            watermark=watermark, watermark_state="", written_at=1,
        )  # fmt: skip

    told = [checkpoint(0, "first", MONDAY), checkpoint(0, "second", MONDAY - 1), checkpoint(1, "first", None)]
    stores.write(checkpoint_block(told, token_prefix="t"))
    assert stores.answer(lambda reader: reader.load_watermarks("rederived")) == {0: MONDAY}
    assert stores.answer(lambda reader: reader.load_watermarks("unknown")) == {}


def test_frictions_come_back_as_they_were_written(stores: Stores) -> None:
    one, other = key("e005", 1), key("e006", 1)
    live = [
        friction(friction_id="f1", person_key=one, anchor_at=MONDAY, team=None, silenced_by="backfill"),
        friction(friction_id="f2", person_key=one, anchor_at=MONDAY + DAY - 1, minutes=0.1, from_channel=None),
        friction(friction_id="f3", person_key=one, anchor_at=MONDAY + DAY),
        friction(friction_id="f4", person_key=other, anchor_at=MONDAY),
    ]
    stores.write(
        friction_block([(each, 1) for each in live], token_prefix="1"),
        friction_block([], [(Withdrawn("f4", TENANT, other), 2)], token_prefix="2"),
    )
    everybody = KeyRange("e005", "e007")
    assert stores.answer(lambda reader: reader.load_friction_ids(everybody, DAY_ONE)) == ["f1", "f2"]
    assert stores.answer(lambda reader: reader.load_friction_ids(everybody, EVER)) == ["f1", "f2", "f3"]
    assert stores.answer(lambda reader: reader.load_friction_ids(KeyRange("e006", "e007"), DAY_ONE)) == []
    assert stores.answer(lambda reader: reader.load_frictions(["f3", "f1", "f2", "f4", "unknown"])) == live[:3]

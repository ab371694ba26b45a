"""The dead-letters agent: every record of its topic becomes a row, whoever wrote it, and none stops it."""

import asyncio
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.json_form import iso_time
from schemas.log import DeadLetter, Position
from streams.dead_letters_agent import DeadLettersAgent, read_dead_letter
from streams.headers import dead_letter_headers
from streams.settings import Settings, make_pepper
from streams.topics import DEAD
from tests.support.deadline import eventually
from tests.support.deliveries import Deliveries, a_record
from tests.support.faults import Faults, Killed, Moment
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import MONDAY

LETTER = DeadLetter(
    stage="decode",
    reason="missing_field",
    field="kind",
    detail="kind is missing or empty",
    raw=b"\x00bytes",
    key=b"customer_no:4711",
    position=Position("touchpoints", 3, 17),
    timestamp=MONDAY,
)
HEADERS = dead_letter_headers(LETTER, incarnation="first-life", code_version="1.2.3")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_pepper(tmp_path / "pepper")
    assert stat.S_IMODE((tmp_path / "pepper").stat().st_mode) == 0o600
    return Settings(data_dir=tmp_path)


def noted(settings: Settings, store: MemoryStore, *chunks: Sequence[Any]) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows of chunks of (value, headers, key), and what was acknowledged."""
    log = Deliveries(DEAD)

    async def handle() -> None:
        agent = DeadLettersAgent(settings, store)
        await agent.start()
        for value, headers, key in chunks:
            await agent.handle(log.chunk([value], headers=headers, key=key))
        await agent.close()

    asyncio.run(handle())
    return store.written["dead_letters"], log.acknowledged


def test_a_dead_letter_comes_back_from_its_record_as_it_was() -> None:
    record = a_record(LETTER.raw, offset=5, topic=DEAD, key=LETTER.key, headers=HEADERS)
    letter, headers = read_dead_letter(record)
    assert letter == LETTER
    assert (headers["incarnation"], headers["code_version"]) == ("first-life", "1.2.3")


def test_a_dead_letter_becomes_a_row_without_its_payload_or_key(settings: Settings) -> None:
    rows, acknowledged = noted(settings, MemoryStore(), (LETTER.raw, HEADERS, LETTER.key))
    (row,) = rows
    assert (row["topic"], row["partition"], row["offset"]) == ("touchpoints", 3, 17)
    assert (row["stage"], row["reason"], row["field"]) == ("decode", "missing_field", "kind")
    assert (row["topic_incarnation"], row["code_version"], row["appended_at"]) == ("first-life", "1.2.3", MONDAY)
    assert (row["dead_topic"], row["dead_partition"], row["dead_offset"]) == (DEAD, 0, 0)
    assert row["raw_bytes"] == len(LETTER.raw or b"")
    assert (row["state"], row["version"]) == ("open", 1)
    assert not any("4711" in str(value) or value == "bytes" for value in row.values())
    assert len(row["key_hash"]) == 32
    assert acknowledged == [1]


def test_the_key_of_a_record_is_hashed_as_before_when_it_is_noted_again_after_a_rotation(settings: Settings) -> None:
    chunk = (LETTER.raw, HEADERS, LETTER.key)
    (row,), _ = noted(settings, MemoryStore(), chunk)
    pepper = settings.pepper_path
    first = pepper.read_text()
    for since, is_as_before in ((MONDAY + 1, True), (MONDAY, False)):
        pepper.write_text(f"{first}{iso_time(since)} {'n' * 32}\n")
        (again,), _ = noted(settings, MemoryStore(), chunk)
        assert (again["key_hash"] == row["key_hash"]) is is_as_before
    pepper.write_text(f"{iso_time(MONDAY + 1)} {'n' * 32}\n")
    (keyless,), _ = noted(settings, MemoryStore(), chunk)
    assert keyless["key_hash"] == ""


def test_the_same_dead_letter_twice_is_the_same_row_but_for_when_and_where(settings: Settings) -> None:
    rows, _ = noted(settings, MemoryStore(), *[(LETTER.raw, HEADERS, LETTER.key)] * 2)
    first, second = ({**row, "recorded_at": 0, "dead_offset": 0} for row in rows)
    assert first == second


@pytest.mark.parametrize(
    ("value", "headers", "key"),
    [
        (None, (), b""),
        (b"", (), None),
        (b"x", (("partition", b"NaN"), ("offset", b"")), b""),
        (b"x", (("reason", None), ("topic", None), ("timestamp", b"soon")), b""),
        (b"x", (("reason", b"\xff\xfe"), ("reason", b"twice")), b"\xff"),
    ],
)
def test_records_of_strangers_are_noted_as_well_as_they_can_be(
    settings: Settings, value: bytes | None, headers: Any, key: bytes | None
) -> None:
    rows, acknowledged = noted(settings, MemoryStore(), (value, headers, key), (LETTER.raw, HEADERS, LETTER.key))
    assert len(rows) == 2
    assert acknowledged == [1, 2]


def test_a_row_that_the_store_refuses_does_not_stop_those_behind_it(settings: Settings) -> None:
    store = MemoryStore(refuses=lambda row: row["offset"] == 17)
    other = dead_letter_headers(
        DeadLetter(**{**{f: getattr(LETTER, f) for f in LETTER.__struct_fields__}, "position": Position("t", 0, 1)}),
        incarnation="",
        code_version="",
    )
    rows, acknowledged = noted(settings, store, (b"x", HEADERS, b""), (b"x", other, b""))
    assert [row["offset"] for row in rows] == [1]
    assert acknowledged == [1, 2]


def test_nothing_is_acknowledged_before_it_is_written(settings: Settings) -> None:
    for moment in Moment:
        log = Deliveries(DEAD)

        async def handle(log: Deliveries = log, moment: Moment = moment) -> None:
            agent = DeadLettersAgent(settings, MemoryStore(Faults(0, moment)))
            await agent.start()
            await agent.handle(log.chunk([LETTER.raw], headers=HEADERS))

        with pytest.raises(Killed):
            asyncio.run(handle())
        assert log.acknowledged == []


def test_a_rebalance_does_not_wait_for_a_store_that_is_away(settings: Settings) -> None:
    class AwayStore(MemoryStore):
        """Never answers."""

        is_asked = False
        is_interrupted = False

        async def insert(self, block: Any) -> Any:  # noqa: ARG002
            self.is_asked = True
            await asyncio.get_running_loop().create_future()

        def interrupt(self) -> None:
            self.is_interrupted = True

    async def scenario() -> None:
        store, log = AwayStore(), Deliveries(DEAD)
        agent = DeadLettersAgent(settings, store)
        await agent.start()
        handling = asyncio.create_task(agent.handle(log.chunk([LETTER.raw], headers=HEADERS)))
        await eventually(lambda: store.is_asked)
        await agent.revoked(0.01)
        await handling
        assert log.acknowledged == []
        assert store.is_interrupted
        await agent.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))

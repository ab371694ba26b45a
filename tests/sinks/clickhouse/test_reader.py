import msgspec
import pytest

from schemas.outputs import Session
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import AlertRecord, Attempt, Checkpoint, DeadLetterRecord, Deadline
from sinks.clickhouse.rows import (
    alert_block,
    attempt_block,
    checkpoint_block,
    dead_letter_block,
    effort_posting_block,
    friction_block,
    journey_block,
    person_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from tests.support.facts import Withdrawn, friction, journey, person, posting, session
from tests.support.touchpoints import MONDAY, applied, touchpoint

pytestmark = pytest.mark.stack

NOTHING: dict[str, dict[str, int]] = {"session": {}, "journey": {}, "friction": {}, "posting": {}, "person": {}}


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A person key that no other test uses."""
    return f"{hash(request.node.name) & (2**128 - 1):032x}"


def sessions_of(key: str, *versions: tuple[str, int]) -> list[tuple[Session, int]]:
    return [(session(session_id=id_, person_key=key), version) for id_, version in versions]


def test_touchpoints_are_loaded_by_owner_in_the_order_in_which_they_happened(
    writer: Writer, reader: Reader, key: str
) -> None:
    other = key[::-1]
    late, early, foreign = (
        applied(touchpoint("page.viewed", at, id=id_), identity_hash=owner)
        for at, id_, owner in [(MONDAY + 2, "late", key), (MONDAY + 1, "early", key), (MONDAY, "foreign", other)]
    )
    writer.insert(touchpoint_block([late, early, foreign], token_prefix="t"))
    assert reader.load_touchpoints([key, other, "unknown"]) == {key: [early, late], other: [foreign], "unknown": []}


def test_a_touchpoint_stored_twice_is_loaded_once_as_it_entered_the_log_first(
    writer: Writer, reader: Reader, key: str
) -> None:
    first, second = (
        applied(touchpoint("page.viewed", MONDAY, id="1", topic=topic), identity_hash=key, ingestion_time=at)
        for topic, at in [("first", 10), ("second", 11)]
    )
    writer.insert(touchpoint_block([second], token_prefix="t"))
    writer.insert(touchpoint_block([first], token_prefix="t"))
    assert reader.load_touchpoints([key]) == {key: [first]}


def test_more_keys_than_one_statement_holds_are_loaded_in_parts(writer: Writer, reader: Reader, key: str) -> None:
    keys = [f"{number:032x}" for number in range(12_000)] + [key]
    writer.insert(person_block([(person(person_key=key), 5, 0)], token_prefix="t"))
    assert len(reader.load_touchpoints(keys)) == 12_001
    assert reader.load_published(keys)[key]["person"] == {key: 5}
    assert reader.load_person_versions(keys) == {key: 5}


def test_what_is_published_is_loaded_by_person_and_kind(writer: Writer, reader: Reader, key: str) -> None:
    writer.insert(session_block(sessions_of(key, ("a", 1), ("b", 2)), token_prefix="t"))
    writer.insert(journey_block([(journey(journey_id="j", person_key=key), 3)], token_prefix="t"))
    writer.insert(friction_block([(friction(friction_id="f", person_key=key), 4)], token_prefix="t"))
    writer.insert(effort_posting_block([(posting(posting_id="p", person_key=key), 5)], token_prefix="t"))
    # The first epoch bit that a signed integer could not hold.
    writer.insert(person_block([(person(person_key=key), 2**63, 0)], token_prefix="t"))
    assert reader.load_published([key, "nobody"]) == {
        key: {
            "session": {"a": 1, "b": 2},
            "journey": {"j": 3},
            "friction": {"f": 4},
            "posting": {"p": 5},
            "person": {key: 2**63},
        },
        "nobody": NOTHING,
    }
    assert reader.load_person_versions([key, "nobody"]) == {key: 2**63}


def test_what_was_withdrawn_is_not_published(writer: Writer, reader: Reader, key: str) -> None:
    writer.insert(session_block(sessions_of(key, ("gone", 1), ("stays", 1)), token_prefix="t"))
    writer.insert(session_block([], [(Withdrawn("gone", "default", key), 2)], token_prefix="t"))
    assert reader.load_published([key])[key] == NOTHING | {"session": {"stays": 1}}


def test_a_fact_that_moved_to_another_person_is_published_there_only(writer: Writer, reader: Reader, key: str) -> None:
    new_key = key[::-1]
    # Enough rows in between that the two versions lie in different granules and the skip index has work to do.
    crowd = [(session(session_id=f"{key}{number:05}", person_key="crowd"), 1) for number in range(20_000)]
    moved = f"{key}10000x"
    writer.insert(session_block([*crowd, *sessions_of(key, (moved, 1))], token_prefix="t"))
    writer.insert(session_block([(session(session_id=moved, person_key=new_key), 2)], token_prefix="t"))
    # Asked for alone, so that nothing else makes the engine look at the newer version.
    assert reader.load_published([key]) == {key: NOTHING}
    assert reader.load_published([new_key]) == {new_key: NOTHING | {"session": {moved: 2}}}


def test_open_deadlines_of_a_partition_are_loaded_earliest_first(writer: Writer, reader: Reader) -> None:
    persons = [
        (person(person_key="later", next_deadline=MONDAY + 2), 1, 71),
        (person(person_key="sooner", next_deadline=MONDAY + 1), 1, 71),
        (person(person_key="never", next_deadline=None), 1, 71),
        (person(person_key="elsewhere", next_deadline=MONDAY), 1, 72),
        (person(person_key="past", next_deadline=MONDAY), 1, 71),
        (person(person_key="gone", next_deadline=MONDAY), 1, 71),
    ]
    writer.insert(person_block(persons, token_prefix="t"))
    writer.insert(
        person_block(
            [(person(person_key="past", next_deadline=None), 2, 71)],
            [(Withdrawn("gone", "default", "gone"), 2)],
            token_prefix="t",
        )
    )
    assert reader.load_deadlines(71) == [
        Deadline(MONDAY + 1, "default", "sooner"),
        Deadline(MONDAY + 2, "default", "later"),
    ]
    assert reader.load_deadlines(73) == []


def test_a_checkpoint_never_goes_back_whoever_writes_last(
    writer: Writer, reader: Reader, address: ClickHouseAddress
) -> None:
    start = Checkpoint(
        consumer_group="g",
        topic="touchpoints.keyed",
        topic_incarnation="life-1",
        partition=3,
        next_offset=0,
        watermark=None,
        watermark_state="",
        written_at=MONDAY,
    )
    ahead = msgspec.structs.replace(start, next_offset=100, watermark=MONDAY + 5, written_at=MONDAY + 1)
    # A worker that was paused, lost the partition, and wakes up.
    behind = msgspec.structs.replace(start, next_offset=60, watermark=MONDAY + 3, written_at=MONDAY + 9)
    writer.insert(checkpoint_block([start], token_prefix="t"))
    assert reader.load_checkpoints("g") == [start]
    writer.insert(checkpoint_block([ahead], token_prefix="t"))
    writer.insert(checkpoint_block([behind], token_prefix="t"))
    assert reader.load_checkpoints("g") == [ahead]
    connect(address).execute("OPTIMIZE TABLE checkpoints FINAL")
    assert reader.load_checkpoints("g") == [ahead]


def test_of_checkpoints_at_the_same_offset_the_one_written_last_counts(writer: Writer, reader: Reader) -> None:
    # A quiet partition: time passes, and nothing else does.
    before = Checkpoint(
        consumer_group="quiet",
        topic="touchpoints.keyed",
        topic_incarnation="life-1",
        partition=0,
        next_offset=9,
        watermark=MONDAY,
        watermark_state="",
        written_at=MONDAY,
    )
    after = msgspec.structs.replace(before, watermark=MONDAY + 1, written_at=MONDAY + 1)
    writer.insert(checkpoint_block([before], token_prefix="t"))
    writer.insert(checkpoint_block([after], token_prefix="t"))
    assert reader.load_checkpoints("quiet") == [after]


def test_checkpoints_differ_by_group_and_incarnation(writer: Writer, reader: Reader) -> None:
    one = Checkpoint(
        consumer_group="g2",
        topic="touchpoints.keyed",
        topic_incarnation="life-1",
        partition=0,
        next_offset=9,
        watermark=MONDAY,
        watermark_state="[1,{}]",
        written_at=MONDAY,
    )
    # Beside a watermark in the same block, an unknown one stays unknown.
    two = msgspec.structs.replace(one, topic_incarnation="life-2", next_offset=1, watermark=None)
    foreign = msgspec.structs.replace(one, consumer_group="g3")
    writer.insert(checkpoint_block([one, two, foreign], token_prefix="t"))
    assert reader.load_checkpoints("g2") == [one, two]


def test_alerts_are_loaded_by_friction_retractions_included(writer: Writer, reader: Reader, key: str) -> None:
    told = AlertRecord(
        tenant="default",
        friction_id=key,
        channel="care-slack",
        state="delivered",
        attempts=2,
        rule_id="channel_redirect",
        team="care",
        severity=3,
        recorded_at=MONDAY,
        version=4,
    )
    retracted = AlertRecord(
        tenant="default", friction_id=key, channel="", state="retracted", recorded_at=MONDAY + 1, version=5
    )
    writer.insert(alert_block([told, retracted], token_prefix="t"))
    writer.insert(alert_block([told], token_prefix="again"))
    assert sorted(reader.load_alerts([key, "unknown"]), key=lambda record: record.version) == [told, retracted]
    assert reader.load_alerts([]) == []


@pytest.fixture(scope="module")
def letters(address: ClickHouseAddress) -> list[DeadLetterRecord]:
    """Three open dead letters of a topic, recorded one after the other."""
    letter = DeadLetterRecord(
        topic="poison",
        topic_incarnation="life-1",
        partition=0,
        offset=0,
        appended_at=MONDAY,
        stage="decode",
        reason="truncated",
        field=None,
        detail="ends in field 3",
        raw_bytes=12,
        raw_sha256="ab",
        key_hash="cd",
        code_version="0.1.0",
        recorded_at=MONDAY,
        dead_topic="touchpoints.dead",
        dead_partition=0,
        dead_offset=5,
    )
    letters = [
        letter,
        msgspec.structs.replace(letter, offset=1, reason="missing_field", field="kind", recorded_at=MONDAY + 1),
        msgspec.structs.replace(letter, offset=2, raw_bytes=None, recorded_at=MONDAY + 2),
    ]
    writer = Writer(address)
    writer.insert(dead_letter_block(letters, token_prefix="t"))
    writer.insert(dead_letter_block(letters, token_prefix="the same again after a crash"))
    writer.close()
    return letters


def test_dead_letters_are_listed_newest_first_and_once(reader: Reader, letters: list[DeadLetterRecord]) -> None:
    assert reader.list_dead_letters() == letters[::-1]


def test_dead_letters_are_listed_by_reason_time_and_number(reader: Reader, letters: list[DeadLetterRecord]) -> None:
    assert reader.list_dead_letters(reason="missing_field") == [letters[1]]
    assert reader.list_dead_letters(since=MONDAY + 1) == [letters[2], letters[1]]
    assert reader.list_dead_letters(limit=1) == [letters[2]]
    assert reader.list_dead_letters(reason="' OR 1 = 1 --") == []


def test_a_dead_letter_is_found_by_its_place(reader: Reader, letters: list[DeadLetterRecord]) -> None:
    assert reader.find_dead_letters("poison", 0, 1) == [letters[1]]
    assert reader.find_dead_letters("poison", 1, 1) == []


def test_a_settled_dead_letter_stays_settled_when_the_log_is_replayed(writer: Writer, reader: Reader) -> None:
    found = DeadLetterRecord(
        topic="settled",
        topic_incarnation="life-1",
        partition=0,
        offset=0,
        appended_at=MONDAY,
        stage="admit",
        reason="missing_identity",
        field="identities",
        detail="",
        raw_bytes=1,
        raw_sha256="ab",
        key_hash="",
        code_version="0.1.0",
        recorded_at=1_000,
    )
    dropped = msgspec.structs.replace(found, state="dropped", version=2)
    writer.insert(dead_letter_block([found], token_prefix="t"))
    writer.insert(dead_letter_block([dropped], token_prefix="t"))
    writer.insert(dead_letter_block([msgspec.structs.replace(found, recorded_at=2_000)], token_prefix="replay"))
    assert reader.find_dead_letters("settled", 0, 0) == [dropped]
    assert found not in reader.list_dead_letters(reason="missing_identity")
    assert reader.list_dead_letters(reason="missing_identity", state=None) == [dropped]


def test_without_a_server_reading_can_be_tried_again() -> None:
    with pytest.raises(StoreUnavailable, match=r"^reading persons from 127\.0\.0\.1:1/journeys: "):
        Reader(ClickHouseAddress(port=1)).load_person_versions(["a"])


def test_without_tables_reading_stops_with_advice(engine: ClickHouseAddress) -> None:
    connect(engine, database="default").execute("CREATE DATABASE IF NOT EXISTS empty")
    with pytest.raises(SchemaMismatch, match=r"reading deadlines .* apply the migrations"):
        Reader(ClickHouseAddress(port=engine.port, database="empty")).load_deadlines(0)


def test_the_last_attempt_at_each_partition_is_loaded(writer: Writer, reader: Reader) -> None:
    first = Attempt(
        consumer_group="trying",
        topic="touchpoints",
        partition=2,
        topic_incarnation="life-1",
        keyed_partitions=4,
        offset=120,
        until_offset=145,
        deaths=1,
        recorded_at=MONDAY,
        version=10,
    )
    second = msgspec.structs.replace(first, topic_incarnation="life-2", offset=0, deaths=2, version=11)
    other = msgspec.structs.replace(first, partition=3)
    elsewhere = [
        msgspec.structs.replace(first, topic="touchpoints.keyed", version=99),
        msgspec.structs.replace(first, consumer_group="another", version=99),
    ]
    for attempt in (second, first, other, *elsewhere):
        writer.insert(attempt_block([attempt], token_prefix="t"))
    assert reader.load_attempts("trying", "touchpoints") == [second, other]

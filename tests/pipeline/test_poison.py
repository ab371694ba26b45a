"""A poisoned topic: every bad record is a dead letter once, with its reason and its bytes; every good one is in."""

import base64
import json
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
import msgspec
import pytest
from kafka import KafkaProducer

from schemas.codec import MAX_VALUE_BYTES, encode, schema_index
from schemas.touchpoint import Touchpoint
from streams.topics import TOUCHPOINTS
from tests.support.command_line import one_line
from tests.support.running_stack import Stack, running_stack
from tests.support.touchpoints import DAY, HOUR, MINUTE, touchpoint

pytestmark = pytest.mark.stack


def now() -> int:
    """The machine's clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


NOW = now()
#: 1970-01-02 and 9999-12-31, UTC milliseconds.
YEAR_1970 = DAY
YEAR_9999 = 253_402_214_400_000


class Sent(NamedTuple):
    """A record in the raw topic."""

    place: str
    key: bytes | None
    value: bytes | None


class Poison(NamedTuple):
    """A bad record, and what has to be said of it."""

    value: bytes | None
    reason: str
    field: str | None
    stage: str


def good(number: int, *, kind: str = "page.viewed", occurred_at: int = NOW - HOUR, **fields: Any) -> Touchpoint:
    return touchpoint(kind, occurred_at, **({"id": f"good-{number}"} | fields))


def _invalid_utf8() -> bytes:
    framed = encode(good(0, topic="delivery"))
    assert framed.count(b"delivery") == 1
    return framed.replace(b"delivery", b"deliver\xff")


def _of_fields(**changes: Any) -> bytes:
    """A record as a client with a codec of its own would write it, whatever our own encoder refuses."""
    index = schema_index()
    return _framed(msgspec.structs.asdict(good(0)) | changes, index.current_id)


def _framed(fields: Mapping[str, Any], schema_id: int) -> bytes:
    out = BytesIO(struct.pack(">bI", 0, schema_id))
    out.seek(5)
    fastavro.schemaless_writer(out, schema_index().by_id[schema_index().current_id], dict(fields))
    return out.getvalue()


WHOLE = encode(good(0))
POISON = {
    "garbage": Poison(b"\xde\xad\xbe\xef not a record", "bad_magic", None, "decode"),
    "empty value": Poison(b"", "empty_value", None, "decode"),
    "tombstone": Poison(None, "empty_value", None, "decode"),
    "unknown schema": Poison(b"\x00\x00\x00\x03\xe7" + WHOLE[5:], "unknown_schema_id", None, "decode"),
    "header alone": Poison(WHOLE[:3], "truncated", None, "decode"),
    "truncated": Poison(WHOLE[:-7], "truncated", None, "decode"),
    "trailing byte": Poison(WHOLE + b"\x00", "trailing_bytes", None, "decode"),
    "wrong magic": Poison(b"\x01" + WHOLE[1:], "bad_magic", None, "decode"),
    "no id": Poison(_of_fields(id=""), "missing_field", "id", "decode"),
    "no identity": Poison(_of_fields(identities=[]), "missing_identity", "identities", "decode"),
    "placeholders": Poison(
        _of_fields(identities=["customer_no:0000", "email:NULL", "loyalty:", "nobody"]),
        "missing_identity",
        "identities",
        "admit",
    ),
    "year 1970": Poison(_of_fields(occurred_at=YEAR_1970), "time_out_of_range", "occurred_at", "decode"),
    "year 1970, backfill": Poison(
        _of_fields(occurred_at=YEAR_1970, backfill=True), "time_out_of_range", "occurred_at", "decode"
    ),
    "year 9999": Poison(_of_fields(occurred_at=YEAR_9999), "time_out_of_range", "occurred_at", "decode"),
    "too old": Poison(encode(good(0, occurred_at=NOW - 401 * DAY)), "time_out_of_range", "occurred_at", "admit"),
    "too early": Poison(encode(good(0, occurred_at=NOW + 2 * HOUR)), "time_out_of_range", "occurred_at", "admit"),
    "no number": Poison(_of_fields(score=float("nan")), "invalid_value", "score", "decode"),
    "endless": Poison(_of_fields(amount=float("inf")), "invalid_value", "amount", "decode"),
    "invalid UTF-8": Poison(_invalid_utf8(), "not_decodable", None, "decode"),
    "2 MB": Poison(b"\x00" * 2_000_000, "too_large", None, "decode"),
    "just too large": Poison(b"\x00" * (MAX_VALUE_BYTES + 1), "too_large", None, "decode"),
}
#: Records at the edge of what is refused: strange, but good.
STRANGE = {
    "very old, backfill": good(9001, occurred_at=NOW - 4000 * DAY, backfill=True),
    "long text": good(9002, ext=json.dumps({"filler": "x" * 900_000})),
    "some placeholders": good(9003, identities=("customer_no:null", "account:real-1")),
    "unknown words": good(9004, kind="teapot.boiled", channel="pigeon"),
    "ends before it starts": good(9005, ended_at=NOW - 2 * HOUR),
    "clock an hour ahead": good(9006, occurred_at=NOW + HOUR, sent_at=NOW + HOUR),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    blocked = {"JOURNEYS_BLOCKED_IDENTITIES": '["kiosk-7"]'}
    with running_stack(tmp_path_factory.mktemp("poison"), environment=blocked) as running:
        yield running


@contextmanager
def producing(stack: Stack) -> Iterator[KafkaProducer]:
    """A plain client of the raw topic, with none of our checks."""
    producer = KafkaProducer(bootstrap_servers=stack.status()["kafka"], acks="all", max_request_size=8_000_000)
    try:
        yield producer
    finally:
        producer.close()


def send(producer: KafkaProducer, value: bytes | None, *, key: bytes | None = None) -> Sent:
    at = producer.send(TOUCHPOINTS, key=key, value=value).get(timeout=30)
    return Sent(f"{at.topic}/{at.partition}/{at.offset}", key, value)


def letters(stack: Stack, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack.run("dead-letters", "list", "--json", *options).stdout)
    return found


def at_place(stack: Stack, place: str) -> dict[str, Any]:
    (found,) = [letter for letter in letters(stack, "--all", "--limit", "10000") if letter["place"] == place]
    return found


def shown_bytes(stack: Stack, place: str) -> bytes | None:
    raw = json.loads(stack.run("dead-letters", "show", place, "--json").stdout)["raw_base64"]
    return None if raw is None else base64.b64decode(raw)


@pytest.fixture(scope="module")
def poisoned(stack: Stack) -> dict[str, Sent]:
    """Bad records between good ones, all waited for; the bad ones by name."""
    bad: dict[str, Sent] = {}
    with producing(stack) as producer:
        for number, (name, poison) in enumerate(POISON.items()):
            # A client makes no record of neither key nor value.
            key = b"tombstone" if poison.value is None else None
            send(producer, encode(good(number + 1)), key=b"good")
            bad[name] = send(producer, poison.value, key=key)
        for strange in STRANGE.values():
            send(producer, encode(strange))
    stack.wait()
    return bad


def test_each_bad_record_is_listed_once_with_its_reason_and_its_place(
    stack: Stack, poisoned: Mapping[str, Sent]
) -> None:
    listed = {letter["place"]: letter for letter in letters(stack)}
    assert len(letters(stack)) == len(listed) == len(POISON)
    for name, poison in POISON.items():
        letter = listed[poisoned[name].place]
        told = (letter["reason"], letter["field"], letter["stage"], letter["state"])
        assert told == (poison.reason, poison.field, poison.stage, "open"), name
        assert letter["raw_bytes"] == (None if poison.value is None else len(poison.value)), name
        assert abs(letter["appended_at"] - now()) < 10 * MINUTE, name
    # Details are for people; they never hold what customers sent.
    assert "customer_no" not in json.dumps(listed)
    assert stack.value("SELECT count() FROM v_dead_letters") == len(POISON)


def test_every_good_record_is_in(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    expected = {f"good-{number + 1}" for number in range(len(POISON))} | {strange.id for strange in STRANGE.values()}
    rows = stack.query("SELECT id, origin_offset FROM v_touchpoints")
    assert len(rows) == len(expected)
    assert {row["id"] for row in rows} == expected


def test_the_bytes_of_each_are_given_back_exactly(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    for name in ("garbage", "empty value", "tombstone", "trailing byte", "placeholders", "2 MB"):
        assert shown_bytes(stack, poisoned[name].place) == POISON[name].value, name
    text = stack.run("dead-letters", "show", poisoned["garbage"].place).stdout
    assert "reason             bad_magic" in text
    assert "000000  de ad be ef 20 6e 6f 74 20 61 20 72 65 63 6f 72  .... not a recor" in text
    assert "1999488 more bytes" in stack.run("dead-letters", "show", poisoned["2 MB"].place).stdout


def test_the_list_explains_reasons_and_can_be_narrowed(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    listed = stack.run("dead-letters", "list")
    assert poisoned["trailing byte"].place in listed.stdout
    assert "trailing_bytes: Bytes are left over after the record." in listed.stderr
    narrowed = letters(stack, "--reason", "time_out_of_range")
    assert {letter["place"] for letter in narrowed} == {
        poisoned[name].place for name, poison in POISON.items() if poison.reason == "time_out_of_range"
    }
    assert len(letters(stack, "--limit", "2")) == 2
    unknown = stack.run("dead-letters", "list", "--reason", "nonsense", code=2)
    assert "there is no reason nonsense; there are: empty_value, bad_magic" in one_line(unknown.stderr)


def test_a_worker_that_starts_again_doubles_none(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    before, counts = letters(stack, "--all", "--limit", "10000"), stack.counts()
    with producing(stack) as producer:
        more = send(producer, b"garbage before the end")
    # Whether it was forwarded already or not, it is a dead letter once.
    stack.kill("worker")
    stack.up()
    stack.wait()
    after = letters(stack, "--all", "--limit", "10000")
    assert len(after) == len(before) + 1
    assert at_place(stack, more.place)["reason"] == "bad_magic"
    assert stack.counts() == counts | {"dead_letters": counts["dead_letters"] + 1}


def test_what_is_still_bad_becomes_a_new_dead_letter_when_replayed(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    names = ("no identity", "tombstone", "2 MB")
    before = {letter["place"] for letter in letters(stack, "--all", "--limit", "10000")}
    for name in names:
        assert stack.run("dead-letters", "replay", poisoned[name].place).stdout == "1 replayed\n"
    stack.wait()
    listed = letters(stack, "--all", "--limit", "10000")
    states = {letter["place"]: letter["state"] for letter in listed}
    assert {states[poisoned[name].place] for name in names} == {"replayed"}
    assert {letter["place"] for letter in letters(stack)}.isdisjoint(poisoned[name].place for name in names)
    fresh = [letter for letter in listed if letter["place"] not in before]
    assert sorted((letter["reason"], letter["state"]) for letter in fresh) == sorted(
        (POISON[name].reason, "open") for name in names
    )
    for letter in fresh:
        (name,) = [name for name in names if POISON[name].reason == letter["reason"]]
        assert shown_bytes(stack, letter["place"]) == POISON[name].value


def test_a_key_survives_the_way_through_the_dead_letters(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    with producing(stack) as producer:
        keyed = send(producer, b"bad with key", key=b"customer_no:77")
        keyless = send(producer, b"bad without key")
    stack.wait()
    before = {letter["place"]: letter for letter in letters(stack, "--all", "--limit", "10000")}
    assert before[keyless.place]["key_hash"] == ""
    assert len(before[keyed.place]["key_hash"]) == 32
    stack.run("dead-letters", "replay", keyed.place)
    stack.wait()
    (fresh,) = [letter for letter in letters(stack, "--limit", "10000") if letter["place"] not in before]
    assert fresh["key_hash"] == before[keyed.place]["key_hash"]
    # Same key, same partition: a person's records stay in order.
    assert fresh["partition"] == before[keyed.place]["partition"]


def test_reading_everything_again_doubles_nothing_and_opens_nothing_that_was_settled(
    stack: Stack, poisoned: Mapping[str, Sent]
) -> None:
    stack.run("dead-letters", "replay", poisoned["garbage"].place)
    stack.wait()
    counts, before = stack.counts(), letters(stack, "--all", "--limit", "10000")
    # Groups that have committed nothing read everything from the start.
    stack.environment["JOURNEYS_GROUP_PREFIX"] = "again"
    stack.kill("worker")
    late = stack.run("wait", "--timeout", "1", code=2)
    assert "not everything is queryable" in late.stderr
    stack.up()
    stack.wait()
    assert stack.counts() == counts
    after = {letter["place"]: letter for letter in letters(stack, "--all", "--limit", "10000")}
    assert len(after) == len(before)
    assert {place: letter["state"] for place, letter in after.items()} == {
        letter["place"]: letter["state"] for letter in before
    }
    assert after[poisoned["garbage"].place]["state"] == "replayed"
    # The bytes are found wherever they lie now.
    assert shown_bytes(stack, poisoned["wrong magic"].place) == POISON["wrong magic"].value


def test_a_record_that_was_refused_goes_in_when_it_is_replayed_after_the_cause_is_mended(
    stack: Stack, poisoned: Mapping[str, Sent]
) -> None:
    with producing(stack) as producer:
        # Sent now, not when this module was read: half an hour in between would be its producer's wrong clock.
        refused = send(producer, encode(good(9100, identities=("account:kiosk-7",), sent_at=now())))
    stack.wait()
    letter = at_place(stack, refused.place)
    assert (letter["reason"], letter["stage"]) == ("missing_identity", "admit")
    found = (
        "SELECT id, is_time_corrected, toUnixTimestamp64Milli(ingestion_time) AS appended_at"
        " FROM v_touchpoints WHERE id = 'good-9100'"
    )
    assert stack.query(found) == []

    del stack.environment["JOURNEYS_BLOCKED_IDENTITIES"]
    stack.kill("worker")
    stack.up()
    stack.run("dead-letters", "replay", refused.place)
    stack.wait()
    # It counts as received when it was received first: the delay is not its producer's clock.
    expected = {"id": "good-9100", "is_time_corrected": False, "appended_at": letter["appended_at"]}
    assert stack.query(found) == [expected]
    assert at_place(stack, refused.place)["state"] == "replayed"


def test_replay_of_all_sends_what_it_can_and_names_what_is_gone(stack: Stack, poisoned: Mapping[str, Sent]) -> None:
    open_before = len(letters(stack, "--limit", "10000"))
    # The log of the embedded broker lives in memory: what lay in it is gone.
    stack.run("down")
    stack.up()
    with producing(stack) as producer:
        fresh = send(producer, b"garbage in the new log")
    stack.wait()
    assert len(letters(stack, "--limit", "10000")) == open_before + 1
    done = stack.run("dead-letters", "replay", "--all", "--json", code=1)
    summary = json.loads(done.stdout)
    assert summary["replayed"] == 1
    assert at_place_newest(stack, fresh.place)["state"] == "replayed"
    assert len(done.stderr.splitlines()) == open_before
    assert "are no longer in touchpoints.dead" in done.stderr
    assert "Traceback" not in done.stderr


def at_place_newest(stack: Stack, place: str) -> dict[str, Any]:
    """The dead letter of the newest log: places begin again in a new one."""
    found = [letter for letter in letters(stack, "--all", "--limit", "10000") if letter["place"] == place]
    return max(found, key=lambda letter: int(letter["recorded_at"]))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("show", "touchpoints/0"), 2, "expected TOPIC/PARTITION/OFFSET, got 'touchpoints/0'"),
        (("show", "touchpoints/0/999999"), 1, "there is no dead letter at touchpoints/0/999999"),
        (("replay", "touchpoints/0/999999"), 1, "there is no dead letter at touchpoints/0/999999"),
        (("replay",), 2, "name one dead letter, or --all"),
        (("replay", "touchpoints/0/1", "--all"), 2, "name one dead letter, or --all"),
        (("replay", "touchpoints/0/1", "--reason", "truncated"), 2, "--reason goes with --all"),
    ],
)
def test_mistakes_are_named(stack: Stack, words: tuple[str, ...], code: int, message: str) -> None:
    done = stack.run("dead-letters", *words, code=code)
    assert message in one_line(done.stderr)
    assert "Traceback" not in done.stderr

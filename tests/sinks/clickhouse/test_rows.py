import msgspec

from schemas.log import DeadLetter, Position
from sinks.clickhouse.records import DeadLetterRecord
from sinks.clickhouse.rows import PreparedBlock, dead_letter_block, friction_block, session_block, touchpoint_block
from tests.support.facts import Withdrawn, friction, session
from tests.support.touchpoints import ANNA, MONDAY, TENANT, happened


def row(block: PreparedBlock, index: int) -> dict[str, object]:
    return {name: column[index] for name, column in zip(block.column_names, block.columns, strict=True)}


def test_equal_rows_have_equal_tokens() -> None:
    first = touchpoint_block([happened("contact.started", MONDAY)], token_prefix="life-1:0:5-9")
    again = touchpoint_block([happened("contact.started", MONDAY)], token_prefix="life-1:0:5-9")
    assert first == again
    assert first.token.startswith("life-1:0:5-9:touchpoints:")


def test_tokens_differ_by_prefix_table_and_every_value() -> None:
    tokens = {
        touchpoint_block([happened("contact.started", MONDAY)], token_prefix="a").token,
        touchpoint_block([happened("contact.started", MONDAY)], token_prefix="b").token,
        touchpoint_block([happened("contact.started", MONDAY + 1)], token_prefix="a").token,
        touchpoint_block([happened("contact.started", MONDAY, topic="x")], token_prefix="a").token,
        # The same value in the neighbouring column.
        touchpoint_block([happened("contact.started", MONDAY, reason="x")], token_prefix="a").token,
        session_block([(session(), 1)], token_prefix="a").token,
        session_block([(session(), 2)], token_prefix="a").token,
        session_block([], [(Withdrawn("5e55", TENANT, ANNA), 2)], token_prefix="a").token,
    }
    assert len(tokens) == 8


def test_rows_keep_the_order_given_and_withdrawn_ones_come_last() -> None:
    block = session_block(
        [(session(session_id="b"), 1), (session(session_id="a"), 2)],
        [(Withdrawn("c", TENANT, ANNA), 3)],
        token_prefix="t",
    )
    assert [row(block, index)["session_id"] for index in range(block.rows)] == ["b", "a", "c"]
    assert [row(block, index)["version"] for index in range(block.rows)] == [1, 2, 3]
    assert [row(block, index)["is_deleted"] for index in range(block.rows)] == [0, 0, 1]


def test_columns_in_which_no_row_says_anything_are_left_out() -> None:
    silent = touchpoint_block([happened("page.viewed", MONDAY)], token_prefix="t")
    assert not {"traceparent", "probe", "score", "objects", "wait_ms", "context_carried"} & set(silent.column_names)
    spoken = touchpoint_block(
        [happened("page.viewed", MONDAY), happened("page.viewed", MONDAY + 1, wait_ms=0, context_carried=False)],
        token_prefix="t",
    )
    # Zero and false are something else than unknown.
    assert row(spoken, 0)["wait_ms"] is None
    assert row(spoken, 1)["wait_ms"] == 0
    assert row(spoken, 1)["context_carried"] is False


def test_the_copy_that_entered_the_log_first_has_the_higher_version() -> None:
    early = touchpoint_block([msgspec.structs.replace(happened("a", 1), ingestion_time=10)], token_prefix="t")
    late = touchpoint_block([msgspec.structs.replace(happened("a", 1), ingestion_time=11)], token_prefix="t")
    assert row(early, 0)["ingest_version"] == 2**64 - 1 - 10
    assert row(late, 0)["ingest_version"] == 2**64 - 1 - 11


def test_parts_of_a_block_hold_its_rows_and_have_tokens_of_their_own() -> None:
    whole = touchpoint_block([happened("a", MONDAY + at) for at in range(5)], token_prefix="t")
    left, right = whole.part(0, 2), whole.part(2, 5)
    assert [left.rows, right.rows] == [2, 3]
    assert [row(right, index)["id"] for index in range(3)] == [row(whole, index)["id"] for index in range(2, 5)]
    assert len({whole.token, left.token, right.token}) == 3


def test_a_value_that_no_store_takes_still_makes_a_block_with_a_stable_token() -> None:
    blocks = [touchpoint_block([happened("\ud800", MONDAY, active_ms=2**70)], token_prefix="t") for _ in range(2)]
    assert blocks[0].token == blocks[1].token


def test_evidence_is_stored_as_json() -> None:
    block = friction_block([(friction(), 1)], token_prefix="t")
    evidence = msgspec.json.decode(str(row(block, 0)["evidence"]))
    assert evidence["touchpoints"] == ["default/shop/1", "default/shop/2"]
    assert evidence["checks"] == [{"name": "arrival_h", "value": "3.5", "threshold": "48", "passed": True}]


def test_a_dead_letter_is_recorded_without_its_payload() -> None:
    letter = DeadLetter(
        stage="decode",
        reason="truncated",
        field=None,
        detail="3 bytes missing",
        raw=b"anna@example.org",
        key=b"email:anna@example.org",
        position=Position("touchpoints", 1, 42),
        timestamp=MONDAY,
    )
    record = DeadLetterRecord.of(
        letter,
        topic_incarnation="i",
        key_hash="ab",
        code_version="0.1.0",
        recorded_at=MONDAY + 1,
        stored_at=Position("touchpoints.dead", 3, 7),
    )
    values = row(dead_letter_block([record], token_prefix="t"), 0)
    assert "anna" not in repr(values)
    assert values["raw_bytes"] == 16
    assert values["raw_sha256"] == "a3bf86238a1c59bd2f0a648af9293620f90d18dad133d8fe2341cf9664a5d6d0"
    assert (values["dead_topic"], values["dead_partition"], values["dead_offset"]) == ("touchpoints.dead", 3, 7)


def test_a_tombstone_has_no_size_and_no_hash() -> None:
    letter = DeadLetter(
        stage="decode",
        reason="empty_value",
        field=None,
        detail="",
        raw=None,
        key=None,
        position=Position("touchpoints", 0, 0),
        timestamp=0,
    )
    record = DeadLetterRecord.of(letter, topic_incarnation="i", key_hash="", code_version="", recorded_at=0)
    assert (record.raw_bytes, record.raw_sha256, record.dead_offset) == (None, "", -1)

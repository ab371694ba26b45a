"""A block for every table, told apart from all other blocks by a mark in its key."""

from collections.abc import Callable

import msgspec

from processors.identities import both
from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier
from schemas.rule_changes import RuleChange
from sinks.clickhouse.records import (
    ActionRecord,
    AlertRecord,
    Attempt,
    Checkpoint,
    DeadLetterRecord,
    IncidentRecord,
    NoticeRecord,
)
from sinks.clickhouse.rows import (
    PreparedBlock,
    action_block,
    alert_block,
    attempt_block,
    checkpoint_block,
    dead_letter_block,
    effort_posting_block,
    erased_block,
    friction_block,
    identifier_block,
    incident_block,
    journey_block,
    link_block,
    notice_block,
    person_block,
    receipt_block,
    rule_change_block,
    session_block,
    touchpoint_block,
)
from tests.support.facts import friction, journey, person, posting, session
from tests.support.touchpoints import ANNA, MONDAY, TENANT, happened


def _links(mark: str) -> PreparedBlock:
    seen = IdentityLink(
        tenant=mark,
        identity=f"email:{ANNA}",
        other="cookie:0b0b",
        kind=LinkKind.SEEN,
        event_time=MONDAY,
        source="shop",
        id=mark,
        ingestion_time=MONDAY,
    )
    return link_block(both(seen), token_prefix="t")


def _identifiers(mark: str) -> PreparedBlock:
    one = PersonIdentifier(identifier=mark, tenant=TENANT, identity=f"email:{mark}", person_key=mark)
    return identifier_block([one], token_prefix="t")


def _erased(mark: str) -> PreparedBlock:
    one = ErasedIdentifier(
        tenant=TENANT, identifier=mark, identity=f"email:{mark}", requested_at=1, source="crm", id="1", version=1
    )
    return erased_block([one], token_prefix="t")


def _receipts(mark: str) -> PreparedBlock:
    one = ErasureReceipt(
        tenant=mark,
        source="crm",
        id="1",
        requested_at=MONDAY,
        identifier=ANNA,
        store="touchpoints",
        rows_before=2,
        rows_after=0,
        recorded_at=MONDAY,
        version=1,
    )
    return receipt_block([one], token_prefix="t")


def _checkpoints(mark: str) -> PreparedBlock:
    one = Checkpoint(
        consumer_group=mark,
        topic="touchpoints.keyed",
        topic_incarnation="a",
        partition=0,
        next_offset=7,
        watermark=MONDAY,
        watermark_state="{}",
        written_at=MONDAY,
    )
    return checkpoint_block([one], token_prefix="t")


def _dead_letters(mark: str) -> PreparedBlock:
    one = DeadLetterRecord(
        topic=mark,
        topic_incarnation="a",
        partition=0,
        offset=3,
        appended_at=MONDAY,
        stage="decode",
        reason="bad_magic",
        field=None,
        detail="",
        raw_bytes=3,
        raw_sha256="ab",
        key_hash="",
        code_version="1",
        recorded_at=MONDAY,
    )
    return dead_letter_block([one], token_prefix="t")


def _alerts(mark: str) -> PreparedBlock:
    one = AlertRecord(tenant=mark, friction_id="f1", channel="desk", state="delivered", recorded_at=MONDAY, version=1)
    return alert_block([one], token_prefix="t")


def _incidents(mark: str) -> PreparedBlock:
    one = an_incident_record(mark)
    return incident_block([one], token_prefix="t")


def _notices(mark: str) -> PreparedBlock:
    return notice_block([a_notice_record(mark)], token_prefix="t")


def _actions(mark: str) -> PreparedBlock:
    return action_block([ActionRecord(action_id=mark, kind="comment", acted_at=MONDAY, text="seen")], token_prefix="t")


def an_incident_record(incident_id: str, **changes: object) -> IncidentRecord:
    """An open incident of one friction."""
    one = IncidentRecord(
        tenant="t",
        incident_id=incident_id,
        cause="t rule=wait_sum",
        rule_id="wait_sum",
        variant="",
        team=None,
        topic=None,
        from_channel=None,
        to_channel=None,
        phase="open",
        is_over=False,
        is_swarm=False,
        severity=3,
        customers=1,
        frictions=1,
        minutes=2.5,
        started_at=MONDAY,
        opened_at=MONDAY,
        last_member_at=MONDAY,
        ended_at=None,
        because_en="",
        because_de="",
        acknowledged_by="",
        acknowledged_at=None,
        assigned_to="",
        person_keys=(),
        samples="[]",
        content="{}",
        version=1,
    )
    return msgspec.structs.replace(one, **changes)


def a_notice_record(notice_id: str, **changes: object) -> NoticeRecord:
    """A notice that is due."""
    one = NoticeRecord(
        notice_id=notice_id,
        channel="desk",
        kind="opened",
        state="due",
        tenant="t",
        incident_ids=("i1",),
        rule_id="wait_sum",
        team=None,
        severity=3,
        customers=1,
        decided_at=MONDAY,
        version=1,
    )
    return msgspec.structs.replace(one, **changes)


def _rule_changes(mark: str) -> PreparedBlock:
    one = RuleChange(rule_id=mark, version=2, effective_from=MONDAY, published_at=MONDAY, text="id: a")
    return rule_change_block([one], token_prefix="t")


def _attempts(mark: str) -> PreparedBlock:
    one = Attempt(
        consumer_group=mark,
        topic="t",
        partition=0,
        topic_incarnation="a",
        keyed_partitions=1,
        offset=3,
        until_offset=4,
        deaths=1,
        recorded_at=MONDAY,
        version=1,
    )
    return attempt_block([one], token_prefix="t")


#: Table -> a block of it with this mark, which analysts or workers see as one row.
BLOCKS: dict[str, Callable[[str], PreparedBlock]] = {
    "touchpoints": lambda mark: touchpoint_block([happened("page.viewed", MONDAY, id=mark)], token_prefix="t"),
    "persons": lambda mark: person_block([(person(person_key=mark), 1, 0)], token_prefix="t"),
    "sessions": lambda mark: session_block([(session(session_id=mark), 1)], token_prefix="t"),
    "journeys": lambda mark: journey_block([(journey(journey_id=mark), 1)], token_prefix="t"),
    "frictions": lambda mark: friction_block([(friction(friction_id=mark), 1)], token_prefix="t"),
    "effort_postings": lambda mark: effort_posting_block([(posting(posting_id=mark), 1)], token_prefix="t"),
    "identity_links": _links,
    "person_identifiers": _identifiers,
    "erased_identifiers": _erased,
    "erasure_receipts": _receipts,
    "checkpoints": _checkpoints,
    "attempts": _attempts,
    "rule_changes": _rule_changes,
    "dead_letters": _dead_letters,
    "alerts": _alerts,
    "alert_incidents": _incidents,
    "alert_notices": _notices,
    "alert_actions": _actions,
}

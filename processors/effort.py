"""The effort ledger: customer's minutes as double entry, debit the customer, credit the team that caused them."""

from processors.durations import minutes
from processors.entries import Entry
from processors.identifiers import hash_id
from schemas.outputs import EffortKind, EffortPosting


def post(
    name: str,
    kind: EffortKind,
    milliseconds: int,
    voucher: Entry,
    *,
    person_key: str,
    journey_id: str,
    team: str | None,
    is_measured: bool,
    friction_id: str | None = None,
) -> EffortPosting:
    """One posting, dated by its voucher; `name` tells the postings of one voucher and friction apart."""
    return EffortPosting(
        posting_id=hash_id("posting", name, friction_id or "", *voucher.touchpoint.key),
        tenant=voucher.touchpoint.tenant,
        person_key=person_key,
        journey_id=journey_id,
        friction_id=friction_id,
        kind=kind,
        minutes=minutes(milliseconds),
        is_measured=is_measured,
        team=team,
        voucher=voucher.ref,
        posted_at=voucher.start,
    )


def post_wait(entry: Entry, *, person_key: str, journey_id: str) -> EffortPosting:
    """The wait that a touchpoint measured, credited to the team that it names."""
    return post(
        "wait",
        EffortKind.WAIT,
        entry.touchpoint.wait_ms or 0,
        entry,
        person_key=person_key,
        journey_id=journey_id,
        team=entry.touchpoint.team,
        is_measured=True,
    )

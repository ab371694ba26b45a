"""Hypothesis strategies for the touchpoints of one person: few words, many collisions, times near the boundaries."""

from typing import Any

from hypothesis import strategies as st

from schemas.touchpoint import AppliedTouchpoint
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened

_KINDS = st.sampled_from(
    "page.viewed page.viewed page.viewed form.submitted contact.started contact.started call.offered"
    " contact.ended message.sent contact.redirected contact.redirected contact.redirected case.resolved"
    " customer.confirmed data.requested data.provided contact.transferred consent.withdrawn something.new".split()
)
_BY_COMPANY = frozenset(
    "message.sent contact.redirected contact.transferred case.resolved data.requested callback.promised".split()
)
#: Gaps that rules and sessions turn on, and one millisecond to either side.
_STEPS = st.builds(
    lambda step, nudge: max(0, step + nudge),
    st.sampled_from([0, MINUTE, 30 * MINUTE, HOUR, 24 * HOUR, 48 * HOUR, 72 * HOUR, 7 * DAY, 14 * DAY]),
    st.sampled_from([-1, 0, 1]),
)
_OBJECTS = st.sampled_from(["case:1", "case:2", "order:1", "order:2:line", "contract:1", "incident:9", "promise:1"])


@st.composite
def stories(draw: st.DrawFn, max_size: int = 14) -> list[AppliedTouchpoint]:
    """Touchpoints of Anna in the order in which they were drawn, at most `max_size`, each key once."""
    at = MONDAY
    story = []
    for number in range(draw(st.integers(1, max_size))):
        at += draw(_STEPS)
        story.append(draw(_touchpoint(at, number)))
    return story


@st.composite
def _touchpoint(draw: st.DrawFn, at: int, number: int) -> AppliedTouchpoint:
    kind = draw(_KINDS)
    is_company = kind in _BY_COMPANY
    fields: dict[str, Any] = {
        "id": f"{number}",
        "channel": draw(st.sampled_from(["phone", "web", "web", "email", "portal"])),
        "topic": draw(st.sampled_from([None, None, "a", "a", "b"])),
        "actor": "agent" if is_company else draw(st.sampled_from(["customer"] * 9 + ["bot"])),
        "direction": "outbound" if is_company else "inbound",
        "objects": tuple(draw(st.lists(_OBJECTS, max_size=1))),
        "thread_id": draw(st.sampled_from([None, None, None, "t", "u"])),
        "outcome": draw(st.sampled_from([None, None, None, "ok", "failed"])),
        "reason": draw(st.sampled_from([None] * 6 + ["follow_up", "customer_request", "legal", "appointment"])),
        "ended_at": at + draw(_STEPS) if draw(st.booleans()) else None,
        "probe": draw(st.integers(0, 15)) == 0,
        "backfill": draw(st.integers(0, 15)) == 0,
        "wait_ms": draw(st.sampled_from([None, None, 3 * MINUTE])),
        "active_ms": draw(st.sampled_from([None, None, 20 * MINUTE])),
    }
    if kind in {"data.requested", "data.provided"}:
        fields["items_requested" if is_company else "items_provided"] = draw(
            st.sampled_from([("iban",), ("iban", "name")])
        )
    if kind == "contact.transferred":
        fields |= {"from_team": draw(st.sampled_from(["x", "y", None])), "to_team": draw(st.sampled_from(["x", "y"]))}
    if kind == "contact.redirected":
        fields["redirect_to"] = draw(st.sampled_from(["web", "web", "phone", None]))
    if kind == "consent.withdrawn":
        fields["purposes"] = ("profiling",)
    return happened(kind, at, **fields)


#: A watermark from before the story to well after every deadline in it.
watermarks = st.integers(-1, 60 * 24).map(lambda hours: MONDAY + hours * HOUR)

"""Journeys: what belongs together, when they close, and what they add up to."""

from typing import Any

import pytest

from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.outputs import EffortKind, Journey, JourneyStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import judged
from tests.support.touchpoints import ANNA, DAY, HOUR, MINUTE, MONDAY, TENANT, happened


def wrote(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("message.received", at, **({"channel": "email"} | fields))


def solved(at: int, **fields: Any) -> AppliedTouchpoint:
    return happened("case.resolved", at, **({"channel": "email", "actor": "agent", "direction": "internal"} | fields))


def journeys(*touchpoints: AppliedTouchpoint, watermark: int | None = None) -> tuple[Journey, ...]:
    return judged(*touchpoints, watermark=watermark).journeys


def only(*touchpoints: AppliedTouchpoint, watermark: int | None = None) -> Journey:
    (journey,) = journeys(*touchpoints, watermark=watermark)
    return journey


@pytest.mark.parametrize("shared", [{"objects": ("case:1",)}, {"objects": ("order:1",)}, {"thread_id": "t"}])
def test_a_case_an_order_and_a_thread_are_one_matter_however_long_it_takes(shared: dict[str, Any]) -> None:
    assert only(wrote(**shared), wrote(MONDAY + 300 * DAY, **shared)).touches == 2


@pytest.mark.parametrize("shared", [{"topic": "a"}, {"objects": ("contract:1",)}, {"objects": ("product:1",)}])
@pytest.mark.parametrize(("gap", "count"), [(14 * DAY, 1), (14 * DAY + 1, 2)])
def test_a_topic_and_a_standing_object_are_one_matter_within_14_days(
    shared: dict[str, Any], gap: int, count: int
) -> None:
    first = wrote(ended_at=MONDAY + HOUR, **shared)
    assert len(journeys(first, wrote(MONDAY + HOUR + gap, **shared))) == count


@pytest.mark.parametrize("shared", [{"objects": ("campaign:1",)}, {"objects": ("incident:1",)}, {}])
def test_what_many_matters_share_joins_nothing(shared: dict[str, Any]) -> None:
    assert len(journeys(wrote(**shared), wrote(MONDAY + DAY, **shared))) == 2


def test_one_touchpoint_with_two_keys_joins_two_matters() -> None:
    parts = [wrote(topic="a"), wrote(MONDAY + DAY, objects=("case:1",))]
    assert len(journeys(*parts)) == 2
    joined = only(*parts, wrote(MONDAY + 2 * DAY, topic="a", objects=("case:1",)))
    assert joined.touches == 3
    assert joined.objects == ("case:1",)


def test_what_lasted_longest_decides_how_long_a_topic_lives() -> None:
    long, short = wrote(topic="a", ended_at=MONDAY + 10 * DAY), wrote(MONDAY + DAY, topic="a")
    assert only(long, short, wrote(MONDAY + 24 * DAY, topic="a")).touches == 3


def test_joined_matters_are_told_in_order() -> None:
    case: dict[str, Any] = {"objects": ("case:1",)}
    journey = only(
        wrote(topic="a"),
        wrote(MONDAY + DAY, **case),
        wrote(MONDAY + 2 * DAY, topic="a"),
        wrote(MONDAY + 3 * DAY, topic="a", **case),
    )
    days = [int(key.partition("@")[2]) for key in journey.touchpoint_keys]
    assert days == [MONDAY, MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + 3 * DAY]


def test_a_journey_is_named_by_its_first_touchpoint_whatever_arrives_later() -> None:
    first, second = wrote(objects=("case:1",)), wrote(MONDAY + DAY, objects=("case:1",))
    assert only(first).journey_id == only(first, second).journey_id != only(second).journey_id


def test_what_names_no_matter_belongs_to_the_matter_of_its_session() -> None:
    journey = only(
        happened("page.viewed", MONDAY, channel="web"),
        wrote(MONDAY + MINUTE, channel="web", topic="a"),
        happened("page.viewed", MONDAY + 2 * MINUTE, channel="web"),
    )
    assert journey.touches == 3
    assert journey.opened_at == MONDAY


def test_what_names_no_matter_never_joins_two() -> None:
    one, other = journeys(
        wrote(MONDAY, topic="a"),
        happened("page.viewed", MONDAY + MINUTE, channel="web"),
        wrote(MONDAY + 2 * MINUTE, topic="b"),
        happened("page.viewed", MONDAY + 3 * MINUTE, channel="web"),
    )
    assert [(one.topic, one.touches), (other.topic, other.touches)] == [("a", 2), ("b", 2)]


def test_two_contacts_without_a_topic_are_one_journey_in_one_session_only() -> None:
    assert only(wrote(), wrote(MONDAY + 30 * MINUTE)).contacts == 2
    assert len(journeys(wrote(), wrote(MONDAY + 30 * MINUTE + 1))) == 2


def test_looking_around_is_no_journey() -> None:
    assert journeys(happened("page.viewed", MONDAY, channel="web", topic="a")) == ()


@pytest.mark.parametrize(
    ("watermark", "status", "closed_at"),
    [
        (MONDAY + HOUR + 14 * DAY - 1, JourneyStatus.OPEN, None),
        (MONDAY + HOUR + 14 * DAY, JourneyStatus.CLOSED, MONDAY + HOUR + 14 * DAY),
    ],
)
def test_a_journey_closes_14_days_after_its_last_event(
    watermark: int, status: JourneyStatus, closed_at: int | None
) -> None:
    journey = only(wrote(topic="a", ended_at=MONDAY + HOUR), watermark=watermark)
    assert (journey.status, journey.closed_at) == (status, closed_at)
    assert journey.outcome == ("open" if status is JourneyStatus.OPEN else "unsolved")


@pytest.mark.parametrize(
    ("watermark", "status"),
    [(MONDAY + 8 * DAY - 1, JourneyStatus.OPEN), (MONDAY + 8 * DAY, JourneyStatus.CLOSED)],
)
def test_a_solved_journey_closes_7_days_after_the_solution(watermark: int, status: JourneyStatus) -> None:
    survey = happened("survey.sent", MONDAY + 2 * DAY, topic="a", actor="system", direction="outbound")
    journey = only(wrote(topic="a"), solved(MONDAY + DAY, topic="a"), survey, watermark=watermark)
    assert (journey.status, journey.outcome) == (status, "solved")


def test_a_contact_after_the_solution_opens_the_matter_again() -> None:
    again = wrote(MONDAY + 2 * DAY, topic="a")
    journey = only(wrote(topic="a"), solved(MONDAY + DAY, topic="a"), again, watermark=MONDAY + 10 * DAY)
    assert (journey.status, journey.outcome) == (JourneyStatus.OPEN, "open")
    left = (wrote(topic="a"), solved(MONDAY + DAY, topic="a"), again)
    assert judge(restore(TENANT, ANNA, left), (), MONDAY + 2 * DAY, CoreSettings()).wake_at == MONDAY + 16 * DAY


def test_an_event_after_the_journey_closed_republishes_it() -> None:
    case: dict[str, Any] = {"objects": ("case:1",)}
    late = happened("case.updated", MONDAY + 20 * DAY, actor="agent", **case)
    journey = only(wrote(**case), late, watermark=MONDAY + 20 * DAY)
    assert (journey.status, journey.last_event_at) == (JourneyStatus.OPEN, MONDAY + 20 * DAY)


def test_a_journey_adds_up_what_happened_in_it() -> None:
    case: dict[str, Any] = {"objects": ("case:1", "product:x:blue"), "topic": "invoice"}
    company = {"actor": "agent", "direction": "internal", **case}
    journey = only(
        happened("contact.started", MONDAY, channel="chat", thread_id="t", **case),
        happened("message.received", MONDAY + MINUTE, channel="chat", thread_id="t", **case),
        happened("contact.redirected", MONDAY + 2 * MINUTE, channel="chat", redirect_to="phone", **company),
        happened("call.offered", MONDAY + HOUR, channel="phone", wait_ms=5 * MINUTE, team="hotline", **case),
        happened("contact.transferred", MONDAY + 2 * HOUR, channel="phone", **company),
        happened("case.assigned", MONDAY + 3 * HOUR, from_team="a", to_team="b", **company),
        happened("case.assigned", MONDAY + 4 * HOUR, from_team="b", to_team="b", **company),
        happened("case.assigned", MONDAY + 5 * HOUR, to_team="b", **company),
    )
    assert (journey.touches, journey.contacts, journey.redirects, journey.handoffs) == (8, 2, 1, 2)
    assert (journey.first_channel, journey.last_channel, journey.channels) == (
        "chat",
        "other",
        ("chat", "phone", "other"),
    )
    assert (journey.topic, journey.objects) == ("invoice", ("case:1", "product:x:blue"))
    assert journey.wait_minutes == 5.0
    assert journey.touchpoint_keys[0] == f"default/test/contact.started@{MONDAY}"


def test_a_measured_wait_is_posted_to_the_team_that_let_wait() -> None:
    judgement = judged(wrote(topic="a", wait_ms=90_000, team="back office"))
    (posting,) = judgement.postings
    assert (posting.kind, posting.minutes, posting.is_measured) == (EffortKind.WAIT, 1.5, True)
    assert (posting.team, posting.friction_id, posting.posted_at) == ("back office", None, MONDAY)
    assert judgement.journeys[0].effort_minutes == 1.5


@pytest.mark.parametrize(
    ("acts", "still_open"),
    [
        ([("promise.made", "p")], 1),
        ([("promise.made", "p"), ("promise.kept", "p")], 0),
        ([("promise.made", "p"), ("promise.broken", "p")], 0),
        ([("promise.made", "p"), ("promise.renegotiated", "p")], 1),
        ([("promise.made", "p"), ("promise.kept", "q")], 1),
        ([("callback.promised", None), ("callback.promised", None), ("callback.reached", None)], 1),
        ([("promise.kept", None), ("promise.made", None)], 1),
    ],
)
def test_promises_are_open_until_kept_or_broken(acts: list[tuple[str, str | None]], still_open: int) -> None:
    story = [
        happened(kind, MONDAY + n, topic="a", actor="agent", promise_id=promise)
        for n, (kind, promise) in enumerate(acts)
    ]
    assert only(*story).open_promises == still_open

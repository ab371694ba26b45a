"""Who is told what and when: causes, waits, intervals, digests, swarms, withdrawals, limits, hours; pure."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.alerts import AlertIntent
from sinks.alerts.hours import Calendar
from sinks.alerts.incidents import Action, ActionKind, Phase, Settlement
from sinks.alerts.ledger import EntryState
from sinks.alerts.notice import NoticeKind
from sinks.alerts.policy import Digest, Hours, Minimum, Policy, PolicyRoute, Swarm, Traits
from tests.support.alert_book import DAY, HOUR, MINUTE, MONDAY_10, PLAIN, SECOND, AlertBook, a_limit, a_policy
from tests.support.alert_intents import an_intent

OPENED, UPDATED, CLOSED = NoticeKind.OPENED, NoticeKind.UPDATED, NoticeKind.CLOSED
WITHDRAWN, DIGEST, EXPIRED = NoticeKind.WITHDRAWN, NoticeKind.DIGEST, NoticeKind.EXPIRED


def friction(number: int, person: int | None = None, **changes: Any) -> AlertIntent:
    """A friction of one cause; each of another customer unless said otherwise."""
    fields = {"friction_id": f"f{number}", "person_key": f"p{number if person is None else person}", "version": 1}
    return an_intent(**{**fields, **changes})


def gone(number: int, version: int = 2, because: str = "") -> AlertIntent:
    return friction(number, version=version, action="retract", because_en=because, because_de=because)


def frictions(first: int, last: int, **changes: Any) -> list[AlertIntent]:
    return [friction(number, **changes) for number in range(first, last + 1)]


def action(kind: ActionKind, book: AlertBook, **changes: Any) -> Action:
    incident = book.incidents[0]
    fields = {"action_id": "a1", "incident_id": incident.incident_id, "cause": incident.cause, "by": "ann"}
    return Action(**{**fields, "kind": kind, "at": book.now, **changes})


# Groups.


def test_frictions_of_one_cause_are_told_together_when_the_group_wait_is_over() -> None:
    book = AlertBook(a_policy())
    book.take(*frictions(1, 4))
    assert book.told == []
    book.pass_time(MINUTE - SECOND)
    assert book.told == []
    book.pass_time(2 * SECOND)
    assert book.kinds() == [OPENED]
    (subject,) = book.last.subjects
    assert (subject.customers, subject.frictions, subject.minutes) == (4, 4, 50.0)


def test_causes_are_told_apart_by_rule_channels_team_and_tenant() -> None:
    book = AlertBook(a_policy())
    others: list[dict[str, Any]] = [
        {"rule_id": "wait_sum"},
        {"from_channel": "email"},
        {"to_channel": "form"},
        {"team": "x"},
        {"tenant": "b"},
    ]
    book.take(friction(0), *(friction(number, **other) for number, other in enumerate(others, 1)))
    book.take(friction(9, topic="another", variant="another"))
    book.pass_time(2 * MINUTE)
    assert len(book.told) == 6
    assert sorted(notice.subjects[0].frictions for _, notice in book.told) == [1, 1, 1, 1, 1, 2]


def test_ungrouped_every_friction_is_told_by_itself() -> None:
    book = AlertBook(a_policy(group_by=("...",)))
    book.take(*frictions(1, 3))
    book.pass_time(2 * MINUTE)
    assert sorted(notice.subjects[0].friction_id for _, notice in book.told) == ["f1", "f2", "f3"]


def test_one_person_who_met_it_three_times_is_one_customer() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1, person=1), friction(2, person=1))
    book.take(friction(3, person=1), friction(4, person=2))
    book.pass_time(2 * MINUTE)
    (subject,) = book.last.subjects
    assert (subject.customers, subject.frictions) == (2, 4)


def test_the_most_severe_is_shown_and_its_severity_is_that_of_the_incident() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1, severity=2), friction(2, severity=5), friction(3, severity=3))
    book.pass_time(2 * MINUTE)
    (subject,) = book.last.subjects
    assert (subject.severity, subject.friction_id) == (5, "f2")


def test_who_cannot_be_named_alone_is_not_named() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    assert book.last.subjects[0].person_key == "p1"
    book.take(friction(2))
    book.pass_time(HOUR)
    assert (book.last.kind, book.last.subjects[0].person_key) == (UPDATED, "")


# Intervals.


@pytest.mark.parametrize(("more", "after", "expected"), [(2, 15, 1), (1, 15, 0), (1, 24 * 60, 1), (0, 24 * 60, 0)])
def test_it_is_told_again_when_customers_doubled_or_after_the_repeat_interval_when_it_grew(
    more: int, after: int, expected: int
) -> None:
    book = AlertBook(a_policy(resolve_after=10 * DAY))
    book.take(*frictions(1, 2))
    book.pass_time(2 * MINUTE)
    book.take(*frictions(3, 2 + more))
    book.pass_time(after * MINUTE)
    assert book.kinds() == [OPENED] + [UPDATED] * expected


def test_a_flood_is_told_at_doublings_once_an_interval_and_no_more() -> None:
    book = AlertBook(a_policy())
    for number in range(120):
        book.take(*frictions(number * 10, number * 10 + 9))
        book.pass_time(MINUTE)
    # Ten a minute: the next message is due at twice the customers, not every 15 minutes.
    assert book.kinds() == [OPENED, UPDATED, UPDATED, UPDATED]
    assert [notice.subjects[0].customers for _, notice in book.told] == [10, 160, 320, 640]


def test_what_somebody_acknowledged_is_not_repeated_but_told_when_it_doubles() -> None:
    book = AlertBook(a_policy(resolve_after=10 * DAY))
    book.take(*frictions(1, 2))
    book.pass_time(2 * MINUTE)
    book.take(actions=[action(ActionKind.ACKNOWLEDGE, book)])
    book.take(friction(3))
    book.pass_time(2 * DAY)
    assert book.kinds() == [OPENED]
    book.take(friction(4))
    book.pass_time(HOUR)
    assert book.kinds() == [OPENED, UPDATED]
    assert book.last.acknowledged_by == "ann"


def test_a_new_incident_of_a_cause_that_was_just_told_waits_for_the_interval() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    book.take(actions=[action(ActionKind.CLOSE, book)])
    book.take(friction(2))
    book.pass_time(13 * MINUTE)
    assert book.kinds() == [OPENED, CLOSED]
    book.pass_time(MINUTE + SECOND)
    assert book.kinds() == [OPENED, CLOSED, OPENED]


# Minimum and digest.


def test_a_cause_that_one_customer_met_waits_for_the_digest_and_three_make_it_an_alert_of_its_own() -> None:
    timing = replace(PLAIN, minimum=Minimum(customers=3), digest=Digest(below_severity=3))
    book = AlertBook(a_policy(timing))
    book.take(friction(1), friction(2, person=1))
    book.pass_time(HOUR)
    assert book.told == []
    book.take(friction(3), friction(4))
    book.pass_time(2 * MINUTE)
    assert book.kinds() == [OPENED]
    assert book.last.subjects[0].customers == 3


def test_what_is_most_severe_needs_no_second_customer() -> None:
    timing = replace(PLAIN, minimum=Minimum(customers=3, unless_severity=5), digest=Digest())
    book = AlertBook(a_policy(timing))
    book.take(friction(1, severity=5))
    book.pass_time(2 * MINUTE)
    assert book.kinds() == [OPENED]


def test_customers_of_long_ago_do_not_make_the_minimum() -> None:
    timing = replace(PLAIN, minimum=Minimum.model_construct(customers=2, within=HOUR, unless_severity=5))
    book = AlertBook(a_policy(timing))
    book.take(friction(1))
    book.pass_time(HOUR + MINUTE)
    book.take(friction(2))
    book.pass_time(MINUTE + SECOND)
    assert book.told == []
    book.take(friction(3))
    book.pass_time(MINUTE + SECOND)
    assert book.kinds() == [OPENED]


def test_the_digest_comes_at_its_hour_with_the_worst_first_and_counts_what_it_leaves_out() -> None:
    timing = replace(PLAIN, digest=Digest(below_severity=4))
    book = AlertBook(a_policy(timing, timezone="Europe/Berlin", most_subjects=2))
    for number, severity in enumerate([1, 3, 2, 1]):
        book.take(friction(number, rule_id=f"rule{number}", severity=severity))
    book.pass_time(21 * HOUR)  # until 07:00 UTC
    assert book.told == []
    book.pass_time(HOUR + SECOND)  # 09:00 in Berlin
    assert book.kinds() == [DIGEST]
    assert [subject.severity for subject in book.last.subjects] == [3, 2]
    assert book.last.left_out == 2
    book.pass_time(3 * DAY)
    assert book.kinds() == [DIGEST], "what was told is no news the next day"


def test_a_channel_that_takes_no_lists_gets_no_digest() -> None:
    timing = replace(PLAIN, digest=Digest(below_severity=6))
    book = AlertBook(replace(a_policy(timing), channels={"desk": Traits(can_list=False)}))
    book.take(friction(1))
    book.pass_time(3 * DAY)
    assert book.told == []
    assert book.over[next(iter(book.over))].phase is Phase.ENDED


def test_what_grows_slowly_after_it_was_told_is_a_line_of_the_digest_and_doubling_is_told_at_once() -> None:
    timing = replace(PLAIN, digest=Digest(below_severity=3))
    book = AlertBook(a_policy(timing, resolve_after=10 * DAY))
    book.take(*frictions(1, 4))
    book.pass_time(2 * MINUTE)
    book.take(friction(5))
    book.pass_time(DAY)
    assert book.kinds() == [OPENED, DIGEST]
    assert book.last.subjects[0].customers == 5
    book.take(friction(6))
    book.pass_time(HOUR)
    assert book.kinds() == [OPENED, DIGEST], "what comes after the digest waits for the next one"
    book.take(*frictions(7, 10))
    book.pass_time(HOUR)
    assert book.kinds() == [OPENED, DIGEST, UPDATED]
    book.take(*(gone(number) for number in range(1, 11)))
    assert book.kinds() == [OPENED, DIGEST, UPDATED, WITHDRAWN]


def test_what_comes_after_the_hour_of_the_digest_waits_for_the_next_one() -> None:
    book = AlertBook(a_policy(replace(PLAIN, digest=Digest(below_severity=3)), resolve_after=10 * DAY))
    book.take(*frictions(1, 4))
    book.pass_time(DAY + HOUR)  # Tuesday, eleven: nothing new at nine
    book.take(friction(5))
    book.pass_time(21 * HOUR)
    assert book.kinds() == [OPENED]
    book.pass_time(HOUR + SECOND)
    assert book.kinds() == [OPENED, DIGEST]


# Swarms.

SWARM = Swarm()


def test_a_burst_over_many_customers_is_told_whatever_else_would_hold_it_back() -> None:
    never = Calendar.model_validate({"hours": {"sun": "08:00-09:00"}})
    timing = replace(PLAIN, digest=Digest(below_severity=6), minimum=Minimum(customers=50), hours=Hours(calendar="n"))
    book = AlertBook(a_policy(timing, swarm=SWARM, calendars={"n": never}))
    book.take(*frictions(1, 4, severity=1))
    book.pass_time(5 * MINUTE)
    assert book.told == []
    book.take(friction(5, severity=1))
    book.pass_time(2 * MINUTE)
    assert book.kinds() == [OPENED]
    assert book.incidents[0].is_swarm


def test_four_customers_or_one_five_times_or_five_too_slowly_are_no_swarm() -> None:
    book = AlertBook(a_policy(swarm=SWARM))
    for number in range(5):
        book.take(friction(number, rule_id="slow"), friction(10 + number, person=1, rule_id="one"))
        book.pass_time(4 * MINUTE)
    book.take(*frictions(20, 23, rule_id="four"))
    assert [incident.is_swarm for incident in book.incidents] == [False, False, False]


def test_what_many_customers_meet_every_day_is_no_swarm_and_many_more_than_that_are_one() -> None:
    book = AlertBook(a_policy(swarm=SWARM))
    # 96 customers a day, one in a quarter of an hour: four times that and chance make ten.
    for number in range(192):
        book.take(friction(number))
        book.pass_time(15 * MINUTE)
    book.take(*frictions(1001, 1009))
    assert not book.incidents[0].is_swarm
    book.take(*frictions(1010, 1011))
    assert book.incidents[0].is_swarm


def test_a_swarm_is_closed_when_nobody_new_came_for_an_hour_and_its_members_had_no_alerts_of_their_own() -> None:
    book = AlertBook(a_policy(swarm=SWARM))
    book.take(*frictions(1, 30))
    book.pass_time(2 * MINUTE)
    book.take(*frictions(31, 40))
    book.pass_time(HOUR - SECOND)
    assert book.kinds() == [OPENED]
    book.pass_time(2 * SECOND)
    assert book.kinds() == [OPENED, CLOSED]
    assert (book.last.subjects[0].customers, book.last.because_en) == (40, "nobody new for 1 h")
    assert book.incidents == []
    states = Counter(entry.state for (_, channel), entry in book.entries.items() if channel)
    assert states == {EntryState.WAITING: 30, EntryState.SILENCED: 10}


def test_the_end_of_what_was_no_swarm_is_shown_where_that_disturbs_nobody() -> None:
    book = AlertBook(a_policy(channels=("desk", "thread")))
    book.policy = replace(book.policy, channels={"desk": Traits(), "thread": Traits(can_edit=True)})
    book.take(friction(1))
    book.pass_time(2 * DAY)
    assert book.kinds("desk") == [OPENED]
    assert book.kinds("thread") == [OPENED, CLOSED]
    assert book.last.reference.startswith("ref-")


# Withdrawals.


def test_what_is_withdrawn_within_the_group_wait_is_never_told() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(MINUTE // 2)
    book.take(gone(1))
    book.pass_time(DAY)
    assert book.told == []
    assert book.entries["f1", "desk"].state is EntryState.RETRACTED


def test_what_was_told_is_withdrawn_with_the_reason_and_the_reference() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    book.take(gone(1, because="the reply did arrive at 09:41"))
    assert book.kinds() == [OPENED, WITHDRAWN]
    assert book.last.because_en == "the reply did arrive at 09:41"
    assert book.last.reference.startswith("ref-")
    assert book.last.subjects[0].incident_id == book.told[0][1].subjects[0].incident_id
    assert book.incidents == []


def test_when_others_remain_the_incident_is_corrected_and_not_withdrawn() -> None:
    book = AlertBook(a_policy())
    book.take(*frictions(1, 2))
    book.pass_time(2 * MINUTE)
    book.take(gone(1, because="it was answered"))
    assert book.kinds() == [OPENED]
    book.pass_time(15 * MINUTE)
    assert book.kinds() == [OPENED, UPDATED]
    assert (book.last.subjects[0].customers, book.last.because_en) == (1, "it was answered")
    book.take(gone(2))
    assert book.kinds() == [OPENED, UPDATED, WITHDRAWN]


def test_a_few_that_were_wrong_among_many_can_wait_where_a_correction_is_one_more_message() -> None:
    for can_edit, expected in ((False, [OPENED]), (True, [OPENED, UPDATED])):
        book = AlertBook(a_policy())
        book.policy = replace(book.policy, channels={"desk": Traits(can_edit=can_edit)})
        book.take(*frictions(1, 10))
        book.pass_time(2 * MINUTE)
        book.take(gone(1))
        book.pass_time(HOUR)
        assert book.kinds() == expected


def test_a_withdrawal_takes_back_what_was_not_sent_yet() -> None:
    book = AlertBook(a_policy())
    book.answer = None
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    assert len(book.in_hand) == 1
    book.take(gone(1))
    assert book.in_hand == {}
    assert book.sent == []
    book.pass_time(DAY)
    assert book.sent == []


def test_what_ended_long_ago_is_withdrawn_all_the_same() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(3 * DAY)
    assert book.incidents == []
    book.take(gone(1))
    assert book.kinds() == [OPENED, WITHDRAWN]


def test_a_friction_that_comes_back_after_its_withdrawal_is_told_anew() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    book.take(gone(1, version=2))
    book.take(friction(1, version=1))
    book.pass_time(HOUR)
    assert book.kinds() == [OPENED, WITHDRAWN], "an old opening says nothing"
    book.take(friction(1, version=3))
    book.pass_time(HOUR)
    assert book.kinds() == [OPENED, WITHDRAWN, OPENED]


# What holds messages back.


def test_a_limit_lets_the_most_severe_go_first_and_the_others_later() -> None:
    book = AlertBook(a_policy(limits={"desk": a_limit(2)}))
    severities = [1, 4, 2, 5, 3]
    book.take(*(friction(number, rule_id=f"r{number}", severity=one) for number, one in enumerate(severities)))
    book.pass_time(2 * MINUTE)
    assert [notice.subjects[0].severity for _, notice in book.told] == [5, 4]
    book.pass_time(HOUR)
    assert [notice.subjects[0].severity for _, notice in book.told] == [5, 4, 3, 2]
    book.pass_time(HOUR)
    assert len(book.told) == 5


def test_outside_of_its_hours_a_team_is_told_of_the_most_severe_alone() -> None:
    office = Calendar.model_validate(
        {"timezone": "Europe/Berlin", "hours": {"mon-fri": "08:00-18:00"}, "country": "DE"}
    )
    timing = replace(PLAIN, hours=Hours(calendar="office"))
    book = AlertBook(a_policy(timing, calendars={"office": office}), now=MONDAY_10 + 8 * HOUR)
    book.take(friction(1), friction(2, severity=5, rule_id="other"))
    book.pass_time(12 * HOUR)  # Tuesday 06:00 UTC: the sixth of January is no holiday in all of Germany
    assert [notice.subjects[0].severity for _, notice in book.told] == [5]
    book.pass_time(HOUR + SECOND)
    assert [notice.subjects[0].severity for _, notice in book.told] == [5, 4]


def test_what_is_snoozed_is_silenced_with_a_reason_and_told_when_the_snooze_ends() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    book.take(actions=[action(ActionKind.SNOOZE, book, until=book.now + 2 * HOUR)])
    book.take(*frictions(2, 9))
    book.pass_time(HOUR + 58 * MINUTE)
    assert book.kinds() == [OPENED]
    assert book.entries["f5", "desk"].reason == "snoozed by ann"
    book.pass_time(3 * MINUTE)
    assert book.kinds() == [OPENED, UPDATED]


def test_a_snooze_holds_for_the_cause_also_when_its_incident_is_over() -> None:
    book = AlertBook(a_policy(resolve_after=HOUR))
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    book.take(actions=[action(ActionKind.SNOOZE, book, until=book.now + 5 * HOUR)])
    book.pass_time(2 * HOUR)
    assert book.incidents == []
    book.take(friction(2))
    book.pass_time(HOUR // 2)
    assert book.kinds() == [OPENED]
    book.pass_time(5 * HOUR)
    assert book.kinds() == [OPENED, OPENED]


def test_what_somebody_closed_says_so_and_a_new_friction_opens_a_new_incident() -> None:
    book = AlertBook(a_policy())
    book.take(friction(1))
    book.pass_time(20 * MINUTE)
    book.take(actions=[action(ActionKind.CLOSE, book)])
    assert book.kinds() == [OPENED, CLOSED]
    assert book.last.because_en == "closed by ann"
    book.take(friction(2))
    book.pass_time(2 * MINUTE)
    assert book.kinds() == [OPENED, CLOSED, OPENED]
    assert book.last.subjects[0].customers == 1


def test_what_could_not_be_sent_for_a_day_goes_into_one_summary() -> None:
    book = AlertBook(a_policy(most_in_hand=3))
    book.answer = None
    book.take(*(friction(number, rule_id=f"r{number}") for number in range(8)))
    book.pass_time(2 * MINUTE)
    assert len(book.in_hand) == 3
    book.pass_time(DAY + HOUR)
    book.take()
    book.answer = Settlement.DELIVERED
    book.pass_time(MINUTE)
    assert book.kinds() == [EXPIRED]
    assert len(book.last.subjects) == 8
    book.pass_time(DAY)
    assert book.kinds() == [EXPIRED]


@pytest.mark.parametrize(("may_have_arrived", "kinds"), [(True, [EXPIRED, WITHDRAWN]), (False, [EXPIRED])])
def test_what_may_have_been_seen_before_it_expired_is_withdrawn_when_it_was_wrong(
    may_have_arrived: bool, kinds: list[NoticeKind]
) -> None:
    book = AlertBook(a_policy())
    book.answer = None
    book.take(friction(1))
    book.pass_time(2 * MINUTE)
    (notice_id,) = book.in_hand
    book.may_have_arrived = may_have_arrived
    book.pass_time(DAY + HOUR)
    book.take()
    assert notice_id not in book.in_hand
    book.answer = Settlement.DELIVERED
    book.pass_time(MINUTE)
    book.take(gone(1))
    book.pass_time(DAY)
    assert book.kinds() == kinds


def test_past_the_most_that_are_open_new_causes_are_grouped_by_their_rule() -> None:
    book = AlertBook(a_policy(most_open=10))
    book.take(*(friction(number, team=f"t{number}") for number in range(40)))
    assert len(book.incidents) == 11
    book.pass_time(2 * MINUTE)
    assert sum(notice.subjects[0].frictions for _, notice in book.told) == 40


def test_every_channel_has_its_own_route_and_knows_only_of_what_it_wants() -> None:
    routes = (
        PolicyRoute(channels=("desk",), timing=PLAIN),
        PolicyRoute(channels=("boss",), timing=replace(PLAIN, group_wait=10 * MINUTE), min_severity=5),
    )
    book = AlertBook(a_policy(channels=("desk", "boss"), routes=routes))
    book.take(friction(1, severity=4))
    book.pass_time(5 * MINUTE)
    assert (book.kinds("desk"), book.kinds("boss")) == ([OPENED], [])
    book.take(friction(2, severity=5))
    book.pass_time(11 * MINUTE)
    assert book.kinds("boss") == [OPENED]


def test_what_no_route_names_is_noted_with_that_reason() -> None:
    book = AlertBook(a_policy(routes=(PolicyRoute(channels=("desk",), timing=PLAIN, min_severity=5),)))
    book.take(friction(1))
    assert book.incidents == []
    entry = book.entries["f1", ""]
    assert (entry.state, entry.reason) == (EntryState.SILENCED, "no route names it")


# Whatever happens.


happenings = st.one_of(
    st.tuples(st.just("open"), st.integers(0, 7), st.integers(0, 2), st.integers(1, 5), st.integers(1, 4)),
    st.tuples(st.just("retract"), st.integers(0, 7), st.just(0), st.just(0), st.integers(1, 4)),
    st.tuples(st.just("wait"), st.sampled_from([SECOND, MINUTE, 20 * MINUTE, 5 * HOUR, DAY, 2 * DAY])),
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("snooze"), st.sampled_from([MINUTE, HOUR, DAY])),
    st.tuples(st.just("close")),
    st.tuples(st.just("acknowledge")),
)

POLICIES = [
    a_policy(),
    a_policy(
        replace(PLAIN, minimum=Minimum(customers=2), digest=Digest(below_severity=3)),
        swarm=Swarm.model_construct(customers=3, times_usual=4.0, within=15 * MINUTE, ends_after=HOUR),
        limits={"desk": a_limit(2)},
    ),
    a_policy(replace(PLAIN, minimum=Minimum(customers=3)), most_in_hand=1),
    a_policy(replace(PLAIN, group_wait=0), channels=("desk", "other"), group_by=("...",)),
]


def live_through(book: AlertBook, happening: tuple[Any, ...]) -> None:
    match happening:
        case ("open", number, _, severity, version):
            # A friction never changes its rule, so neither its cause here.
            book.take(friction(number, rule_id=f"r{number % 3}", severity=severity, version=version))
        case ("retract", number, _, _, version):
            book.take(friction(number, rule_id=f"r{number % 3}", version=version, action="retract"))
        case ("wait", duration):
            book.pass_time(duration)
        case ("away", is_away):
            book.answer = None if is_away else Settlement.DELIVERED
        case (kind, *rest) if book.incidents:
            until = book.now + rest[0] if rest else 0
            book.take(actions=[action(ActionKind(kind), book, until=until)])


@settings(max_examples=150, deadline=None)
@given(policy=st.sampled_from(POLICIES), story=st.lists(happenings, max_size=25))
def test_no_cause_is_told_more_than_once_per_interval_and_nothing_withdrawn_is_opened(
    policy: Policy, story: list[tuple[Any, ...]]
) -> None:
    book = AlertBook(policy)
    for happening in story:
        count = len(book.told)
        live_through(book, happening)
        for _, notice in book.told[count:]:
            if notice.kind in {OPENED, UPDATED}:
                entry = book.entries.get((notice.subjects[0].friction_id, "desk"))
                assert notice.subjects[0].frictions > 0
                assert entry is None or entry.state is not EntryState.RETRACTED or entry.joined_at < notice.decided_at
    causes: dict[tuple[str, str], list[int]] = {}
    for channel, notice in book.sent:
        if notice.kind in {OPENED, UPDATED}:
            subject = notice.subjects[0]
            cause = subject.friction_id if "..." in policy.group_by else subject.rule_id
            causes.setdefault((channel, cause), []).append(notice.decided_at)
    for moments in causes.values():
        assert all(later - earlier >= PLAIN.group_interval for earlier, later in pairwise(moments))


@settings(max_examples=150, deadline=None)
@given(policy=st.sampled_from(POLICIES), story=st.lists(happenings, max_size=25))
def test_every_friction_ends_told_digested_silenced_withdrawn_or_expired(
    policy: Policy, story: list[tuple[Any, ...]]
) -> None:
    book = AlertBook(policy)
    for happening in story:
        live_through(book, happening)
    book.answer = Settlement.DELIVERED
    for _ in range(12):
        book.pass_time(DAY)
    assert book.in_hand == {}
    assert book.incidents == [], "nothing is left to be said, and nothing is kept"
    covered: dict[tuple[str, str], int] = {}
    incidents = {one.incident_id: one for one in book.over.values()}
    for channel, notice in book.sent:
        for subject in notice.subjects:
            place = (subject.incident_id, channel)
            covered[place] = max(covered.get(place, 0), notice.decided_at)
    for (_, channel), entry in book.entries.items():
        if entry.state is EntryState.WAITING:
            is_told = covered.get((entry.incident_id, channel), 0) >= entry.joined_at
            incident = incidents[entry.incident_id]
            assert is_told or incident.because_en, "it was not told, and nothing says why"


@settings(max_examples=100, deadline=None)
@given(
    intents=st.lists(
        st.builds(
            lambda number, version, action_: friction(
                number, rule_id=f"r{number % 3}", severity=number % 5 + 1, version=version, action=action_
            ),
            st.integers(0, 9), st.integers(1, 3), st.sampled_from(["open", "open", "retract"]),
        ),
        max_size=12,
    ),
    data=st.data(),
)  # fmt: skip
def test_neither_order_nor_repetition_of_intents_changes_what_is_known_in_the_end(
    intents: list[AlertIntent], data: st.DataObject
) -> None:
    def known_after(log: list[AlertIntent], chunk: int) -> Any:
        book = AlertBook(a_policy())
        for start in range(0, len(log), chunk):
            book.take(*log[start : start + chunk])
        incidents = sorted(
            (one.cause, one.frictions, one.customers, one.by_severity, round(one.minutes, 6))
            for one in book.incidents
            if one.phase is Phase.OPEN
        )
        entries = {key: (entry.state, entry.version) for key, entry in book.entries.items() if key[1]}
        standing = {key for key, (state, _) in entries.items() if state is not EntryState.RETRACTED}
        return incidents, standing, {entries[key][1] for key in standing}

    in_order = known_after(intents, 1)
    shuffled = data.draw(st.permutations(intents + data.draw(st.lists(st.sampled_from(intents or [friction(0)])))))
    if not intents:
        return
    assert known_after(shuffled, data.draw(st.integers(1, 5))) == in_order


@settings(max_examples=60, deadline=None)
@given(severities=st.lists(st.integers(1, 5), min_size=1, max_size=12), messages=st.integers(1, 4))
def test_under_a_limit_nothing_goes_before_something_more_severe_that_waits(
    severities: list[int], messages: int
) -> None:
    book = AlertBook(a_policy(limits={"desk": a_limit(messages)}))
    book.take(*(friction(number, rule_id=f"r{number}", severity=one) for number, one in enumerate(severities)))
    for _ in range(len(severities)):
        book.pass_time(HOUR + MINUTE)
    told = [notice.subjects[0].severity for _, notice in book.told if notice.kind is OPENED]
    assert told == sorted(severities, reverse=True)
    for notice in [notice for _, notice in book.told]:
        window = [other for _, other in book.told if 0 <= other.decided_at - notice.decided_at < HOUR]
        assert len(window) <= messages

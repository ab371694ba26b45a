"""PagerDuty events, held against what its API accepts by a validator that knows nothing of the builder."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.alerts.message import Language, Wording, build_message
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Retry
from sinks.alerts.pagerduty import pagerduty_event
from sinks.alerts.posting import HttpSender
from tests.support.channels import opened
from tests.support.chat_endpoint import Answer, ChatEndpoint
from tests.support.event_rules import event_violations
from tests.support.notices import ACTIONS, EXAMPLES, MANY, OTHER, SUBJECT, a_notice, a_subject, any_notices

ACCEPTED = Answer(202, '{"status":"success","message":"Event processed","dedup_key":"x"}')


def event_of(notice: Notice, language: Language = Language.ENGLISH) -> dict[str, Any]:
    return pagerduty_event(build_message(notice, Wording(language=language)))


@given(any_notices(), st.sampled_from(Language))
def test_pagerduty_accepts_whatever_a_notice_holds(notice: Notice, language: Language) -> None:
    assert event_violations(event_of(notice, language)) == []


def test_100000_characters_in_every_field_are_cut() -> None:
    text = "😀" * 100_000
    subject = a_subject(topic=text, team=text, sentence_en=text, rule_id=text, incident_id=text, tenant=text)
    for kind in NoticeKind:
        assert event_violations(event_of(a_notice(kind, *[subject] * 12, because_en=text, notice_id=text))) == []


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        (NoticeKind.OPENED, "trigger"),
        (NoticeKind.UPDATED, "trigger"),
        (NoticeKind.CLOSED, "resolve"),
        (NoticeKind.WITHDRAWN, "resolve"),
    ],
)
def test_all_that_is_said_of_an_incident_meets_in_one_alert(kind: NoticeKind, action: str) -> None:
    event = event_of(a_notice(kind, reference="anything"))
    assert event["event_action"] == action
    assert event["dedup_key"] == SUBJECT.incident_id


def test_who_takes_it_is_told_as_an_acknowledgement() -> None:
    event = event_of(a_notice(NoticeKind.UPDATED, acknowledged_by="Kim"))
    assert event == {"event_action": "acknowledge", "dedup_key": SUBJECT.incident_id}


@pytest.mark.parametrize("kind", [NoticeKind.DIGEST, NoticeKind.EXPIRED, NoticeKind.TEST])
def test_what_is_not_about_one_incident_is_an_alert_of_its_own_that_is_not_urgent(kind: NoticeKind) -> None:
    event = event_of(a_notice(kind, MANY, OTHER))
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == "3e" * 16
    assert event["payload"]["severity"] == "info"


@pytest.mark.parametrize(
    ("severity", "word"),
    [(0, "info"), (1, "info"), (2, "info"), (3, "warning"), (4, "error"), (5, "critical"), (6, "critical")],
)
def test_every_severity_has_its_counterpart(severity: int, word: str) -> None:
    event = event_of(a_notice(NoticeKind.OPENED, a_subject(severity=severity)))
    assert event["payload"]["severity"] == word


def test_an_event_holds_what_somebody_who_was_woken_wants_to_know() -> None:
    event = event_of(a_notice(actions=ACTIONS))
    payload = event["payload"]
    assert payload["summary"] == f"High: {SUBJECT.sentence_en}"
    assert payload["timestamp"] == "2026-01-01T10:07:00.000+00:00"
    assert (payload["source"], payload["component"], payload["group"]) == ("acme", "social", "social-care")
    assert payload["class"] == "channel redirect, form · social → web · invoice"
    assert payload["custom_details"]["Customer time"] == "12.5 min"
    assert payload["custom_details"]["Evidence"] == "acme/crm/1, acme/web/2"
    assert event["links"][0] == {"href": ACTIONS["timeline"], "text": "Open the journey"}


def delivered(endpoint: ChatEndpoint, notice: Notice) -> Any:
    async def run() -> Any:
        async with endpoint, HttpSender() as http:
            return await opened("pagerduty", endpoint.url("")).send(notice, http)

    return asyncio.run(run())


def test_the_event_goes_to_the_service_and_its_key_comes_back() -> None:
    endpoint = ChatEndpoint(ACCEPTED)
    assert delivered(endpoint, EXAMPLES["opened"]) == Delivered(SUBJECT.incident_id)
    request = endpoint.received[0]
    assert request.path == "/v2/enqueue"
    assert request.json["routing_key"] == "R" * 32
    assert event_violations(request.json) == []


def test_too_many_events_are_put_off_for_two_minutes_where_no_time_is_named() -> None:
    outcome = delivered(ChatEndpoint(Answer(429)), a_notice())
    assert isinstance(outcome, Retry)
    assert outcome.after_s == 120
    named = delivered(ChatEndpoint(Answer(429, headers={"Retry-After": "7"})), a_notice())
    assert isinstance(named, Retry)
    assert named.after_s == 7


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"event_action": "open"}, "event_action"),
        ({"dedup_key": "x" * 256}, "dedup_key"),
        ({"routing_key": "short"}, "routing_key"),
        ({"payload": None}, "payload"),
        ({"payload": {"summary": "x" * 1025, "source": "a", "severity": "info"}}, "1024"),
        ({"payload": {"summary": "x", "source": "", "severity": "info"}}, "source"),
        ({"payload": {"summary": "x", "source": "a", "severity": "high"}}, "severity"),
        ({"payload": {"summary": "x", "source": "a", "severity": "info", "timestamp": "now"}}, "timestamp"),
        ({"links": [{"href": "javascript:x", "text": "a"}]}, "links"),
        ({"severity": "info"}, "not known"),
    ],
)
def test_the_validator_itself_catches_what_pagerduty_would_refuse(changes: dict[str, Any], violation: str) -> None:
    assert any(violation in found for found in event_violations(event_of(a_notice()) | changes))

"""Which alerts are due, from intents in arrival order and from what the ledger knows."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alerts import AlertIntent
from sinks.alerts.ledger import DueAlert, EntryState, LedgerEntry, entry_for, plan
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from tests.support.alert_intents import an_intent


def opened(version: int, severity: int = 4, friction_id: str = "f1") -> AlertIntent:
    return an_intent(action="open", friction_id=friction_id, version=version, severity=severity)


def retracted(version: int, friction_id: str = "f1") -> AlertIntent:
    return an_intent(action="retract", friction_id=friction_id, version=version)


def told(version: int, channel: str = "console", friction_id: str = "f1") -> LedgerEntry:
    return LedgerEntry(friction_id=friction_id, channel=channel, state=EntryState.DELIVERED, version=version)


def refused(version: int, channel: str = "console") -> LedgerEntry:
    return LedgerEntry(friction_id="f1", channel=channel, state=EntryState.REFUSED, version=version, reason="no")


def withdrawn(version: int) -> LedgerEntry:
    return LedgerEntry(friction_id="f1", channel="", state=EntryState.RETRACTED, version=version)


def by_severity(intent: AlertIntent) -> tuple[str, ...]:
    return tuple(channel for channel, severity in (("console", 1), ("slack", 4)) if intent.severity >= severity)


def due(intents: Iterable[AlertIntent], *known: LedgerEntry) -> list[tuple[int, str]]:
    return [(alert.intent.version, alert.channel) for alert in plan(intents, known, by_severity).due]


def test_a_new_friction_is_due_on_each_channel_that_wants_it() -> None:
    assert due([opened(1)]) == [(1, "console"), (1, "slack")]


def test_a_friction_that_no_channel_wants_is_not_due() -> None:
    assert plan([opened(1)], (), lambda _: ()).due == ()


def test_a_channel_named_twice_is_told_once() -> None:
    assert len(plan([opened(1)], (), lambda _: ("console", "console")).due) == 1


def test_repeated_intents_are_due_once() -> None:
    assert due([opened(1), opened(1), opened(1)]) == [(1, "console"), (1, "slack")]


def test_what_was_told_is_never_due_again_in_any_version() -> None:
    for version in (0, 1, 2, 99):
        assert due([opened(version)], told(1), told(1, "slack")) == []


def test_what_was_refused_is_never_due_again() -> None:
    assert due([opened(2)], refused(1), refused(1, "slack")) == []


def test_only_the_channels_not_told_yet_are_due() -> None:
    assert due([opened(1)], told(1)) == [(1, "slack")]


def test_a_revision_replaces_the_intent_that_waits() -> None:
    assert due([opened(1), opened(2)]) == [(2, "console"), (2, "slack")]


def test_a_revised_severity_makes_a_friction_due_where_it_was_not_wanted() -> None:
    assert due([opened(1, severity=2)]) == [(1, "console")]
    assert due([opened(2, severity=4)], told(1)) == [(2, "slack")]


def test_a_severity_that_fell_while_waiting_is_no_longer_due_there() -> None:
    assert due([opened(1, severity=4), opened(2, severity=2)]) == [(2, "console")]


def test_a_retraction_before_delivery_means_never_sent() -> None:
    assert due([opened(1), retracted(2)]) == []


def test_a_retraction_of_the_same_version_wins_in_either_order() -> None:
    assert due([opened(1), retracted(1)]) == []
    assert due([retracted(1), opened(1)]) == []


def test_an_old_opening_repeated_after_its_retraction_is_not_due() -> None:
    assert due([opened(1), retracted(2), opened(1)]) == []
    assert due([opened(1)], withdrawn(2)) == []
    assert due([opened(2)], withdrawn(2)) == []


def test_a_friction_that_comes_back_after_its_retraction_is_due_if_it_was_never_told() -> None:
    assert due([retracted(2), opened(3)]) == [(3, "console"), (3, "slack")]
    assert due([opened(3)], withdrawn(2)) == [(3, "console"), (3, "slack")]
    assert due([opened(3)], told(1), withdrawn(2)) == [(3, "slack")]


def test_an_opening_older_than_what_was_told_says_nothing_to_the_other_channels() -> None:
    assert due([opened(1, severity=5)], told(2)) == []


def test_a_retraction_is_noted_once_for_the_ledger() -> None:
    assert plan([opened(1), retracted(2)], (), by_severity).retractions == (withdrawn(2),)
    assert plan([retracted(2)], [withdrawn(2)], by_severity).retractions == ()
    assert plan([retracted(2)], [withdrawn(3)], by_severity).retractions == ()
    assert plan([retracted(4)], [withdrawn(2)], by_severity).retractions == (withdrawn(4),)
    assert plan([retracted(2)], [told(1)], by_severity).retractions == (withdrawn(2),)


def test_frictions_are_independent_and_go_out_in_the_order_of_what_decided_them() -> None:
    intents = [opened(1, friction_id="a"), opened(1, friction_id="b"), retracted(2, "b"), opened(2, friction_id="a")]
    intents += [opened(1, friction_id="c")]
    assert [alert.intent.friction_id for alert in plan(intents, (), lambda _: ("console",)).due] == ["a", "c"]


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [(Delivered(), EntryState.DELIVERED, ""), (Refused("gone"), EntryState.REFUSED, "gone")],
)
def test_a_settled_delivery_becomes_an_entry(outcome: Outcome, state: EntryState, reason: str) -> None:
    entry = entry_for(DueAlert(opened(7), "slack"), outcome)
    assert entry == LedgerEntry(friction_id="f1", channel="slack", state=state, version=7, reason=reason)


def test_a_retry_settles_nothing() -> None:
    assert entry_for(DueAlert(opened(7), "slack"), Retry(1.0, "busy")) is None


intents = st.builds(
    lambda action, friction_id, version, severity: an_intent(
        action=action, friction_id=friction_id, version=version, severity=severity
    ),
    st.sampled_from(["open", "open", "retract"]),
    st.sampled_from(["f1", "f2"]),
    st.integers(1, 5),
    st.integers(1, 5),
)
outcomes: st.SearchStrategy[Outcome] = st.sampled_from([Delivered(), Refused("no"), Retry(None, "later")])


@settings(max_examples=400)
@given(
    log=st.lists(intents, max_size=14),
    rounds=st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=14),
    data=st.data(),
)
def test_however_the_log_is_cut_and_repeated_each_channel_is_told_once_and_never_what_was_retracted(
    log: list[AlertIntent], rounds: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """An agent reads chunks, stores entries at once, acknowledges what is settled, and may die after a delivery."""
    known: list[LedgerEntry] = []
    sent: set[tuple[str, str]] = set()
    waiting: list[AlertIntent] = []
    acknowledged = position = 0
    for size, dies in rounds:
        chunk = log[position : position + size]
        position += len(chunk)
        unsettled_before = [*waiting, *chunk]
        decided = plan(unsettled_before, known, by_severity)
        known += decided.retractions
        unsettled = []
        for alert in decided.due[:1] if dies else decided.due:
            entry = entry_for(alert, data.draw(outcomes))
            if entry is None:
                unsettled.append(alert.intent)
                continue
            assert (entry.friction_id, entry.channel) not in sent
            assert not is_outdated(alert.intent, unsettled_before, known)
            sent.add((entry.friction_id, entry.channel))
            known.append(entry)
        if dies:
            position, waiting = acknowledged, []
        else:
            waiting = unsettled
            acknowledged = acknowledged if waiting else position


def is_outdated(intent: AlertIntent, unsettled: list[AlertIntent], known: list[LedgerEntry]) -> bool:
    """Whether a newer intent that waits, or a retraction ever noted, says otherwise."""
    of_this_friction = [other for other in unsettled if other.friction_id == intent.friction_id]
    noted = [e.version for e in known if e.state is EntryState.RETRACTED and e.friction_id == intent.friction_id]
    later = [other for other in of_this_friction if other.version > intent.version]
    same = [other for other in of_this_friction if other.version == intent.version and other.action == "retract"]
    return bool(later or same or (noted and max(noted) >= intent.version))

"""Which frictions are new to which channels, from intents in arrival order and from what the ledger knows."""

from collections.abc import Iterable

from schemas.alerts import AlertIntent
from sinks.alerts.ledger import EntryState, LedgerEntry, plan
from tests.support.alert_intents import an_intent


def opened(version: int, severity: int = 4, friction_id: str = "f1") -> AlertIntent:
    return an_intent(action="open", friction_id=friction_id, version=version, severity=severity)


def retracted(version: int, friction_id: str = "f1") -> AlertIntent:
    return an_intent(action="retract", friction_id=friction_id, version=version)


def told(version: int, channel: str = "console", friction_id: str = "f1") -> LedgerEntry:
    return LedgerEntry(friction_id=friction_id, channel=channel, state=EntryState.WAITING, version=version)


def refused(version: int, channel: str = "console") -> LedgerEntry:
    return LedgerEntry(friction_id="f1", channel=channel, state=EntryState.SILENCED, version=version, reason="no")


def withdrawn(version: int) -> LedgerEntry:
    return LedgerEntry(friction_id="f1", channel="", state=EntryState.RETRACTED, version=version)


def by_severity(intent: AlertIntent) -> tuple[str, ...]:
    return tuple(channel for channel, severity in (("console", 1), ("slack", 4)) if intent.severity >= severity)


def due(intents: Iterable[AlertIntent], *known: LedgerEntry) -> list[tuple[int, str]]:
    return [(alert.intent.version, alert.channel) for alert in plan(intents, known, by_severity).due]


def test_a_new_friction_is_due_on_each_channel_that_wants_it() -> None:
    assert due([opened(1)]) == [(1, "console"), (1, "slack")]


def test_a_friction_that_no_channel_wants_is_due_for_nobody_once() -> None:
    (alert,) = plan([opened(1)], (), lambda _: ()).due
    assert alert.channel == ""
    assert plan([opened(1)], [told(1, channel="")], lambda _: ()).due == ()


def test_a_channel_named_twice_is_told_once() -> None:
    assert len(plan([opened(1)], (), lambda _: ("console", "console")).due) == 1


def test_repeated_intents_are_due_once() -> None:
    assert due([opened(1), opened(1), opened(1)]) == [(1, "console"), (1, "slack")]


def test_what_was_told_is_never_due_again_in_any_version() -> None:
    for version in (0, 1, 2, 99):
        assert due([opened(version)], told(1), told(1, "slack")) == []


def test_what_needs_no_message_of_its_own_is_never_due_again() -> None:
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
    def noted(*intents: AlertIntent, known: Iterable[LedgerEntry] = ()) -> list[int]:
        return [intent.version for intent in plan(intents, tuple(known), by_severity).retractions]

    assert noted(opened(1), retracted(2)) == [2]
    assert noted(retracted(2), known=[withdrawn(2)]) == []
    assert noted(retracted(2), known=[withdrawn(3)]) == []
    assert noted(retracted(4), known=[withdrawn(2)]) == [4]
    assert noted(retracted(2), known=[told(1)]) == [2]


def test_a_newer_version_of_a_member_is_a_revision_and_an_older_one_is_not() -> None:
    assert [one.version for one in plan([opened(2)], [told(1)], by_severity).revisions] == [2]
    assert plan([opened(1)], [told(1)], by_severity).revisions == ()
    assert plan([opened(3)], [told(1, channel="")], by_severity).revisions == ()


def test_frictions_are_independent_and_go_out_in_the_order_of_what_decided_them() -> None:
    intents = [opened(1, friction_id="a"), opened(1, friction_id="b"), retracted(2, "b"), opened(2, friction_id="a")]
    intents += [opened(1, friction_id="c")]
    assert [alert.intent.friction_id for alert in plan(intents, (), lambda _: ("console",)).due] == ["a", "c"]

"""Which alerts are due: one for each friction and channel, ever, and none after a retraction.

Intents come at least once, in the order of the log, and may come again long after they were dealt with. The ledger is
what is known of the past: one entry for each friction and channel that was told or refused, and one for each
retraction. Everything here is a pure function of intents and entries; whoever delivers stores the new entries before
acknowledging the intents.
"""

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Final

import msgspec

from schemas.alerts import AlertIntent
from sinks.alerts.outcome import Delivered, Outcome, Retry

OPEN: Final = "open"
RETRACT: Final = "retract"


class EntryState(StrEnum):
    """What a ledger entry says."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    RETRACTED = "retracted"


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing known about a friction's alerts.

    `version` is that of the intent that led to the entry. A retraction concerns all channels: its `channel` is empty.
    `reason` says why a channel refused, else it is empty; it holds no secret.
    """

    friction_id: str
    channel: str
    state: EntryState
    version: int
    reason: str = ""


class DueAlert(msgspec.Struct, frozen=True):
    """An intent that is to be delivered to a channel now."""

    intent: AlertIntent
    channel: str


class Plan(msgspec.Struct, frozen=True):
    """What follows from a set of intents: alerts to deliver, in order, and retractions to note in the ledger."""

    due: tuple[DueAlert, ...]
    retractions: tuple[LedgerEntry, ...]


def plan(
    intents: Iterable[AlertIntent],
    known: Collection[LedgerEntry],
    channels_for: Callable[[AlertIntent], Iterable[str]],
) -> Plan:
    """Decide what is due.

    `intents` are all that were not settled yet, in order of arrival, those waiting for a retry first; `known` holds
    at least all entries of their frictions. Call it again whenever intents arrive, before the next delivery: so that
    a retraction still overtakes an alert that waits.

    Of each friction only the newest version speaks, so a revised severity can make a friction due for a channel that
    did not want it before. Of a retraction and an opening with the same version the retraction holds. What is older
    than the ledger's newest entry of the friction is a repetition and says nothing. A version that no channel wanted
    leaves no entry: an older one that is repeated after it, alone, can still be due.
    """
    newest: dict[str, AlertIntent] = {}
    for intent in intents:
        seen = newest.get(intent.friction_id)
        if seen is None or _precedence(intent) >= _precedence(seen):
            # Put at the end: alerts go out in the order of what decided them.
            newest.pop(intent.friction_id, None)
            newest[intent.friction_id] = intent

    told = {(entry.friction_id, entry.channel) for entry in known if entry.state is not EntryState.RETRACTED}
    newest_known: dict[str, tuple[int, bool]] = {}
    for entry in known:
        precedence = (entry.version, entry.state is EntryState.RETRACTED)
        newest_known[entry.friction_id] = max(newest_known.get(entry.friction_id, precedence), precedence)

    due: list[DueAlert] = []
    retractions: list[LedgerEntry] = []
    for friction_id, intent in newest.items():
        if friction_id in newest_known and _precedence(intent) < newest_known[friction_id]:
            continue
        if intent.action != RETRACT:
            channels = dict.fromkeys(channels_for(intent))
            due += (DueAlert(intent, channel) for channel in channels if (friction_id, channel) not in told)
        elif newest_known.get(friction_id) != _precedence(intent):
            state, version = EntryState.RETRACTED, intent.version
            retractions.append(LedgerEntry(friction_id=friction_id, channel="", state=state, version=version))
    return Plan(tuple(due), tuple(retractions))


def entry_for(alert: DueAlert, outcome: Outcome) -> LedgerEntry | None:
    """Ledger entry that settles a delivery; None when it is not settled and stays due."""
    if isinstance(outcome, Retry):
        return None
    is_delivered = isinstance(outcome, Delivered)
    return LedgerEntry(
        friction_id=alert.intent.friction_id,
        channel=alert.channel,
        state=EntryState.DELIVERED if is_delivered else EntryState.REFUSED,
        version=alert.intent.version,
        reason="" if isinstance(outcome, Delivered) else outcome.reason,
    )


def _precedence(intent: AlertIntent) -> tuple[int, bool]:
    return intent.version, intent.action == RETRACT

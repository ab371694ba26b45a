"""Which frictions are new to which channels: each once, and none after its retraction.

Intents come at least once, in the order of the log, and may come again long after they were dealt with. The ledger is
what is known of the past: one entry for each friction and channel that wants to know of it, and one for each
retraction. Everything here is a pure function of intents and entries; whoever reads the log stores the new entries
before acknowledging the intents. When and in which message a friction is told is decided in deciding.py.
"""

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Final

import msgspec

from schemas.alerts import AlertIntent

OPEN: Final = "open"
RETRACT: Final = "retract"
#: The channel of entries about what no channel wants, and of retractions.
NOBODY: Final = ""


class EntryState(StrEnum):
    """What a ledger entry says of a friction and a channel.

    It waits to be told, it needs no message of its own, or it is no friction.
    """

    WAITING = "waiting"
    SILENCED = "silenced"
    RETRACTED = "retracted"


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing known about a friction and a channel.

    `version` is that of the intent that led to the entry. A retraction has an entry of its own, whose `channel` is
    empty, besides those of the channels. `reason` says why it needs no message of its own, or why it was withdrawn.
    `incident_id` is what it is a member of since `joined_at` (UTC milliseconds, of the decision).
    """

    friction_id: str
    channel: str
    state: EntryState
    version: int
    reason: str = ""
    tenant: str = ""
    incident_id: str = ""
    person_key: str = ""
    rule_id: str = ""
    team: str | None = None
    severity: int = 0
    minutes: float = 0.0
    joined_at: int = 0


class DueAlert(msgspec.Struct, frozen=True):
    """A friction that is new to a channel."""

    intent: AlertIntent
    channel: str


class Plan(msgspec.Struct, frozen=True):
    """What follows from a set of intents: what is new, what is known in an older version, and what is withdrawn."""

    due: tuple[DueAlert, ...]
    retractions: tuple[AlertIntent, ...]
    revisions: tuple[AlertIntent, ...] = ()


def plan(
    intents: Iterable[AlertIntent],
    known: Collection[LedgerEntry],
    channels_for: Callable[[AlertIntent], Iterable[str]],
) -> Plan:
    """Decide what is new.

    `intents` are in order of arrival; `known` holds at least all entries of their frictions.

    Of each friction only the newest version speaks, so a revised severity can make a friction due for a channel that
    did not want it before. Of a retraction and an opening with the same version the retraction holds. What is older
    than the ledger's newest entry of the friction is a repetition and says nothing. A version that no channel wants
    is due for the channel with an empty name, so that it leaves an entry too.
    """
    newest: dict[str, AlertIntent] = {}
    for intent in intents:
        seen = newest.get(intent.friction_id)
        if seen is None or _precedence(intent) >= _precedence(seen):
            # Put at the end: alerts go out in the order of what decided them.
            newest.pop(intent.friction_id, None)
            newest[intent.friction_id] = intent

    told = {(entry.friction_id, entry.channel) for entry in known if entry.state is not EntryState.RETRACTED}
    members = {friction_id for friction_id, channel in told if channel}
    newest_known: dict[str, tuple[int, bool]] = {}
    for entry in known:
        precedence = (entry.version, entry.state is EntryState.RETRACTED)
        newest_known[entry.friction_id] = max(newest_known.get(entry.friction_id, precedence), precedence)

    due: list[DueAlert] = []
    retractions: list[AlertIntent] = []
    revisions: list[AlertIntent] = []
    for friction_id, intent in newest.items():
        if friction_id in newest_known and _precedence(intent) < newest_known[friction_id]:
            continue
        if intent.action != RETRACT:
            channels = dict.fromkeys(channels_for(intent)) or (NOBODY,)
            due += (DueAlert(intent, channel) for channel in channels if (friction_id, channel) not in told)
            if friction_id in members and newest_known[friction_id] < _precedence(intent):
                revisions.append(intent)
        elif newest_known.get(friction_id) != _precedence(intent):
            retractions.append(intent)
    return Plan(tuple(due), tuple(retractions), tuple(revisions))


def _precedence(intent: AlertIntent) -> tuple[int, bool]:
    return intent.version, intent.action == RETRACT

"""What is known of causes that teams are told of: plain values, which can be written down and read back."""

from enum import StrEnum
from typing import Final

import msgspec

from schemas.alerts import AlertIntent
from sinks.alerts.notice import Notice, NoticeKind

#: Frictions of an incident that are kept whole, to show one of them.
MOST_SAMPLES: Final = 3
#: End of the cause of an incident that stands for several.
OVERFLOW: Final = "and more causes"


class Phase(StrEnum):
    """Where an incident stands.

    One that `ended` (nobody new met its cause for long), was `closed` by somebody, or was `withdrawn` (all its
    frictions turned out wrong) lives on until nothing more has to be said of it.
    """

    OPEN = "open"
    ENDED = "ended"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel knows of an incident. Times are UTC milliseconds of decisions, 0 for never.

    `joined_at` is when the last friction joined that the channel wants to know of, `since` when the first did that it
    was not told of; `ripe_at` when it became worth a message of its own rather than a line of a digest. `told_*` is
    what it was told last. A channel that `is_open` was told of the incident, and not of its end; what `is_shown` there
    was not withdrawn. `in_hand` is the id of a notice that is not settled; `sequence` counts notices. `because_*` is a
    correction that has to be told.
    """

    joined_at: int
    since: int
    ripe_at: int = 0
    told_at: int = 0
    told_customers: int = 0
    is_open: bool = False
    is_shown: bool = False
    in_hand: str = ""
    in_hand_kind: str = ""
    sequence: int = 0
    reference: str = ""
    because_en: str = ""
    because_de: str = ""

    @property
    def has_news(self) -> bool:
        """Whether a friction joined since the channel was told."""
        return self.joined_at > self.told_at


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Frictions of one cause. Counts are of the members that still stand; times UTC milliseconds of decisions.

    `opened_at` is the event time of the earliest. `by_severity` counts members from severity 1 to 5. `arrivals` are the
    moments at which customers who were new to it met it, the last of them. `tellings` is by channel.
    """

    incident_id: str
    tenant: str
    cause: str
    rule_id: str
    team: str | None
    from_channel: str | None
    to_channel: str | None
    topic: str | None
    variant: str
    started_at: int
    last_member_at: int
    opened_at: int
    frictions: int = 0
    customers: int = 0
    minutes: float = 0.0
    by_severity: tuple[int, ...] = (0, 0, 0, 0, 0)
    samples: tuple[AlertIntent, ...] = ()
    arrivals: tuple[int, ...] = ()
    is_swarm: bool = False
    phase: Phase = Phase.OPEN
    ended_at: int = 0
    because_en: str = ""
    because_de: str = ""
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    assigned_to: str = ""
    tellings: dict[str, Telling] = {}

    @property
    def is_overflow(self) -> bool:
        """Whether it stands for causes of a rule that there was no room for one by one."""
        return self.cause.endswith(OVERFLOW)

    @property
    def severity(self) -> int:
        """The highest among its members, 1 to 5; when none is left, of those that are shown."""
        shown = max((min(max(one.severity, 1), 5) for one in self.samples), default=1)
        return max((number for number, count in enumerate(self.by_severity, 1) if count), default=shown)


class Snooze(msgspec.Struct, frozen=True):
    """A cause that nobody wants to hear of until a moment."""

    until: int
    by: str


class Held(msgspec.Struct, frozen=True):
    """A notice that a channel has yet to get."""

    notice: Notice
    channel: str
    attempts: int = 0


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel has in hand, and when it was sent messages lately."""

    in_hand: dict[str, NoticeKind] = {}
    recent: tuple[int, ...] = ()


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to know to decide what is told next; plain values.

    `incidents` that something may still have to be said of, by id; `told` when a channel was last told of a cause, by
    channel and cause, for as long as that matters; `snoozes` by cause.
    """

    incidents: dict[str, Incident] = {}
    channels: dict[str, ChannelState] = {}
    snoozes: dict[str, Snooze] = {}
    told: dict[str, int] = {}


class ActionKind(StrEnum):
    """What people do about an incident."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    ASSIGN = "assign"
    COMMENT = "comment"
    CLOSE = "close"
    REPLAY = "replay"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody did. `until` goes with a snooze, `text` is a comment or whom it was assigned to."""

    action_id: str
    kind: ActionKind
    incident_id: str
    cause: str
    by: str
    at: int
    until: int = 0
    text: str = ""


class Settlement(StrEnum):
    """What became of a notice."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    #: Withdrawn before it was sent.
    SUPERSEDED = "superseded"
    #: Withdrawn while nobody knows whether the channel has it: an attempt ended without an answer.
    UNCERTAIN = "uncertain"
    #: Not sent for so long that it went into a summary.
    EXPIRED = "expired"


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that a channel needs no more of.

    Of one that was given up `may_have_arrived` tells that an attempt at it was not answered: a team may have seen it.
    """

    notice_id: str
    channel: str
    settlement: Settlement
    reference: str = ""
    may_have_arrived: bool = False


_encoder = msgspec.json.Encoder()
_state_decoder = msgspec.json.Decoder(State)
_incident_decoder = msgspec.json.Decoder(Incident)
_notice_decoder = msgspec.json.Decoder(Notice)


def snapshot(state: State) -> bytes:
    """State as JSON."""
    return _encoder.encode(state)


def restore(text: bytes) -> State:
    """State from its JSON."""
    return _state_decoder.decode(text)


def encode_incident(incident: Incident) -> str:
    """An incident as JSON text."""
    return _encoder.encode(incident).decode()


def decode_incident(text: str) -> Incident:
    """An incident from its JSON text."""
    return _incident_decoder.decode(text)


def encode_notice(notice: Notice) -> str:
    """A notice as JSON text: the same bytes whenever it is written."""
    return _encoder.encode(notice).decode()


def decode_notice(text: str) -> Notice:
    """A notice from its JSON text."""
    return _notice_decoder.decode(text)

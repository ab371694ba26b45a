"""Contacts: what a customer began and expects an answer to; the touchpoints of one thread are one contact."""

from typing import NamedTuple

from processors.entries import Entry
from processors.kinds import CONTACT, ENDING, family
from processors.settings import HOUR_MS, MINUTE_MS

#: Channels on which a customer is busy from beginning to end.
ATTENDED_CHANNELS = frozenset({"phone", "chat", "store"})
#: What a contact costs when nothing about its length is known; our default.
DEFAULT_CONTACT_MS = 2 * MINUTE_MS
LONGEST_CONTACT_MS = HOUR_MS


class Spent(NamedTuple):
    """Customer's time, milliseconds, and whether it was measured rather than assumed."""

    ms: int
    is_measured: bool


class Contact:
    """A conversation on one channel, complete once its `opening`, the customer's first touchpoint, is known.

    `entries` are all touchpoints of the thread in order, the company's too. `end` is the latest end of what the
    customer sent and of what ended the conversation, UTC milliseconds. `keys` are the matter keys of all of it,
    strongest first, `topic` is the first one named, `team` the first one named from the customer's first touchpoint on.
    `revision` changes with any of these.
    """

    __slots__ = ("channel", "closing", "end", "entries", "keys", "opening", "revision", "team", "topic")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.entries: list[Entry] = []
        self.opening: Entry | None = None
        self.closing: Entry | None = None
        self.end = 0
        self.keys: tuple[str, ...] = ()
        self.topic: str | None = None
        self.team: str | None = None
        self.revision = 0

    def add(self, entry: Entry) -> bool:
        """Take the next touchpoint of the conversation; whether it is the one that makes this a contact."""
        self.entries.append(entry)
        entry.contact = self
        is_opening = False
        is_from_customer = is_contact(entry)
        if is_from_customer or entry.roles & ENDING:
            if self.closing is None or entry.end >= self.end:
                self.end = entry.end
                self.closing = entry
            if is_from_customer and self.opening is None:
                self.opening = entry
                self.revision += 1
                is_opening = True
        self._name(entry)
        return is_opening

    def _name(self, entry: Entry) -> None:
        touchpoint = entry.touchpoint
        if not self.keys:
            self.keys = entry.keys
            self.revision += bool(entry.keys)
        elif not set(self.keys).issuperset(entry.keys):
            self.keys = tuple(sorted({*self.keys, *entry.keys}))
            self.revision += 1
        if self.topic is None and touchpoint.topic is not None:
            self.topic = touchpoint.topic
            self.revision += 1
        if self.team is None and touchpoint.team is not None and self.opening is not None:
            self.team = touchpoint.team
            self.revision += 1

    @property
    def first(self) -> Entry:
        """The customer's first touchpoint.

        Raises:
            ValueError: the customer has not said anything in this thread, so it is no contact.

        """
        if self.opening is None:
            msg = "a thread without a customer's touchpoint is no contact"
            raise ValueError(msg)
        return self.opening

    @property
    def start(self) -> int:
        """When the customer began it, UTC milliseconds."""
        return self.first.start

    @property
    def family(self) -> str:
        """Its channel, with channels that are one place to a customer under one name."""
        return family(self.channel)

    @property
    def outcome(self) -> str | None:
        """Last known outcome in the conversation."""
        for entry in reversed(self.entries):
            outcome = entry.touchpoint.outcome
            if outcome is not None and outcome != "unknown":
                return outcome
        return None

    @property
    def identities(self) -> frozenset[str]:
        """Hashed identities with which the customer showed up in it."""
        return frozenset(
            identity for entry in self.entries if is_contact(entry) for identity in entry.touchpoint.identities
        )

    def spent(self) -> Spent:
        """Customer's active time in it, as the touchpoints tell, else as its channel and length suggest."""
        sent = sum(entry.touchpoint.active_ms or 0 for entry in self.entries if is_contact(entry))
        ended = max((entry.touchpoint.active_ms or 0 for entry in self.entries if entry.roles & ENDING), default=0)
        if sent or ended:
            return Spent(sent or ended, is_measured=True)
        if self.channel in ATTENDED_CHANNELS and self.end > self.start:
            return Spent(min(self.end - self.start, LONGEST_CONTACT_MS), is_measured=True)
        return Spent(DEFAULT_CONTACT_MS, is_measured=False)

    def evidence(self) -> tuple[Entry, ...]:
        """Touchpoints that tell when it began and when it ended."""
        closing = self.closing
        return (self.first,) if closing is None or closing is self.first else (self.first, closing)


def goes_on(entry: Entry) -> bool:
    """Whether it goes on with a conversation that others have begun."""
    return entry.contact is not None and entry.contact.entries[0] is not entry


def is_contact(entry: Entry) -> bool:
    """Whether the customer began something with it: an inbound act of theirs of a contact kind."""
    return bool(entry.roles & CONTACT) and entry.is_customer_act

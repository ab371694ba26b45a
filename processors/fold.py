"""The fold: a person's touchpoints taken one after another in story order, kept ready for the next one."""

from typing import Final, NamedTuple

from processors.acts import is_solution
from processors.contacts import Contact, is_contact
from processors.entries import Entry
from processors.journeys import Stitching
from processors.kinds import ARRIVAL, CONSENT, ENDING, FORM, INVITATION, QUIET, REDIRECT, SELF_HELP, family
from processors.sessions import Visit, join_session
from processors.settings import CoreSettings
from processors.timelines import Timeline

#: Stands for a matter that a touchpoint does not name.
UNNAMED = ""
_LOOKING_AROUND: Final = QUIET | CONSENT | ENDING
SELF_HELP_CHANNELS = frozenset({"web", "app"})


class Revision(NamedTuple):
    """What frictions depend on: how many acts there were, and what may relate earlier entries otherwise than before."""

    acts: int
    relations: tuple[int, int]


class Fold:
    """State after the first touchpoints of a story; `add` takes the next one in order.

    Everything here is a function of the entries added so far and the settings, so folding anew gives the same.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        #: Touchpoints that may have changed a friction or the journey it belongs to.
        self.acts = 0
        #: How often a touchpoint said more of what the conversation that it went on with is about.
        self._continued = 0
        #: Longest time from a touchpoint's beginning to its end, milliseconds.
        self.longest_ms = 0
        #: When the newest touchpoint began, and the one before it.
        self.newest_at = self.before_at = -(2**62)
        #: All entries by kind, in story order.
        self.by_kind: dict[str, list[Entry]] = {}
        self.visits: list[Visit] = []
        self.stitching = Stitching(settings)
        self.contacts: list[Contact] = []
        self.redirects: list[Entry] = []
        self.solutions: list[Entry] = []
        self.invitations: list[Entry] = []
        self.forms: list[Entry] = []
        self.consents: list[Entry] = []
        #: Self-service on web and app, in story order.
        self.self_help: list[Entry] = []
        self._arrivals = Timeline()
        #: Arrivals that nobody has asked for yet: of most people nobody ever does.
        self._arrived: list[Entry] = []
        self._threads: dict[tuple[str, str], Contact] = {}
        #: Channel families where an arrival is still awaited, with the time of the latest redirect there.
        self._awaited: dict[str, int] = {}

    def add(self, entry: Entry) -> bool:
        """Take the next entry, if it counts at all; entries must come in story order."""
        touchpoint = entry.touchpoint
        if touchpoint.probe or touchpoint.staff:
            return False
        visit = join_session(self.visits, entry, self.settings)
        strand = self.stitching.join(entry, visit)
        kind = touchpoint.kind
        same_kind = self.by_kind.get(kind)
        if same_kind is None:
            self.by_kind[kind] = [entry]
        else:
            same_kind.append(entry)
        self.before_at, self.newest_at = self.newest_at, entry.start
        self.longest_ms = max(self.longest_ms, entry.end - entry.start)
        roles = entry.roles
        if roles & (ARRIVAL | SELF_HELP) and entry.is_customer_act:
            self._trace(entry)
        if roles & _LOOKING_AROUND == QUIET and touchpoint.thread_id is None:
            # A wait is posted to the ledger wherever it was measured, and a topic has a budget.
            if touchpoint.wait_ms is not None or strand.named_by is entry:
                self.acts += 1
            return True
        self.acts += 1
        self._converse(entry)
        self._note(entry)
        return True

    @property
    def revision(self) -> "Revision":
        """Changes whenever an entry could have changed a friction or the journey it belongs to.

        Looking around cannot, unless it is the arrival where the customer was sent, or a rule reads it.
        """
        return Revision(self.acts, (self.stitching.unions, self._continued))

    @property
    def arrivals(self) -> Timeline:
        """Customer's arrivals by (channel family, matter key)."""
        for entry in self._arrived:
            place = family(entry.touchpoint.channel)
            for key in entry.keys or (UNNAMED,):
                self._arrivals.add((place, key), entry.start, entry)
        self._arrived.clear()
        return self._arrivals

    def _trace(self, entry: Entry) -> None:
        channel = entry.touchpoint.channel
        if entry.roles & ARRIVAL:
            self._arrived.append(entry)
            # Of most people nothing is awaited anywhere.
            place = family(channel) if self._awaited else channel
            sent_at = self._awaited.get(place)
            if sent_at is not None:
                self.acts += 1
                # Only the first arrival counts, and one that names no matter is the first for every redirect.
                if not entry.keys and entry.start > sent_at:
                    del self._awaited[place]
        if entry.roles & SELF_HELP and channel in SELF_HELP_CHANNELS:
            self.self_help.append(entry)

    def _converse(self, entry: Entry) -> None:
        channel = entry.touchpoint.channel
        thread_id = entry.touchpoint.thread_id
        if thread_id is None:
            if is_contact(entry):
                contact = Contact(channel)
                contact.add(entry)
                self.contacts.append(contact)
            return
        thread = self._threads.get((channel, thread_id))
        is_new = thread is None
        if thread is None:
            thread = self._threads[channel, thread_id] = Contact(channel)
        revision = thread.revision
        if thread.add(entry):
            self.contacts.append(thread)
        self._continued += not is_new and thread.revision != revision

    def _note(self, entry: Entry) -> None:
        roles = entry.roles
        if roles & REDIRECT:
            self.redirects.append(entry)
            if entry.touchpoint.redirect_to is not None:
                self._awaited[family(entry.touchpoint.redirect_to)] = entry.start
        if roles & FORM:
            self.forms.append(entry)
        if is_invitation(entry):
            self.invitations.append(entry)
        if is_solution(entry):
            self.solutions.append(entry)
        if roles & CONSENT:
            self.consents.append(entry)


def _is_looking_around(entry: Entry) -> bool:
    return entry.roles & _LOOKING_AROUND == QUIET


#: Reasons with which a company asks the customer to come back.
INVITING_REASONS = frozenset({"follow_up_invited", "appointment"})


def is_invitation(entry: Entry) -> bool:
    """Whether the company asked the customer to come back: for data, by call-back, or by its stated reason.

    What shows that somebody looked around asks nobody, whatever reason it states.
    """
    touchpoint = entry.touchpoint
    if entry.roles & REDIRECT:
        return True
    if _is_looking_around(entry):
        return False
    if touchpoint.actor not in {"agent", "bot", "system"}:
        return False
    return bool(entry.roles & INVITATION) or touchpoint.reason in INVITING_REASONS

"""What rules see of one person: contacts, redirects, and the questions about what came before and after."""

from bisect import bisect_right
from collections.abc import Iterable
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from processors.contacts import Contact
from processors.continuity import Switch
from processors.effort import Claim, JourneyEffort, Ledger
from processors.entries import Entry
from processors.fold import UNNAMED, Fold
from processors.journeys import Strand
from processors.kinds import REDIRECT, family
from processors.timelines import Timeline

Keys = tuple[str, ...]

_start = attrgetter("start")


class Moment(NamedTuple):
    """An entry and the moment that counts of it, UTC milliseconds: a solution counts from its end."""

    at: int
    entry: Entry


class Related(NamedTuple):
    """An earlier contact of the same matter, and the strongest key that both share."""

    key: str
    contact: Contact


class Story:
    """Read-only view of one person's story; indexes are built when first asked for.

    All times are UTC milliseconds and all bounds inclusive. `keys` are matter keys (`processors.matters`).
    """

    def __init__(self, fold: Fold) -> None:
        self.contacts = fold.contacts
        self.redirects = fold.redirects
        #: What every journey has cost so far; for rules that are asked after the others, none for those.
        self.efforts: tuple[JourneyEffort, ...] = ()
        self.by_kind = fold.by_kind
        self._fold = fold
        self._journeys = fold.stitching.journeys()
        self._related: dict[Contact, list[Related]] | None = None
        self._solutions: Timeline | None = None
        self._proactive: Timeline | None = None
        self._invitations: Timeline | None = None
        self._forms: Timeline | None = None

    @property
    def switches(self) -> list[Switch]:
        """Every time the customer or a matter had to go elsewhere, in story order."""
        found = [switch for strand in self._journeys for switch in strand.switches(self._fold.settings)]
        return sorted(found, key=lambda switch: switch.opening.order)

    def ledger(self, claims: Iterable[Claim], person_key: str) -> Ledger:
        """What the person is debited: what frictions claim, and the waits that were measured."""
        settings = self._fold.settings
        waits = [claim for strand in self._journeys for claim in strand.claimed_waits(person_key, settings)]
        return Ledger(chain(claims, waits))

    def add_efforts(self, ledger: Ledger) -> None:
        """Let the rules that are asked from now on see the ledger."""
        settings = self._fold.settings
        efforts = []
        for strand in self._journeys:
            outline = strand.outline(settings)
            if spent := ledger.journey_minutes.get(outline.journey_id):
                budget = settings.effort_budget(strand.entries[0].touchpoint.tenant, outline.topic)
                postings = partial(ledger.of, outline.journey_id)
                efforts.append(JourneyEffort(strand, outline.topic, spent, budget, postings))
        self.efforts = tuple(efforts)

    def closest_earlier(self, contact: Contact, within_ms: int) -> Related | None:
        """Earlier contact of the same matter that ended at most `within_ms` before this one began.

        Strongest relation first; within it the one that ended last. One that still lasted counts.
        """
        if self._related is None:
            self._related = relate(self.contacts)
        best: Related | None = None
        for related in self._related.get(contact, ()):
            if best is not None and related.key[0] != best.key[0]:
                break
            if contact.start - related.contact.end > within_ms:
                continue
            if best is None or is_later(related.contact, best.contact):
                best = related
        return best

    def solution(self, entry: Entry, since: int, until: int | None = None) -> Moment | None:
        """Earliest solution of an entry's matter on its journey; its moment is its end, when the customer had it.

        The same topic on a later journey is a matter of its own, whose solution comes too late for this one.
        """
        if self._solutions is None:
            self._solutions = by_journey(self._fold.solutions)
        return moment(self._solutions.first(places(entry), since, until))

    def proactive_solution(self, entry: Entry, since: int, until: int) -> Moment | None:
        """Earliest solution of an entry's matter on its journey that the company brought of its own accord."""
        if self._proactive is None:
            self._proactive = by_journey(
                solution
                for solution in self._fold.solutions
                if solution.touchpoint.direction == "outbound" and solution.touchpoint.actor != "customer"
            )
        return moment(self._proactive.first(places(entry), since, until))

    def invitation(self, keys: Keys, channel: str, since: int, until: int) -> Moment | None:
        """Latest time the company asked the customer to come back about the matter; a redirect only to `channel`."""
        if self._invitations is None:
            self._invitations = Timeline()
            for entry in self._fold.invitations:
                target = entry.touchpoint.redirect_to if entry.roles & REDIRECT else UNNAMED
                if target is not None:
                    for key in entry.matter:
                        self._invitations.add((family(target), key), entry.start, entry)
        places = [(place, key) for key in keys for place in (UNNAMED, family(channel))]
        return moment(self._invitations.last(places, since, until))

    def arrival(self, keys: Keys, channel: str, since: int, until: int | None = None) -> Moment | None:
        """Customer's first arrival on a channel, about the matter or about nothing named."""
        place = family(channel)
        return moment(self._fold.arrivals.first([(place, key) for key in (*keys, UNNAMED)], since, until))

    def form(self, keys: Keys, channel: str, since: int, until: int) -> Entry | None:
        """First form or request for data of the matter on a channel; one that tells the time it took comes first."""
        if self._forms is None:
            self._forms = Timeline()
            for entry in self._fold.forms:
                place = family(entry.touchpoint.channel)
                for key in entry.matter:
                    self._forms.add((place, key), entry.start, entry)
                    if entry.touchpoint.active_ms:
                        self._forms.add((place, key, "timed"), entry.start, entry)
        place = family(channel)
        timed = self._forms.first([(place, key, "timed") for key in keys], since, until)
        found = timed or self._forms.first([(place, key) for key in keys], since, until)
        return None if found is None else found[1]

    def self_help(self, since: int, until: int) -> Moment | None:
        """Latest sign of the customer helping themselves on web or app."""
        entries = self._fold.self_help
        place = bisect_right(entries, until, key=_start) - 1
        if place < 0 or entries[place].start < since:
            return None
        return Moment(entries[place].start, entries[place])

    def profiling_refusal(self, at: int) -> Entry | None:
        """The customer's refusal of profiling that held at a moment."""
        standing: Entry | None = None
        for entry in self._fold.consents:
            if entry.start > at:
                break
            if "profiling" in entry.touchpoint.purposes:
                standing = None if entry.touchpoint.kind == "consent.granted" else entry
        return standing


def relate(contacts: list[Contact]) -> dict[Contact, list[Related]]:
    """For every contact the earlier ones that share a key, by key the one that ended last, strongest key first."""
    latest: dict[str, Contact] = {}
    related: dict[Contact, list[Related]] = {}
    for contact in contacts:
        found = [Related(key, latest[key]) for key in contact.keys if key in latest]
        if found:
            related[contact] = found
        for key in contact.keys:
            if key not in latest or is_later(contact, latest[key]):
                latest[key] = contact
    return related


def places(entry: Entry) -> list[tuple[Strand | None, str]]:
    """Its journey with each key of its matter."""
    strand = None if entry.strand is None else entry.strand.root()
    return [(strand, key) for key in entry.matter]


def by_journey(entries: Iterable[Entry]) -> Timeline:
    """Entries at their ends, by journey and matter key."""
    timeline = Timeline()
    for entry in entries:
        for place in places(entry):
            timeline.add(place, entry.end, entry)
    return timeline


def is_later(one: Contact, other: Contact) -> bool:
    """Whether one contact ended after the other; the later begun decides where both ended at once."""
    return (one.end, one.first.order) > (other.end, other.first.order)


def moment(found: tuple[int, Entry] | None) -> Moment | None:
    """A found entry as a moment."""
    return None if found is None else Moment(*found)

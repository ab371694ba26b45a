"""Journeys: touchpoints of one person stitched together where they are about the same matter."""

from collections.abc import Iterable

from processors.acts import is_handoff, is_solution
from processors.contacts import is_contact
from processors.continuity import Switch, lowest_score, switches_of
from processors.durations import minutes
from processors.effort import Claim, claim_wait
from processors.entries import Entry
from processors.identifiers import content_hash, hash_id
from processors.kinds import ENDING, QUIET, REDIRECT, family
from processors.matters import is_lasting
from processors.sessions import Visit
from processors.settings import CoreSettings
from schemas.outputs import Journey, JourneyStatus

_PROMISES_MADE = frozenset({"promise.made", "callback.promised"})
_PROMISES_ENDED = frozenset({"promise.kept", "promise.broken", "callback.reached"})


class Outline:
    """What a journey amounts to, whatever the watermark: derived from its entries in one pass."""

    __slots__ = (
        "channels",
        "closes_at",
        "contacts",
        "handoff_chain",
        "handoffs",
        "is_solved",
        "journey_id",
        "last_event_at",
        "objects",
        "open_promises",
        "redirect_chain",
        "redirects",
        "refs",
        "topic",
        "wait_ms",
        "waits",
    )

    def __init__(self, entries: list[Entry], settings: CoreSettings) -> None:
        first = entries[0].touchpoint
        self.journey_id = hash_id("journey", first.tenant, first.source, first.id)
        self.last_event_at = entries[0].end
        self.contacts = self.handoffs = self.redirects = 0
        self.topic: str | None = None
        self.wait_ms = 0
        self.waits: list[Entry] = []
        channels: dict[str, None] = {}
        handoff_chain: list[str] = []
        redirect_chain: list[str] = []
        objects: set[str] = set()
        solved_at: int | None = None
        contacted_at: int | None = None
        for entry in entries:
            touchpoint = entry.touchpoint
            self.last_event_at = max(self.last_event_at, entry.end)
            channels[touchpoint.channel] = None
            objects.update(touchpoint.objects)
            if self.topic is None:
                self.topic = touchpoint.topic
            if touchpoint.wait_ms:
                self.wait_ms += touchpoint.wait_ms
                self.waits.append(entry)
            if entry.roles & (QUIET | ENDING) == QUIET:
                continue
            if is_contact(entry):
                contacted_at = entry.start
                self.contacts += entry.contact is not None and entry.contact.opening is entry
            if is_solution(entry):
                solved_at = entry.end if solved_at is None else max(solved_at, entry.end)
            if entry.roles & REDIRECT:
                self.redirects += 1
                if touchpoint.redirect_to is not None:
                    _pass_on(redirect_chain, touchpoint.channel, touchpoint.redirect_to)
            if is_handoff(entry):
                self.handoffs += 1
                _pass_on(handoff_chain, touchpoint.from_team or touchpoint.team, touchpoint.to_team)
        self.handoff_chain = tuple(handoff_chain)
        self.redirect_chain = tuple(redirect_chain)
        self.channels = tuple(channels)
        self.objects = tuple(sorted(objects))
        self.refs = tuple(entry.ref for entry in entries)
        self.open_promises = count_open_promises(entries)
        self.is_solved = solved_at is not None and (contacted_at is None or contacted_at <= solved_at)
        self.closes_at = self.last_event_at + settings.journey_gap_ms
        if self.is_solved and solved_at is not None and self.last_event_at <= solved_at + settings.solved_gap_ms:
            self.closes_at = solved_at + settings.solved_gap_ms


class Strand:
    """Entries about one matter so far; strands that turn out to be about the same matter become one.

    A strand is a journey as soon as something other than looking around belongs to it (`is_begun`).
    """

    __slots__ = (
        "_family",
        "_outline",
        "_parent",
        "_stamp",
        "_stamped",
        "_switches",
        "_waits",
        "entries",
        "is_begun",
        "is_moved",
        "is_sorted",
        "is_waiting",
        "named_by",
    )

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_begun = False
        #: More than one place or team had to do with it.
        self.is_moved = False
        #: The customer waited somewhere.
        self.is_waiting = False
        self.is_sorted = True
        #: The entry that first named a topic, while the strand stands for itself.
        self.named_by: Entry | None = None
        self._family: str | None = None
        self._parent: Strand | None = None
        self._outline: Outline | None = None
        self._stamp: tuple[bool, float] | None = None
        self._stamped: tuple[Journey, int] | None = None
        self._switches: tuple[Switch, ...] | None = None
        self._waits: tuple[Claim, ...] = ()

    def root(self) -> "Strand":
        """The strand that this one has become part of."""
        strand = self
        while strand._parent is not None:
            if strand._parent._parent is not None:
                strand._parent = strand._parent._parent
            strand = strand._parent
        return strand

    @property
    def is_root(self) -> bool:
        """Whether it stands for itself."""
        return self._parent is None

    def add(self, entry: Entry) -> None:
        """Take the next entry of the story."""
        touchpoint = entry.touchpoint
        self.entries.append(entry)
        entry.strand = self
        self._outline = None
        place = family(touchpoint.channel)
        if place != self._family:
            self._move(place)
        if touchpoint.wait_ms:
            self.is_waiting = True
        if self.named_by is None and touchpoint.topic is not None:
            self.named_by = entry
        if not entry.roles & QUIET:
            self.is_begun = True
            self._switches = None
            if is_handoff(entry):
                self.is_moved = True

    def union(self, other: "Strand") -> "Strand":
        """Both strands as one; the smaller moves, so that any sequence of unions stays O(n log n)."""
        one, other = self.root(), other.root()
        if one is other:
            return one
        if len(one.entries) < len(other.entries):
            one, other = other, one
        one.entries.extend(other.entries)
        one.is_sorted = False
        one.is_begun |= other.is_begun
        one._move(other._family)
        one.is_moved |= other.is_moved
        one.is_waiting |= other.is_waiting
        one.named_by = one.named_by or other.named_by
        one._outline = None
        one._switches = None
        other._parent = one
        other.entries = []
        other._outline = None
        return one

    def sort(self) -> None:
        """Put the entries in story order."""
        if not self.is_sorted:
            self.entries.sort(key=lambda entry: entry.order)
            self.is_sorted = True

    def _move(self, place: str | None) -> None:
        if self._family is None:
            self._family = place
        elif place is not None and place != self._family:
            self.is_moved = True

    def outline(self, settings: CoreSettings) -> Outline:
        """What the journey amounts to; drawn again only after something joined."""
        if self._outline is None:
            self.sort()
            self._outline = Outline(self.entries, settings)
            self._stamp = None
            self._waits = ()
        return self._outline

    def stamped(
        self, person_key: str, settings: CoreSettings, *, effort_minutes: float, watermark: int
    ) -> tuple[Journey, int]:
        """The journey as a fact with its content hash; `effort_minutes` is the sum of its postings."""
        outline = self.outline(settings)
        stamp = (outline.closes_at <= watermark, effort_minutes)
        if self._stamped is None or stamp != self._stamp:
            journey = self._journey(outline, person_key, settings, is_closed=stamp[0], effort_minutes=effort_minutes)
            self._stamped = (journey, content_hash(journey))
            self._stamp = stamp
        return self._stamped

    def claimed_waits(self, person_key: str, settings: CoreSettings) -> tuple[Claim, ...]:
        """Claims of the waits measured in it."""
        if not self.is_waiting:
            return ()
        outline = self.outline(settings)
        if outline.waits and not self._waits:
            self._waits = tuple(
                claim_wait(entry, person_key=person_key, journey_id=outline.journey_id) for entry in outline.waits
            )
        return self._waits

    def switches(self, settings: CoreSettings) -> tuple[Switch, ...]:
        """Every time the customer or the matter had to go elsewhere, in story order."""
        if self._switches is None:
            self.sort()
            self._switches = switches_of(self.entries, settings.continuity) if self.is_moved else ()
        return self._switches

    def _journey(
        self, outline: Outline, person_key: str, settings: CoreSettings, *, is_closed: bool, effort_minutes: float
    ) -> Journey:
        first, last = self.entries[0], self.entries[-1]
        return Journey(
            journey_id=outline.journey_id,
            tenant=first.touchpoint.tenant,
            person_key=person_key,
            status=JourneyStatus.CLOSED if is_closed else JourneyStatus.OPEN,
            opened_at=first.start,
            last_event_at=outline.last_event_at,
            closed_at=outline.closes_at if is_closed else None,
            topic=outline.topic,
            channels=outline.channels,
            first_channel=first.touchpoint.channel,
            last_channel=last.touchpoint.channel,
            touches=len(self.entries),
            contacts=outline.contacts,
            handoffs=outline.handoffs,
            redirects=outline.redirects,
            handoff_chain=outline.handoff_chain,
            redirect_chain=outline.redirect_chain,
            continuity=lowest_score(self.switches(settings), settings.continuity),
            wait_minutes=minutes(outline.wait_ms),
            effort_minutes=effort_minutes,
            effort_budget_minutes=settings.effort_budget(first.touchpoint.tenant, outline.topic),
            outcome="solved" if outline.is_solved else "unsolved" if is_closed else "open",
            objects=outline.objects,
            open_promises=outline.open_promises,
            touchpoint_keys=outline.refs,
        )


class Stitching:
    """Puts entries, given in story order, on strands.

    Two touchpoints belong together when they share, strongest first: a case or another object that is one matter by
    itself; a standing object such as a contract, within the journey gap; a thread; the same topic within the journey
    gap. One that names no matter belongs to what its session was last about, else to what it is about next.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.strands: list[Strand] = []
        self.unions = 0
        #: How many touchpoints have come to a journey, or made one.
        self.changes = 0
        self._gap_ms = settings.journey_gap_ms
        self._named: dict[str, tuple[Strand, int]] = {}
        self._threads: dict[str, Strand] = {}

    def join(self, entry: Entry, visit: Visit) -> Strand:
        """Put the next entry on its strand; `visit` is the session it lies in."""
        thread_id = entry.touchpoint.thread_id
        strand = self._related(entry, thread_id)
        if strand is None and not entry.keys:
            strand = visit.recent or visit.unnamed
            if strand is None:
                strand = visit.unnamed = self._new()
            strand = strand.root()
        else:
            if strand is None:
                strand = self._new()
            if visit.unnamed is not None and visit.recent is None:
                strand = self._union(strand, visit.unnamed)
            visit.recent = strand
        strand.add(entry)
        self.changes += strand.is_begun
        for key in entry.keys:
            known = self._named.get(key)
            self._named[key] = (strand, entry.end if known is None or known[1] < entry.end else known[1])
        if thread_id is not None:
            self._threads[thread_id] = strand
        return strand

    def journeys(self) -> list[Strand]:
        """The strands that stand for themselves and are journeys, in the order in which they were begun."""
        return [strand for strand in self.strands if strand.is_root and strand.is_begun]

    def _related(self, entry: Entry, thread_id: str | None) -> Strand | None:
        strand: Strand | None = None
        for key in entry.keys:
            known = self._named.get(key)
            if known is not None and (is_lasting(key) or entry.start - known[1] <= self._gap_ms):
                strand = known[0].root() if strand is None else self._union(strand, known[0])
        if thread_id is not None and thread_id in self._threads:
            thread = self._threads[thread_id]
            strand = thread.root() if strand is None else self._union(strand, thread)
        return strand

    def _union(self, one: Strand, other: Strand) -> Strand:
        if one.root() is not other.root():
            self.unions += 1
        return one.union(other)

    def _new(self) -> Strand:
        strand = Strand()
        self.strands.append(strand)
        return strand


def count_open_promises(entries: Iterable[Entry]) -> int:
    """Promises and call-backs that were neither kept nor broken yet.

    Those with a `promise_id` are matched by it; those without one after another.
    """
    open_ids: set[str] = set()
    nameless = 0
    for entry in entries:
        kind = entry.touchpoint.kind
        if kind in _PROMISES_MADE:
            if entry.touchpoint.promise_id is None:
                nameless += 1
            else:
                open_ids.add(entry.touchpoint.promise_id)
        elif kind in _PROMISES_ENDED:
            if entry.touchpoint.promise_id is None:
                nameless = max(0, nameless - 1)
            else:
                open_ids.discard(entry.touchpoint.promise_id)
    return len(open_ids) + nameless


def _pass_on(chain: list[str], from_: str | None, to: str | None) -> None:
    """Lengthen a chain by where something came from, unless it stood there already, and by where it went."""
    for place in (from_, to):
        if place is not None and (not chain or chain[-1] != place):
            chain.append(place)

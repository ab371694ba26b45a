"""Sessions: visits of one person, cut where nothing happened for longer than the session gap."""

from typing import TYPE_CHECKING

from processors.entries import Entry
from processors.identifiers import content_hash, hash_id
from processors.settings import CoreSettings, SessionEnd
from schemas.outputs import Session

if TYPE_CHECKING:
    from processors.journeys import Strand


class Visit:
    """A session that may still grow, and what touchpoints without a topic join while it lasts.

    `recent` is the strand last touched by name in this session; `unnamed` the one that touchpoints which name no
    matter have begun before any.
    """

    __slots__ = (
        "_id",
        "_stamped",
        "channels",
        "ended_at",
        "first",
        "last",
        "recent",
        "started_at",
        "touches",
        "unnamed",
    )

    def __init__(self, entry: Entry, end: int) -> None:
        self.first = entry
        self.last = entry
        self.started_at = entry.start
        self.ended_at = end
        self.touches = 1
        self.channels = [entry.touchpoint.channel]
        self.recent: Strand | None = None
        self.unnamed: Strand | None = None
        self._id: str | None = None
        self._stamped: tuple[Session, int] | None = None

    def add(self, entry: Entry, end: int) -> None:
        """Take the next touchpoint of the session."""
        self.last = entry
        self.ended_at = max(self.ended_at, end)
        self.touches += 1
        if entry.touchpoint.channel not in self.channels:
            self.channels.append(entry.touchpoint.channel)
        self._stamped = None

    def stamped(self, person_key: str) -> tuple[Session, int]:
        """The session as a fact with its content hash; computed once as long as nothing is added."""
        if self._stamped is None:
            touchpoint = self.first.touchpoint
            if self._id is None:
                self._id = hash_id("session", touchpoint.tenant, touchpoint.source, touchpoint.id)
            session = Session(
                session_id=self._id,
                tenant=touchpoint.tenant,
                person_key=person_key,
                started_at=self.started_at,
                ended_at=self.ended_at,
                touches=self.touches,
                channels=tuple(self.channels),
                first_touchpoint=self.first.ref,
                last_touchpoint=self.last.ref,
            )
            self._stamped = (session, content_hash(session))
        return self._stamped


def join_session(visits: list[Visit], entry: Entry, settings: CoreSettings) -> Visit:
    """Session of the next touchpoint in order: the last one, or a new one when the gap to it is too long.

    The gap runs from the latest end in the session to the start of the touchpoint; a gap of exactly
    `session_gap_ms` still joins, so sessions of a person are disjoint by more than the gap.
    """
    end = entry.end if settings.session_end is SessionEnd.ENDED_AT else entry.start
    if visits:
        visit = visits[-1]
        if entry.start - visit.ended_at <= settings.session_gap_ms:
            visit.add(entry, end)
            return visit
    visit = Visit(entry, end)
    visits.append(visit)
    return visit

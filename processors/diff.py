"""What to write: the difference between what was published and what holds now."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

from schemas.outputs import EffortPosting, Fact, Friction, Journey, Person, Session


class FactKind(StrEnum):
    """Kinds of facts, in the order in which they are written."""

    SESSION = "session"
    FRICTION = "friction"
    JOURNEY = "journey"
    POSTING = "posting"
    PERSON = "person"


FactT = TypeVar("FactT")


class Told(NamedTuple, Generic[FactT]):
    """Facts of one kind, and the content hash of each by its id; the same object as long as all are the same."""

    facts: tuple[FactT, ...]
    hashes: Mapping[str, int]


class Judgement(NamedTuple):
    """All that holds for one person as of a watermark.

    `wake_at` (UTC milliseconds) is the earliest deadline ahead that could change it; `version` is that of the rows.
    `hashes` has the content hash of every fact by kind and id; `anchor_epochs` (by kind and id) how often the
    touchpoint that it hangs on has changed hands, where it has.
    """

    tenant: str
    person_key: str
    sessions: tuple[Session, ...]
    journeys: tuple[Journey, ...]
    frictions: tuple[Friction, ...]
    postings: tuple[EffortPosting, ...]
    person: Person
    wake_at: int | None
    version: int
    hashes: Mapping[FactKind, Mapping[str, int]]
    anchor_epochs: Mapping[FactKind, Mapping[str, int]]

    def facts(self) -> Iterator[tuple[FactKind, tuple[Fact, ...]]]:
        """All facts by kind."""
        yield FactKind.SESSION, self.sessions
        yield FactKind.FRICTION, self.frictions
        yield FactKind.JOURNEY, self.journeys
        yield FactKind.POSTING, self.postings
        yield FactKind.PERSON, (self.person,)


#: What the store holds of a person: by kind and id the content hash, or `None` where it is not known.
Published = Mapping[FactKind, Mapping[str, int | None]]
NOTHING_PUBLISHED: Published = {kind: {} for kind in FactKind}


class Retraction(NamedTuple):
    """A published fact that no longer holds."""

    kind: FactKind
    id: str
    tenant: str
    person_key: str


class Changes(NamedTuple):
    """What to write so that the store says what holds."""

    upserts: list[Fact]
    retractions: list[Retraction]


def fact_id(fact: Fact) -> str:
    """Identifier of a fact within its kind."""
    return _ID_OF[kind_of(fact)](fact)


def kind_of(fact: Fact) -> FactKind:
    """Kind of a fact."""
    return _KINDS[type(fact)]


_KINDS: Mapping[type[Fact], FactKind] = {
    Session: FactKind.SESSION,
    Friction: FactKind.FRICTION,
    Journey: FactKind.JOURNEY,
    EffortPosting: FactKind.POSTING,
    Person: FactKind.PERSON,
}
_ID_OF: Mapping[FactKind, Callable[[Any], str]] = {
    FactKind.SESSION: attrgetter("session_id"),
    FactKind.FRICTION: attrgetter("friction_id"),
    FactKind.JOURNEY: attrgetter("journey_id"),
    FactKind.POSTING: attrgetter("posting_id"),
    FactKind.PERSON: attrgetter("person_key"),
}


def diff(published: Published, judgement: Judgement) -> Changes:
    """Facts that are new, differ from what was published or are not known to equal it; and those that are gone.

    A kind that `published` lacks counts as nothing published. Applying the changes and diffing again gives nothing.
    """
    upserts: list[Fact] = []
    retractions: list[Retraction] = []
    for kind, facts in judgement.facts():
        known = published.get(kind, {})
        hashes = judgement.hashes[kind]
        if known is hashes or known == hashes:
            continue
        id_of = _ID_OF[kind]
        for fact in facts:
            id_ = id_of(fact)
            if known.get(id_) != hashes[id_]:
                upserts.append(fact)
        if gone := known.keys() - hashes.keys():
            retractions += [Retraction(kind, id_, judgement.tenant, judgement.person_key) for id_ in sorted(gone)]
    return Changes(upserts, retractions)


def published_after(judgement: Judgement) -> Published:
    """What the store holds once the changes to this judgement are written."""
    return judgement.hashes

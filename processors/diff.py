"""What to write: the difference between what was published and what holds now."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from schemas.outputs import EffortPosting, Fact, Friction, Journey, Person, Session


class FactKind(StrEnum):
    """Kinds of facts, in the order in which they are written."""

    SESSION = "session"
    FRICTION = "friction"
    JOURNEY = "journey"
    POSTING = "posting"
    PERSON = "person"


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
    match fact:
        case Session():
            return fact.session_id
        case Journey():
            return fact.journey_id
        case Friction():
            return fact.friction_id
        case EffortPosting():
            return fact.posting_id
        case Person():
            return fact.person_key


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


def diff(published: Published, judgement: Judgement) -> Changes:
    """Facts that are new, differ from what was published or are not known to equal it; and those that are gone.

    A kind that `published` lacks counts as nothing published. Applying the changes and diffing again gives nothing.
    """
    upserts: list[Fact] = []
    retractions: list[Retraction] = []
    for kind, facts in judgement.facts():
        known = published.get(kind, {})
        hashes = judgement.hashes[kind]
        if known == hashes:
            continue
        for fact in facts:
            id_ = fact_id(fact)
            if known.get(id_) != hashes[id_]:
                upserts.append(fact)
        retractions.extend(
            Retraction(kind, id_, judgement.tenant, judgement.person_key)
            for id_ in sorted(known.keys() - hashes.keys())
        )
    return Changes(upserts, retractions)


def published_after(judgement: Judgement) -> Published:
    """What the store holds once the changes to this judgement are written."""
    return judgement.hashes

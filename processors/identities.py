"""Whose an identity is: links between identities make persons, as a function of the set of links.

Neither the order of the links nor their repetition matters, so every owner that reads the same links decides the same,
and what is added later is decided as if it had always been there.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

import msgspec

from processors.components import Component
from processors.identity_limits import IdentityLimits
from schemas.identity import IdentityLink, LinkKind, identifier_of, namespace_of
from schemas.touchpoint import AppliedTouchpoint
from schemas.vocabulary import IdentityClass, class_of

_KINDS: Final = {"identity.linked": LinkKind.LINKED, "identity.unlinked": LinkKind.UNLINKED}
_AUTHORITATIVE: Final = frozenset({LinkKind.LINKED, LinkKind.ROTATED})

_Ends: TypeAlias = tuple[str, str]
#: Event time, source and id of a touchpoint.
_Order: TypeAlias = tuple[int, str, str]


class RefusalReason(StrEnum):
    """Why two identities that were linked are not one person's; the first that holds is named."""

    #: One stands for several people, such as a household.
    SHARED = "shared"
    #: One was seen with too many others to be anybody's.
    PLACEHOLDER = "placeholder"
    #: Two that somebody said are not the same human would come together.
    UNLINKED = "unlinked"
    #: The person would have too many identities.
    CAP = "cap"
    #: Two people use one device.
    USER_SWITCH = "user_switch"
    #: The person would have too many identities of one namespace.
    LIMIT = "limit"

    @property
    def is_for_review(self) -> bool:
        """Whether a person should look at it; the others are how things are."""
        return self not in {RefusalReason.SHARED, RefusalReason.USER_SWITCH}


class RefusedLink(NamedTuple):
    """A link that was not made. `detail` is for people; the touchpoint is the one that brought the two together."""

    reason: RefusalReason
    identity: str
    other: str
    detail: str
    event_time: int
    source: str
    id: str


_Refusal: TypeAlias = tuple[RefusalReason, str]


class Resolution:
    """Persons as links make them. An identifier that is in no link is a person of its own."""

    __slots__ = ("_persons", "_refused", "placeholders")

    def __init__(
        self,
        persons: Mapping[str, tuple[str, ...]],
        refused: Mapping[str, list[RefusedLink]],
        placeholders: frozenset[str],
    ) -> None:
        self._persons = persons
        self._refused = refused
        #: Identifiers that link nobody and own nothing.
        self.placeholders = placeholders

    def person_key(self, identifier: str) -> str:
        """Smallest identifier of the person."""
        return self.members(identifier)[0]

    def members(self, identifier: str) -> tuple[str, ...]:
        """Identifiers of the person, sorted."""
        return self._persons.get(identifier, (identifier,))

    def refused_of(self, identifier: str) -> tuple[RefusedLink, ...]:
        """Links of an identifier that were not made, with it as `identity`: those stated first, each oldest first."""
        return tuple(self._refused.get(identifier, ()))


def links_of(applied: AppliedTouchpoint) -> list[IdentityLink]:
    """What a touchpoint says about its identities, each link in one direction.

    Its strongest identity with each other, and each with itself under the key before, while that is accepted. That
    says nothing of the others in the touchpoint, so it does not name it: it stays when somebody else in it is erased.
    """
    touchpoint = applied.touchpoint
    strongest, *others = touchpoint.identities
    if not others and not applied.rotated:
        return []
    seen = [
        IdentityLink(
            tenant=touchpoint.tenant,
            identity=strongest,
            other=other,
            kind=_KINDS.get(touchpoint.kind, LinkKind.SEEN),
            event_time=applied.event_time,
            source=touchpoint.source,
            id=touchpoint.id,
            ingestion_time=applied.ingestion_time,
        )
        for other in others
    ]
    rotated = [
        IdentityLink(
            tenant=touchpoint.tenant,
            identity=now,
            other=before,
            kind=LinkKind.ROTATED,
            event_time=applied.event_time,
            source="",
            id="",
            # Of all that say the same the first in time stays.
            ingestion_time=applied.event_time,
        )
        for now, before in zip(touchpoint.identities, applied.rotated, strict=False)
    ]
    return seen + rotated


def both(link: IdentityLink) -> tuple[IdentityLink, IdentityLink]:
    """A link as it is stored under either end."""
    return link, msgspec.structs.replace(link, identity=link.other, other=link.identity)


def follows(link: IdentityLink) -> bool:
    """Whether a walk over links goes on to the other end: whether the link may ever join two people."""
    return link.kind in _AUTHORITATIVE or not (_is_shared(link.identity) or _is_shared(link.other))


def home(identities: Sequence[str], placeholders: Collection[str]) -> str:
    """Identifier whose person a touchpoint belongs to: the strongest that is no placeholder, else the strongest.

    `identities` are `namespace:hash`, strongest first and at least one; `placeholders` are identifiers.
    """
    identifiers = [identifier_of(identity) for identity in identities]
    return next((identifier for identifier in identifiers if identifier not in placeholders), identifiers[0])


def resolve(links: Iterable[IdentityLink], limits: IdentityLimits) -> Resolution:
    """Persons of all identities in some links, of one tenant.

    The answer for an identity is final when `links` has all links of every identity that a walk from it reaches: one
    that goes on where `follows` says so, and not beyond placeholders. Of a placeholder any `max_companions + 1`
    companions are enough. Of the statements about a pair only the first that saw both, the first that rotated one
    into the other, and the last that linked or unlinked them matter.
    """
    pairs = _pairs(links)
    companions = Counter(end for ends in pairs for end in ends)
    placeholders = frozenset(identity for identity, count in companions.items() if count > limits.max_companions)
    growth = _Growth(companions, pairs.values(), placeholders, limits)
    edges = sorted(edge for pair in pairs.values() if (edge := pair.edge) is not None)
    refusals = [(edge, refusal) for edge in edges if (refusal := growth.join(edge)) is not None]
    refused: dict[str, list[RefusedLink]] = {}
    for edge, (reason, detail) in refusals:
        # What was refused may have come together on another path, later.
        if not growth.are_one(edge.ends):
            for end, other in (edge.ends, edge.ends[::-1]):
                link = RefusedLink(reason, end, other, detail, *edge.order)
                refused.setdefault(identifier_of(end), []).append(link)
    return Resolution(growth.members(), refused, frozenset(map(identifier_of, placeholders)))


def _is_shared(identity: str) -> bool:
    return class_of(namespace_of(identity)) is IdentityClass.SHARED


def _is_volatile(identity: str) -> bool:
    return class_of(namespace_of(identity)) is IdentityClass.VOLATILE


class _Edge(NamedTuple):
    """A pair that asks to be joined; edges sort as they are taken: what was told comes before what was seen."""

    is_only_seen: bool
    order: _Order
    ends: _Ends


class _Pair:
    """All that matters of what is said about two identities; `ends` are sorted."""

    __slots__ = ("ends", "rotated", "seen", "stated")

    def __init__(self, ends: _Ends) -> None:
        self.ends = ends
        self.seen: _Order | None = None
        self.rotated: _Order | None = None
        #: The last statement, and whether it parts the two; of two at once the one that parts is the last.
        self.stated: tuple[_Order, bool] | None = None

    def add(self, link: IdentityLink) -> None:
        order = link.order
        if link.kind is LinkKind.SEEN:
            self.seen = order if self.seen is None else min(self.seen, order)
        elif link.kind is LinkKind.ROTATED:
            self.rotated = order if self.rotated is None else min(self.rotated, order)
        else:
            stated = (order, link.kind is LinkKind.UNLINKED)
            self.stated = stated if self.stated is None else max(self.stated, stated)

    @property
    def separated(self) -> _Order | None:
        """The statement that the two are not one person, if that is the last."""
        return self.stated[0] if self.stated is not None and self.stated[1] else None

    @property
    def edge(self) -> _Edge | None:
        """The pair as one to join, at the first touchpoint that saw both, else when it was stated."""
        is_linked = self.stated is not None and not self.stated[1]
        orders = [order for order in (self.seen, self.rotated) if order is not None]
        if self.stated is not None and is_linked and not orders:
            orders = [self.stated[0]]
        if not orders:
            return None
        return _Edge(not is_linked and self.rotated is None, min(orders), self.ends)


def _pairs(links: Iterable[IdentityLink]) -> dict[_Ends, _Pair]:
    pairs: dict[_Ends, _Pair] = {}
    for link in links:
        one, other = link.identity, link.other
        ends = (one, other) if one < other else (other, one)
        pair = pairs.get(ends)
        if pair is None:
            pair = pairs[ends] = _Pair(ends)
        pair.add(link)
    return pairs


def _values(pairs: Iterable[_Pair], placeholders: frozenset[str]) -> dict[str, str]:
    """One name for all identities that are one value under several keys, by identity."""
    groups: dict[str, list[str]] = {}
    for pair in pairs:
        # A chain through a placeholder is not seen whole by every owner, so it counts for none.
        if pair.rotated is not None and placeholders.isdisjoint(pair.ends):
            one, other = (groups.get(end, [end]) for end in pair.ends)
            if one is not other:
                joined = one + other
                groups.update(dict.fromkeys(joined, joined))
    return {identity: min(group) for identity, group in groups.items()}


class _Growth:
    """Persons while edges are joined one after the other."""

    def __init__(
        self,
        identities: Iterable[str],
        pairs: Collection[_Pair],
        placeholders: frozenset[str],
        limits: IdentityLimits,
    ) -> None:
        self._limits = limits
        self._placeholders = placeholders
        self._separated: dict[str, dict[str, _Order]] = {}
        for pair in pairs:
            if pair.separated is not None:
                for end, other in (pair.ends, pair.ends[::-1]):
                    self._separated.setdefault(end, {})[other] = pair.separated
        values = _values(pairs, placeholders)
        self._persons = {
            identity: Component(identity, values.get(identity, identity), self._separated.get(identity, ()))
            for identity in identities
        }

    def are_one(self, ends: _Ends) -> bool:
        return self._persons[ends[0]] is self._persons[ends[1]]

    def members(self) -> dict[str, tuple[str, ...]]:
        """Sorted identifiers of its person, by identifier."""
        members: dict[str, tuple[str, ...]] = {}
        for person in {id(person): person for person in self._persons.values()}.values():
            identifiers = tuple(sorted(map(identifier_of, person.identities)))
            members.update(dict.fromkeys(identifiers, identifiers))
        return members

    def join(self, edge: _Edge) -> _Refusal | None:
        """Make the persons of two identities one, or say why not."""
        one, other = (self._persons[end] for end in edge.ends)
        if one is other:
            return None
        refusal = self._because_of_an_end(edge) or self._because_unlinked(one, other) or self._because_full(one, other)
        if refusal is not None:
            return refusal
        at = edge.order[0]
        one.attach(at)
        other.attach(at)
        counts = one.counts_with(other, self._limits)
        if edge.is_only_seen:
            excess = one.excess_with(other, counts, self._limits)
            if excess is not None:
                is_switch = excess.class_ is IdentityClass.UNIQUE and any(map(_is_volatile, edge.ends))
                reason = RefusalReason.USER_SWITCH if is_switch else RefusalReason.LIMIT
                return reason, f"{excess.number} {excess.namespace} in one person, the limit is {excess.most}"
        few, many = sorted((one, other), key=lambda person: len(person.identities))
        many.absorb(few, counts)
        self._persons.update(dict.fromkeys(few.identities, many))
        return None

    def _because_of_an_end(self, edge: _Edge) -> _Refusal | None:
        for end in edge.ends:
            if edge.is_only_seen and _is_shared(end):
                return RefusalReason.SHARED, f"a {namespace_of(end)} stands for several people"
        for end in edge.ends:
            if end in self._placeholders:
                return RefusalReason.PLACEHOLDER, f"{end} was seen with more than {self._limits.max_companions} others"
        return None

    def _because_unlinked(self, one: Component, other: Component) -> _Refusal | None:
        few, many = sorted((one, other), key=lambda person: len(person.apart_from))
        found = [
            (min(of_many, of_few), max(of_many, of_few), order)
            for of_many in few.apart_from
            if self._persons[of_many] is many
            for of_few, order in self._separated[of_many].items()
            if self._persons[of_few] is few
        ]
        if not found:
            return None
        one_end, other_end, (_, source, id_) = min(found)
        return RefusalReason.UNLINKED, f"{one_end} and {other_end} were unlinked by {source}/{id_}"

    def _because_full(self, one: Component, other: Component) -> _Refusal | None:
        size = len(one.identities) + len(other.identities)
        most = self._limits.max_identities
        return (RefusalReason.CAP, f"{size} identities in one person, the limit is {most}") if size > most else None

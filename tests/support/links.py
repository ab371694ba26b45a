"""Links between identities for tests: builders, worlds that run into every limit, and the answer by brute force."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

from hypothesis import strategies as st

from processors.identities import both, follows
from processors.identity_limits import IdentityLimits
from schemas.identity import IdentityLink, LinkKind, identifier_of
from schemas.vocabulary import NAMESPACES
from tests.support.touchpoints import DAY, MONDAY, TENANT

_NONE: Final = 10**9
#: No limit at all: what is linked is one person.
LIMITLESS = IdentityLimits(unique=_NONE, login=_NONE, volatile=_NONE, max_identities=_NONE, max_companions=_NONE)
#: So small that worlds run into each of them.
TIGHT = IdentityLimits(unique=1, login=2, volatile=2, volatile_window_ms=7 * DAY, max_identities=6, max_companions=5)
#: Tight, and no identity of a world is a placeholder or too many.
UNCROWDED = IdentityLimits(unique=1, login=2, volatile=2, volatile_window_ms=7 * DAY)

_NAMESPACES: Final = (
    "customer_no email cookie household customer_no email cookie device unheard_of customer_no email cookie cookie"
    " email"
).split()


def identity(namespace: str, number: int) -> str:
    """`namespace:hash` with a hash that sorts by its number."""
    return f"{namespace}:{number:032x}"


def link(one: str, other: str, at: int = MONDAY, kind: LinkKind = LinkKind.SEEN, id_: str = "") -> IdentityLink:
    """Statement of a touchpoint at `at` (UTC milliseconds); its id tells time and kind unless one is given."""
    return IdentityLink(
        tenant=TENANT,
        identity=one,
        other=other,
        kind=kind,
        event_time=at,
        source="test",
        id=id_ or f"{kind}@{at}",
        ingestion_time=at,
    )


def ends_of(links: Iterable[IdentityLink]) -> set[str]:
    """All identities in some links."""
    return {end for one in links for end in (one.identity, one.other)}


#: Identities of all classes, whose classes do not tell how their identifiers sort.
EVERYBODY: Final = [identity(namespace, number) for number, namespace in enumerate(_NAMESPACES, start=1)]
_TIMES = st.builds(
    lambda days, nudge: MONDAY + days * DAY + nudge,
    st.sampled_from([0, 1, 3, 6, 7, 8, 14]),
    st.sampled_from([-1, 0, 1]),
)
_SEEN: Final = [LinkKind.SEEN] * 8
PARTED: Final = (*_SEEN, LinkKind.UNLINKED)
ANYTHING: Final = (*_SEEN, LinkKind.LINKED, LinkKind.LINKED, LinkKind.UNLINKED, LinkKind.UNLINKED, LinkKind.ROTATED)


@st.composite
def worlds(draw: st.DrawFn, kinds: Sequence[LinkKind] = ANYTHING, max_size: int = 40) -> list[IdentityLink]:
    """Links among everybody, each touchpoint once; values rotate within their namespace."""
    everybody = EVERYBODY[: draw(st.integers(2, len(EVERYBODY)))]
    pairs = list(combinations(everybody, 2))
    alike = [pair for pair in pairs if pair[0].partition(":")[0] == pair[1].partition(":")[0]] or pairs
    links = []
    for number in range(draw(st.integers(1, max_size))):
        kind = draw(st.sampled_from(kinds))
        pair = draw(st.sampled_from(alike if kind is LinkKind.ROTATED else pairs))
        links.append(link(*pair, draw(_TIMES), kind, f"{number}"))
    return links


class Journal:
    """The stored links: under either end, every statement, and of a crowd of companions only some."""

    def __init__(self, links: Iterable[IdentityLink] = ()) -> None:
        self._links: dict[str, list[IdentityLink]] = {}
        for one in links:
            self.write(one)

    def write(self, one: IdentityLink) -> None:
        """Keep a statement for both of its ends."""
        for stored in both(one):
            self._links.setdefault(stored.identity, []).append(stored)

    def companions(self, identity: str) -> list[str]:
        """All identities that were ever named together with one, each once, those first named last."""
        return list(dict.fromkeys(one.other for one in reversed(self._links.get(identity, ()))))

    def read(self, identity: str, at_most: int) -> list[IdentityLink]:
        """Statements about an identity and at most so many others, those named last."""
        some = set(self.companions(identity)[:at_most])
        return [one for one in self._links.get(identity, ()) if one.other in some]

    def around(self, start: str, max_companions: int, *, through_start: bool = False) -> dict[str, list[IdentityLink]]:
        """Links by identity of everything that a walk from `start` reaches; placeholders are reached, not crossed."""
        found: dict[str, list[IdentityLink]] = {}
        frontier = {start}
        while frontier:
            identity = frontier.pop()
            is_crossed = through_start and identity == start
            own = self.read(identity, _NONE if is_crossed else max_companions + 1)
            found[identity] = own
            if is_crossed or len({one.other for one in own}) <= max_companions:
                frontier |= {one.other for one in own if is_crossed or follows(one)} - found.keys()
        return found


class BruteForce:
    """Persons after the definitions alone: everything is counted anew for every link. Slow and plain on purpose.

    `persons` are sets of identities; `refused` tells the reason for each pair that was not joined.
    """

    def __init__(self, links: Sequence[IdentityLink], limits: IdentityLimits) -> None:
        self.limits = limits
        said: dict[frozenset[str], list[IdentityLink]] = {}
        for one in links:
            said.setdefault(frozenset((one.identity, one.other)), []).append(one)
        everybody = ends_of(links)
        self.placeholders = {end for end in everybody if sum(end in pair for pair in said) > limits.max_companions}
        last = {
            pair: max((one for one in ones if one.kind in {"linked", "unlinked"}), key=_weight, default=None)
            for pair, ones in said.items()
        }
        self.apart = [pair for pair, one in last.items() if one is not None and one.kind == "unlinked"]
        self.rotated = {
            pair
            for pair, ones in said.items()
            if any(one.kind == "rotated" for one in ones) and not pair & self.placeholders
        }
        edges = []
        for pair, ones in said.items():
            brought = [one.order for one in ones if one.kind in {"seen", "rotated"}]
            explicit = last[pair]
            linked = [explicit.order] if explicit is not None and explicit.kind == "linked" else []
            if brought or linked:
                is_unsaid = not linked and all(one.kind != "rotated" for one in ones)
                edges.append((is_unsaid, min(brought or linked), sorted(pair)))
        self.persons = [frozenset({end}) for end in everybody]
        self.attached: dict[frozenset[str], dict[str, int]] = {person: {} for person in self.persons}
        reasons = {}
        for is_unsaid, order, ends in sorted(edges):
            reason = self._join(ends, order[0], is_unsaid=is_unsaid)
            if reason is not None:
                reasons[frozenset(ends)] = reason
        self.refused = {
            pair: reason for pair, reason in reasons.items() if not any(pair <= person for person in self.persons)
        }

    def _join(self, ends: Sequence[str], at: int, *, is_unsaid: bool) -> str | None:
        one, other = (next(person for person in self.persons if end in person) for end in ends)
        if one == other:
            return None
        joined = one | other
        classes = [NAMESPACES.get(end.partition(":")[0], "volatile") for end in ends]
        if is_unsaid and "shared" in classes:
            return "shared"
        if self.placeholders & set(ends):
            return "placeholder"
        if any(pair <= joined for pair in self.apart):
            return "unlinked"
        if len(joined) > self.limits.max_identities:
            return "cap"
        for person in (one, other):
            if len(self._values(person)) == 1:
                self.attached[person] = dict.fromkeys(self._values(person), at)
        self.attached[joined] = {
            value: min(self.attached[person][value] for person in (one, other) if value in self.attached[person])
            for value in self._values(joined)
        }
        broken = [
            namespace
            for namespace in {end.partition(":")[0] for end in joined}
            if self._count(joined, namespace)
            > max(self._most(namespace), self._count(one, namespace), self._count(other, namespace))
        ]
        if is_unsaid and broken:
            is_unique = any(NAMESPACES.get(namespace) == "unique" for namespace in broken)
            return "user_switch" if is_unique and "volatile" in classes else "limit"
        self.persons = [person for person in self.persons if person not in {one, other}] + [joined]
        return None

    def _value(self, identity: str) -> str:
        group = {identity}
        while more := {end for pair in self.rotated if pair & group for end in pair} - group:
            group |= more
        return min(group)

    def _values(self, person: Iterable[str]) -> set[str]:
        return {self._value(end) for end in person}

    def _most(self, namespace: str) -> float:
        return {
            "unique": self.limits.unique,
            "login": self.limits.login,
            "volatile": self.limits.volatile,
            "shared": float("inf"),
        }[NAMESPACES.get(namespace, "volatile")]

    def _count(self, person: frozenset[str], namespace: str) -> int:
        values = self._values(end for end in person if end.startswith(f"{namespace}:"))
        if NAMESPACES.get(namespace, "volatile") != "volatile":
            return len(values)
        times = [self.attached[person].get(value, 0) for value in values]
        window = self.limits.volatile_window_ms
        return max((sum(since <= at < since + window for at in times) for since in times), default=0)

    def members(self, identifier: str) -> tuple[str, ...]:
        """Sorted identifiers of the person with one."""
        for person in self.persons:
            identifiers = sorted(map(identifier_of, person))
            if identifier in identifiers:
                return tuple(identifiers)
        return (identifier,)


def _weight(one: IdentityLink) -> tuple[tuple[int, str, str], bool]:
    return one.order, one.kind == "unlinked"

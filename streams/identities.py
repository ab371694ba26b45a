"""What a worker knows of the identifiers that its partitions own: whose they are, and where their touchpoints go.

The links between identities are a journal in the store, where every owner reads them; who an identifier belongs to is
decided by its owner alone, from all links that can be reached from it. Whoever adds a link wakes the owners of
everything that can be reached from it, after the link is durable; so the last of them to look sees all of it.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec
import structlog

from processors.identities import Resolution, follows, resolve
from processors.identity_limits import IdentityLimits
from processors.membership import Membership
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier, Wake, identifier_of
from schemas.touchpoint import AppliedTouchpoint
from streams.store import ReadPort

_log = structlog.get_logger()

#: Identifiers in one walk; more is not a person by any limit, and no owner has to read it.
_LONGEST_WALK: Final = 20_000
#: As many companions as there are; ClickHouse takes no larger number here than 16,777,215.
_ALL: Final = 10_000_000
#: Refused links that a row names; a placeholder has far more of them, all alike.
_MOST_REFUSED: Final = 100

_EXPLICIT: Final = frozenset({LinkKind.LINKED, LinkKind.UNLINKED})

Links = dict[str, list[IdentityLink]]
_Order = tuple[int, str, str]


class Standing(NamedTuple):
    """How an identifier stands: its row, and what it takes to load its person when it is one.

    `row` is `None` for one that was never linked. `is_news` tells whether the row differs from what is stored.
    `members` are `namespace:hash` texts of the person's identifiers; `placeholders` are identifiers under which further
    touchpoints of the person may be stored.
    """

    identifier: str
    tenant: str
    row: PersonIdentifier | None
    membership: Membership | None = None
    is_news: bool = False
    members: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()

    @property
    def person_key(self) -> str:
        """Person whom the identifier belongs to."""
        return self.identifier if self.row is None else self.row.person_key


class Decision(NamedTuple):
    """How woken identifiers stand; whom to wake for them; and new placeholders, with their tenants.

    Once the rows are durable, `Identities.parted_by` tells whom to wake for these.
    """

    standings: list[Standing]
    successors: list[Wake]
    placeholders: dict[str, str]


class _World(NamedTuple):
    """What a walk has found: links and rows by identifier, and what follows by tenant."""

    links: Links
    rows: Mapping[str, PersonIdentifier]
    resolutions: Mapping[str, Resolution]


class _Node:
    __slots__ = ("row", "seen")

    def __init__(self, row: PersonIdentifier | None, links: Iterable[IdentityLink]) -> None:
        self.row = row
        self.seen: dict[str, _Order] = {}
        for link in links:
            self.note(link)

    def note(self, link: IdentityLink) -> None:
        known = self.seen.get(link.other)
        if link.kind not in _EXPLICIT and (known is None or link.order < known):
            self.seen[link.other] = link.order


class Identities:
    """Rows and links of identifiers, those least recently touched only in the store."""

    def __init__(
        self, store: ReadPort, limits: IdentityLimits, by_tenant: Mapping[str, IdentityLimits], max_identifiers: int
    ) -> None:
        self._store = store
        self._default_limits = limits
        self._limits_by_tenant = by_tenant
        self._most_companions = max(one.max_companions for one in (limits, *by_tenant.values()))
        self._max_identifiers = max_identifiers
        self._nodes: OrderedDict[str, _Node] = OrderedDict()
        #: Placeholders whose companions have been woken.
        self._parted: set[str] = set()
        #: The same as a node's `seen` for identifiers without one: new ones, and those that others own.
        self._told: OrderedDict[tuple[str, str], _Order] = OrderedDict()

    def clear(self) -> None:
        """Know nothing any more."""
        self._nodes.clear()
        self._parted.clear()
        self._told.clear()

    def is_elsewhere(self, identifier: str) -> bool:
        """Whether an identifier is known not to be a person of its own."""
        node = self._nodes.get(identifier)
        return node is not None and node.row is not None and node.row.person_key != identifier

    def route(self, applied: AppliedTouchpoint, at: str, *, is_forwarded: bool) -> str:
        """The identifier to which a touchpoint goes that has come to `at`; `at` itself when it may stay."""
        node = self._nodes.get(at)
        if node is None or node.row is None:
            return at
        if not node.row.is_placeholder:
            return node.row.person_key
        identifiers = [identifier_of(identity) for identity in applied.touchpoint.identities]
        if is_forwarded and at == identifiers[0]:
            # It has been to all the others: they are placeholders too.
            return at
        after = identifiers[identifiers.index(at) + 1 :] if at in identifiers else []
        return after[0] if after else identifiers[0]

    def is_news(self, link: IdentityLink) -> bool:
        """Whether a statement has to be written, and the owners woken, also when its touchpoint comes again."""
        node = self._nodes.get(identifier_of(link.identity))
        known = self._told.get((link.identity, link.other)) if node is None else node.seen.get(link.other)
        return link.kind in _EXPLICIT or known is None or link.order <= known

    def note(self, link: IdentityLink) -> None:
        """Remember a statement that is going to be written."""
        node = self._nodes.get(identifier_of(link.identity))
        if node is not None:
            node.note(link)
        elif link.kind not in _EXPLICIT:
            self._told[link.identity, link.other] = link.order

    def take_back(self, link: IdentityLink) -> None:
        """Forget a statement that is not going to be written after all."""
        self._told.pop((link.identity, link.other), None)
        node = self._nodes.get(identifier_of(link.identity))
        if node is not None:
            node.seen.pop(link.other, None)

    def let_go(self, kept: Callable[[str], bool]) -> None:
        """Forget the identifiers least recently looked up, but for those to keep."""
        for _ in range(max(0, len(self._nodes) - self._max_identifiers)):
            identifier, node = self._nodes.popitem(last=False)
            if kept(identifier):
                self._nodes[identifier] = node
        while len(self._told) > self._max_identifiers:
            self._told.popitem(last=False)

    def is_placeholder(self, identifier: str) -> bool:
        """Whether an identifier is known to be nobody's."""
        node = self._nodes.get(identifier)
        return node is not None and node.row is not None and node.row.is_placeholder

    def forget(self, identifiers: Iterable[str]) -> None:
        """Know nothing of some identifiers any more."""
        for identifier in identifiers:
            self._nodes.pop(identifier, None)

    async def persons_of(self, tenant: str, identities: Collection[str]) -> dict[str, str]:
        """Identifiers of the persons with these identities, as links have it, and the `namespace:hash` of each.

        A placeholder is left out: it is nobody's. Links of those who are being erased count until they are gone.
        """
        texts = {identifier_of(identity): identity for identity in identities}
        links = await self._walk(texts, with_erased=True)
        resolution = resolve((link for own in links.values() for link in own), self._limits(tenant))
        members = {
            member
            for identifier in texts
            if identifier not in resolution.placeholders
            for member in resolution.members(identifier)
        }
        texts |= {identifier_of(end): end for own in links.values() for one in own for end in (one.identity, one.other)}
        return {member: texts[member] for member in members}

    async def around(self, tenants: Mapping[str, str]) -> list[Wake]:
        """Wakes for all whose standing may change when these identifiers are gone, but for themselves."""
        found = await self._walk(tenants, with_erased=True)
        return [
            Wake(own[0].tenant, identifier) for identifier, own in found.items() if own and identifier not in tenants
        ]

    async def look_up(self, tenants: Mapping[str, str]) -> list[Standing]:
        """Learn how identifiers stand as their owners last decided; `tenants` by identifier."""
        world = await self._explore(tenants)
        for identifier in tenants:
            self._remember(identifier, world)
        return [_standing(identifier, tenant, world) for identifier, tenant in tenants.items()]

    async def decide(self, wakes: Collection[Wake]) -> Decision:
        """Decide anew how the woken identifiers stand, whose owner this worker is."""
        tenants = {wake.identifier: wake.tenant for wake in wakes}
        first = {wake.identifier for wake in wakes if wake.is_first}
        stored = await self._explore(tenants)
        links, rows = stored.links, stored.rows
        successors: dict[Wake, None] = {}
        parted: dict[str, str] = {}
        decided: dict[str, PersonIdentifier] = {}
        for identifier, tenant in tenants.items():
            if not links[identifier] and identifier not in rows:
                continue
            row = _decide(identifier, tenant, links[identifier], rows.get(identifier), stored.resolutions.get(tenant))
            decided[identifier] = row
            if row.person_key != identifier:
                successors[Wake(tenant, row.person_key, is_first=False)] = None
            was_placeholder = identifier in rows and rows[identifier].is_placeholder
            is_told = was_placeholder and (identifier not in first or identifier in self._parted)
            # What a placeholder parted comes together again when it has become somebody, its companions erased.
            if (row.is_placeholder and not is_told) or (was_placeholder and not row.is_placeholder):
                parted[identifier] = tenant
        world = stored._replace(rows={**rows, **decided})
        standings = []
        for identifier, tenant in tenants.items():
            self._remember(identifier, world)
            is_news = world.rows.get(identifier) != rows.get(identifier)
            standings.append(_standing(identifier, tenant, world)._replace(is_news=is_news))
        return Decision(standings, list(successors), parted)

    async def affected_by(self, links: Collection[IdentityLink]) -> list[Wake]:
        """Wakes for all whose standing may change by new statements, which are durable by now."""
        ends = {identifier_of(end): link.tenant for link in links for end in (link.identity, link.other)}
        if not ends:
            return []
        at_ends = await self._load(ends)
        starts: dict[str, str] = {}
        for link in links:
            pair = (identifier_of(link.identity), identifier_of(link.other))
            # A link that never joins two people matters only where it makes one too many, or parts whom another joined.
            if (
                link.kind in _EXPLICIT
                or follows(link)
                or any(self._is_crowded(link.tenant, at_ends[end]) for end in pair)
            ):
                starts |= dict.fromkeys(pair, link.tenant)
        found = await self._walk(starts)
        crowded = {identifier for identifier, own in found.items() if own and self._is_crowded(own[0].tenant, own)}
        rows = await self._rows_of(crowded)
        # One that is being erased may be reached although it has no links any more.
        tenants = starts | {identifier_of(link.other): link.tenant for own in found.values() for link in own}
        return [
            Wake(tenants[identifier], identifier)
            for identifier in found
            # A placeholder that is known as one: nothing changes by one companion more.
            if identifier not in rows or not rows[identifier].is_placeholder
        ]

    async def parted_by(self, placeholders: Mapping[str, str]) -> list[Wake]:
        """Wakes for all whom new placeholders parted, and who are home to touchpoints that name them.

        Once for each as long as this worker lives; after a crash before they are sent the same news comes again. Asked
        before the rows are durable, two placeholders in one touchpoint might each miss that the other is one.
        """
        wakes = []
        for placeholder, tenant in placeholders.items():
            self._parted.add(placeholder)
            links = await self._links_of(placeholder)
            concerned = {identifier_of(link.other) for link in links}
            rows = await self._rows_of(concerned)
            beside = [identifier for identifier, row in rows.items() if row.is_placeholder]
            named = await self._named_beside(beside, {link.identity for link in links})
            concerned |= {identifier_of(identity) for one in named for identity in one.touchpoint.identities}
            wakes += [Wake(tenant, one, is_first=False) for one in await self._walk(concerned) if one != placeholder]
        return wakes

    async def _explore(self, starts: Collection[str]) -> _World:
        links = await self._walk(starts)
        return _World(links, await self._rows(links), self._resolve(links))

    def _remember(self, identifier: str, world: _World) -> None:
        row = world.rows.get(identifier)
        node = _Node(row, world.links[identifier])
        if row is None and not node.seen:
            self._nodes.pop(identifier, None)
            return
        self._nodes[identifier] = node
        self._nodes.move_to_end(identifier)

    def _resolve(self, links: Links) -> dict[str, Resolution]:
        by_tenant: dict[str, list[IdentityLink]] = {}
        for own in links.values():
            for link in own:
                by_tenant.setdefault(link.tenant, []).append(link)
        return {tenant: resolve(own, self._limits(tenant)) for tenant, own in by_tenant.items()}

    async def _walk(self, starts: Collection[str], *, with_erased: bool = False) -> Links:
        """Links of everything that can be reached from some identifiers, but not through placeholders.

        Every identifier has an entry; that of a placeholder is cut after one companion too many.
        """
        found: Links = {}
        frontier = set(starts)
        while frontier:
            step = await self._load(frontier, with_erased=with_erased)
            found |= step
            if len(found) > _LONGEST_WALK:
                _log.error("identities_without_end", identifiers=len(found), from_=sorted(starts)[:3])
                break
            frontier = {
                identifier_of(link.other)
                for own in step.values()
                if own and not self._is_crowded(own[0].tenant, own)
                for link in own
                if follows(link)
            } - found.keys()
        return found

    def _is_crowded(self, tenant: str, links: Collection[IdentityLink]) -> bool:
        return _companions(links) > self._limits(tenant).max_companions

    def _limits(self, tenant: str) -> IdentityLimits:
        return self._limits_by_tenant.get(tenant, self._default_limits)

    async def _load(self, identifiers: Collection[str], *, with_erased: bool = False) -> Links:
        at_most = self._most_companions + 1
        return await self._store.read(lambda reader: reader.load_links(identifiers, at_most, with_erased=with_erased))

    async def _links_of(self, identifier: str) -> list[IdentityLink]:
        """All links of an identifier, however many."""
        return (await self._store.read(lambda reader: reader.load_links([identifier], _ALL)))[identifier]

    async def _named_beside(self, placeholders: Collection[str], names: Collection[str]) -> list[AppliedTouchpoint]:
        if not placeholders:
            return []
        return await self._store.read(lambda reader: reader.load_rehomed(placeholders, names))

    async def _rows_of(self, identifiers: Collection[str]) -> dict[str, PersonIdentifier]:
        return await self._store.read(lambda reader: reader.load_identifiers(identifiers)) if identifiers else {}

    async def _rows(self, links: Links) -> dict[str, PersonIdentifier]:
        # Also of those without links: whose links were erased have changed hands, which their row tells.
        return await self._rows_of(links.keys() | {identifier_of(link.other) for own in links.values() for link in own})


def _standing(identifier: str, tenant: str, world: _World) -> Standing:
    links, rows, resolutions = world
    row = rows.get(identifier)
    if row is None or row.person_key != identifier:
        return Standing(identifier, tenant, row)
    component = resolutions[tenant].members(identifier) if tenant in resolutions else ()
    members = {identifier} | {
        member
        for member in component
        if member in rows and rows[member].person_key == identifier and not rows[member].is_placeholder
    }
    beside = {
        other
        for member in members
        for link in links.get(member, ())
        if (other := identifier_of(link.other)) in rows and rows[other].is_placeholder
    }
    placeholders = {known for known, one in rows.items() if one.is_placeholder}
    epochs = {known: rows[known].epoch for known in members | placeholders if known in rows and rows[known].epoch}
    texts = {link.identity for member in members for link in links.get(member, ())} or {row.identity}
    return Standing(
        identifier,
        tenant,
        row,
        Membership(frozenset(members), frozenset(placeholders), epochs, 0),
        members=tuple(sorted(texts)),
        placeholders=tuple(sorted(beside)),
    )


def _companions(links: Iterable[IdentityLink]) -> int:
    return len({link.other for link in links})


def _decide(
    identifier: str,
    tenant: str,
    links: Collection[IdentityLink],
    stored: PersonIdentifier | None,
    resolution: Resolution | None,
) -> PersonIdentifier:
    """The row of an identifier as it has to be: what is stored, when nothing differs."""
    identity = next((link.identity for link in links), "" if stored is None else stored.identity)
    before = stored or PersonIdentifier(
        identifier=identifier, tenant=tenant, identity=identity, person_key=identifier, version=0
    )
    person_key, is_placeholder = identifier, False
    refused: tuple[str, ...] = ()
    if resolution is not None:
        person_key = resolution.person_key(identifier)
        is_placeholder = identifier in resolution.placeholders
        refused = tuple(sorted(f"{link.reason.value} {link.other}" for link in resolution.refused_of(identifier)))[
            :_MOST_REFUSED
        ]
    moved = (person_key, is_placeholder) != (before.person_key, before.is_placeholder)
    row = msgspec.structs.replace(
        before,
        identity=identity,
        person_key=person_key,
        is_placeholder=is_placeholder,
        companions=_companions(links),
        refused=refused,
        epoch=before.epoch + moved,
    )
    return row if row == stored else msgspec.structs.replace(row, version=before.version + 1)

"""Persons read back from the store: their touchpoints, what is published of them, and how often they changed."""

from collections.abc import Iterable, Mapping

from processors.diff import FactKind
from processors.history import judged
from processors.identifiers import anchor_epoch_of, unpack_version
from processors.membership import Membership
from processors.person import PersonState, restore
from schemas.identity import identifier_of
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.reader import PublishedVersions
from streams.identities import Standing
from streams.owner import Cold
from streams.store import ReadPort


async def load_persons(store: ReadPort, standings: Iterable[Standing], horizon_ms: int) -> dict[str, Cold]:
    """What the store knows of identifiers as persons; those of whom it knows nothing are left out.

    `horizon_ms` is the history horizon: what came later than that is left out unless somebody asked for it.

    An identifier that belongs to another person comes without touchpoints, as long as something of it is published.
    """
    standings = list(standings)
    own = [standing for standing in standings if standing.person_key == standing.identifier]
    hashes = {member for standing in own for member in _members(standing)}
    touchpoints = await store.read(lambda reader: reader.load_touchpoints(hashes)) if hashes else {}
    linked = [standing for standing in standings if standing.row is not None]
    known = [standing.identifier for standing in own if any(touchpoints[member] for member in _members(standing))]
    known += [standing.identifier for standing in linked if standing.identifier not in known]
    published: PublishedVersions = await store.read(lambda reader: reader.load_published(known)) if known else {}
    keys = [standing.identifier for standing in linked]
    highest = await store.read(lambda reader: reader.load_highest_versions(keys)) if keys else {}
    epochs = {key: unpack_version(version)[0] for key, version in highest.items()}
    recorded = await store.read(lambda reader: reader.load_members(keys)) if keys else {}

    persons: dict[str, Cold] = {}
    for standing in standings:
        key = standing.identifier
        facts = {FactKind(kind): ids for kind, ids in published.get(key, {}).items()}
        if standing.person_key != key:
            if _has_left_traces(standing, facts):
                epoch = epochs.get(key, 0) + 1
                membership = Membership(frozenset(), frozenset(), {key: _own_epoch(standing)}, epoch)
                persons[key] = Cold(standing.tenant, (), facts, membership, standing.person_key)
            continue
        home, mine = await _theirs(store, standing, touchpoints)
        if home is None:
            if mine:
                persons[key] = Cold(standing.tenant, judged(mine, horizon_ms), facts)
            continue
        home = home._replace(epoch=_epoch(standing, facts, epochs, recorded))
        persons[key] = Cold(standing.tenant, judged(mine, horizon_ms), facts, home, floor=highest.get(key, 0))
    return persons


async def load_stories(store: ReadPort, standings: Iterable[Standing], horizon_ms: int) -> list[PersonState]:
    """Those who are persons of their own as all touchpoints in the store make them, whatever is published of them.

    Nobody of whom nothing is judged. How often their identifiers changed is left open, so their versions mean nothing.
    """
    own = [standing for standing in standings if standing.person_key == standing.identifier]
    hashes = {member for standing in own for member in _members(standing)}
    touchpoints = await store.read(lambda reader: reader.load_touchpoints(hashes)) if hashes else {}
    states = []
    for standing in own:
        membership, mine = await _theirs(store, standing, touchpoints)
        told = judged(mine, horizon_ms)
        if told:
            states.append(restore(standing.tenant, standing.identifier, told, membership=membership))
    return states


async def _theirs(
    store: ReadPort, standing: Standing, touchpoints: Mapping[str, list[AppliedTouchpoint]]
) -> tuple[Membership | None, list[AppliedTouchpoint]]:
    """Membership and touchpoints of a person, of those that its members own and what lies under placeholders."""
    found = [applied for member in _members(standing) for applied in touchpoints[member]]
    membership = standing.membership
    if membership is None:
        return None, found
    if standing.placeholders:
        found += await _rehomed(store, standing)
    if membership.placeholders:
        membership = await _knowing_all_placeholders(store, membership, found)
    return membership, [one for one in found if membership.holds(one.touchpoint)]


async def _rehomed(store: ReadPort, standing: Standing) -> list[AppliedTouchpoint]:
    """Touchpoints that are stored under placeholders and name one of the person's identities too."""
    return await store.read(lambda reader: reader.load_rehomed(standing.placeholders, standing.members))


async def _knowing_all_placeholders(
    store: ReadPort, membership: Membership, touchpoints: Iterable[AppliedTouchpoint]
) -> Membership:
    """Membership that knows the placeholders in these touchpoints, also those too far away to be seen by links."""
    named = {identifier_of(identity) for applied in touchpoints for identity in applied.touchpoint.identities}
    rows = await store.read(lambda reader: reader.load_identifiers(named)) if named else {}
    placeholders = {identifier for identifier, row in rows.items() if row.is_placeholder}
    return membership._replace(
        placeholders=membership.placeholders | placeholders,
        epochs={**membership.epochs, **{identifier: rows[identifier].epoch for identifier in placeholders}},
    )


def _members(standing: Standing) -> Iterable[str]:
    return (standing.identifier,) if standing.membership is None else standing.membership.members


def _own_epoch(standing: Standing) -> int:
    """How often the identifier has changed hands."""
    return 0 if standing.row is None else standing.row.epoch


def _has_left_traces(standing: Standing, facts: Mapping[FactKind, Mapping[str, int]]) -> bool:
    """Whether something is published of an identifier, but for the note of whom it was merged into."""
    persons = facts.get(FactKind.PERSON, {})
    others = any(ids for kind, ids in facts.items() if kind is not FactKind.PERSON)
    return others or any(anchor_epoch_of(version) != _own_epoch(standing) for version in persons.values())


def _epoch(
    standing: Standing,
    facts: Mapping[FactKind, Mapping[str, int]],
    epochs: Mapping[str, int],
    recorded: Mapping[str, tuple[str, ...]],
) -> int:
    """Which set of identifiers the person now is: the last one that was written down, or a new one.

    A set that was written but not written down, before a crash, may have been another: then this is a new one too.
    """
    key = standing.identifier
    latest = epochs.get(key)
    if latest is None:
        return 0
    version = facts.get(FactKind.PERSON, {}).get(key)
    is_same = (
        version is not None
        and unpack_version(version)[0] == latest
        and anchor_epoch_of(version) == _own_epoch(standing)
        and set(recorded.get(key, ())) == set(_members(standing))
    )
    return latest if is_same else latest + 1

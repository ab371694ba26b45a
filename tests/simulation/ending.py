"""What must hold when all is done: the tables say what one look at the whole log says, and everybody was told."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from processors.identities import links_of
from processors.kinds import ERASE_REQUESTED
from processors.watermarks import Watermark
from schemas.identity import IdentityLink, LinkKind, identifier_of
from schemas.touchpoint import AppliedTouchpoint, TouchpointKey
from sinks.alerts.ledger import plan
from streams.live_rules import LiveRules
from streams.topics import KEYED
from tests.simulation.story import REFUSED_SOURCE
from tests.support.keyed_log import one_look, without_erased
from tests.support.memory_store import Row, link_of

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_end(world: "World") -> None:
    fail = world.scheduler.fail
    tables, log = world.tables, world.log
    erased = tables.erased
    for partition, records in enumerate(log.partitions):
        log.check_durable("I1: lost", partition, 0, len(records))
    _time_is_what_ticks_say(world)
    _nothing_of_the_erased(world)
    if erased and world.story.is_crowded:
        # Whom a placeholder parted depends on links that are gone.
        return
    _everybody_was_woken(world)
    told = [
        replace(left, rotated=())
        for entries in log.entries
        for entry in entries
        if isinstance(entry, AppliedTouchpoint)
        and entry.touchpoint.source != REFUSED_SOURCE
        and (left := without_erased(entry, erased)) is not None
    ]
    live = LiveRules()
    live.learn(change for _, change in world.story.changes)
    expected, alertable = one_look(told, log.ticks, world.story.limits, _rotated(world), live.book)
    actual = tables.facts()
    for kind, facts in expected.facts().items():
        if actual[kind] != facts:
            fail("not what one look says", _difference(kind, facts, actual[kind]))
    if tables.touchpoint_keys() != {entry.key for entry in told}:
        fail("I1: touchpoints", str(tables.touchpoint_keys() ^ {entry.key for entry in told}))
    open_frictions = {alert.intent.friction_id for alert in plan(log.intents, (), lambda _: ("desk",)).due}
    if not alertable <= open_frictions:
        fail("I9: nobody was told", str(alertable - open_frictions))
    if not open_frictions <= set(tables.live("friction")):
        fail("I9: told of what was withdrawn", str(open_frictions - set(tables.live("friction"))))


def _time_is_what_ticks_say(world: "World") -> None:
    for partition, ticks in enumerate(world.log.ticks):
        watermark = Watermark()
        for tick in ticks:
            watermark.apply(tick)
        checkpoints = world.tables.written["checkpoints"]
        rows = [row for row in checkpoints if (row["topic"], row["partition"]) == (KEYED, partition)]
        reached = max(rows, key=lambda row: int(row["next_offset"]))["watermark"] if rows else None
        if reached != watermark.value:
            world.scheduler.fail("time is not what ticks say", f"partition {partition}: {reached}, {watermark.value}")


def _nothing_of_the_erased(world: "World") -> None:
    for table, rows in world.tables.written.items():
        if table not in {"erased_identifiers", "erasure_receipts"}:
            for row in rows if world.tables.erased else ():
                text = repr(row)
                for identifier in world.tables.erased:
                    if identifier in text:
                        world.scheduler.fail("left of somebody who asked to be forgotten", f"{table}: {row}")
    if world.tables.erased and not world.story.is_crowded:
        for row in world.tables.written["identity_links"]:
            if row["source"] and TouchpointKey(row["tenant"], row["source"], row["id"]) not in world.tables.keys:
                world.scheduler.fail("a link names a touchpoint that is gone", str(row))


def _rotated(world: "World") -> list[IdentityLink]:
    """What the tables know of earlier hashes: all that was told, also by those who asked to be forgotten."""
    known = [link_of(row) for row in world.tables.written["identity_links"] if row["kind"] is LinkKind.ROTATED]
    entries = [one for entries in world.log.entries for one in entries if isinstance(one, AppliedTouchpoint)]
    taken = [
        one for one in entries if one.touchpoint.kind != ERASE_REQUESTED and one.touchpoint.source != REFUSED_SOURCE
    ]
    owed = {pair for pair in _rotations(taken) if world.tables.erased.isdisjoint(map(identifier_of, pair))}
    pairs = _pairs(known)
    if not owed <= pairs:
        world.scheduler.fail("an earlier hash is not known", str(owed - pairs))
    if not pairs <= _rotations(entries):
        world.scheduler.fail("an earlier hash that nobody told", str(pairs - _rotations(entries)))
    return known


def _rotations(touchpoints: Iterable[AppliedTouchpoint]) -> set[frozenset[str]]:
    return _pairs(link for one in touchpoints for link in links_of(one) if link.kind is LinkKind.ROTATED)


def _pairs(links: Iterable[IdentityLink]) -> set[frozenset[str]]:
    return {frozenset((link.identity, link.other)) for link in links}


def _everybody_was_woken(world: "World") -> None:
    """Whoever may be another person by a link was woken after it was durable."""
    tables = world.tables
    placeholders = {row["identifier"] for row in tables.written["person_identifiers"] if row["is_placeholder"]}
    for (identifier, other), insert in tables.linked.items():
        is_anybody = (tables.erased | placeholders).isdisjoint((identifier, other))
        if is_anybody and world.log.woken.get(identifier, -1) < insert:
            world.scheduler.fail("a wake is owed", f"{identifier} for a link to {other}")


def _difference(kind: str, expected: dict[str, Row], actual: dict[str, Row]) -> str:
    lines = [f"{kind}s"]
    lines += [f"  missing {id_}: {expected[id_]}" for id_ in expected.keys() - actual.keys()]
    lines += [f"  too many {id_}: {actual[id_]}" for id_ in actual.keys() - expected.keys()]
    for id_ in expected.keys() & actual.keys():
        one, other = expected[id_], actual[id_]
        if one != other:
            lines.append(
                f"  {id_}: " + str({name: (one[name], other[name]) for name in one if one[name] != other[name]})
            )
    return "\n".join(lines)

"""What must hold when all is done: the tables say what one look at the whole log says, and everybody was told."""

from typing import TYPE_CHECKING

from processors.watermarks import Watermark
from schemas.touchpoint import AppliedTouchpoint
from sinks.alerts.ledger import plan
from tests.simulation.story import REFUSED_SOURCE
from tests.support.keyed_log import one_look, without_erased
from tests.support.memory_store import Row

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
    if erased and (world.story.is_crowded or len(world.story.keyring.keys) > 1):
        # Whom a placeholder parted depends on links that are gone; and what a touchpoint of theirs said about the
        # earlier hashes of others stays when they are erased, and is refused when it comes later.
        return
    _everybody_was_woken(world)
    told = [
        left
        for entries in log.entries
        for entry in entries
        if isinstance(entry, AppliedTouchpoint)
        and entry.touchpoint.source != REFUSED_SOURCE
        and (left := without_erased(entry, erased)) is not None
    ]
    expected, alertable = one_look(told, log.ticks, world.story.limits)
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
        rows = [row for row in world.tables.written["checkpoints"] if row["partition"] == partition]
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

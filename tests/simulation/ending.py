"""What must hold when all is done: the tables say what one look at the whole log says, and everybody was told."""

from typing import TYPE_CHECKING

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
    written = [entry for entries in log.entries for entry in entries]
    for entry in written:
        if not log.is_durable(entry, erased):
            fail("I7: lost", str(entry))
    _nothing_of_the_erased(world)
    if erased and world.story.is_crowded:
        # Whom a placeholder parted depends on links that are gone: there is no one look to compare with.
        return
    told = [
        left
        for entry in written
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


def _nothing_of_the_erased(world: "World") -> None:
    for table, rows in world.tables.written.items():
        if table not in {"erased_identifiers", "erasure_receipts"}:
            for row in rows if world.tables.erased else ():
                text = repr(row)
                for identifier in world.tables.erased:
                    if identifier in text:
                        world.scheduler.fail("left of somebody who asked to be forgotten", f"{table}: {row}")


def _difference(kind: str, expected: dict[str, Row], actual: dict[str, Row]) -> str:
    lines = [f"{kind}s"]
    lines += [f"  missing {id_}: {expected[id_]}" for id_ in expected.keys() - actual.keys()]
    lines += [f"  too many {id_}: {actual[id_]}" for id_ in actual.keys() - expected.keys()]
    for id_ in expected.keys() & actual.keys():
        one, other = expected[id_], actual[id_]
        if one != other:
            lines.append(f"  {id_}: " + str({name: (one[name], other[name]) for name in one if one[name] != other[name]}))
    return "\n".join(lines)

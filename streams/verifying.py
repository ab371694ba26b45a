"""Stored frictions held against what the stored touchpoints say: equal, or where they differ.

Everything is compared but the version of the row, which tells how it came about. While workers write, the tables are
not at one for moments; so whatever is not equal is looked at again, and counts when it stays.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec

from processors.friction.differences import NOT_FOUND, Difference, differences
from processors.friction.finding import FrictionRule
from processors.person import judge
from schemas.outputs import Friction
from sinks.clickhouse.period_reader import KeyRange, Period
from sinks.clickhouse.reader import Reader
from streams.processes import in_processes
from streams.rederiving import Installation, StoredPerson, load_stored_persons, rules_at_hand, rules_of
from streams.store import ReadingStore, ReadPort

#: Touchpoints in one batch, about 3 kB each.
BATCH: Final = 20_000
#: How often what is not equal is looked at, and how long a flush may take in between.
_LOOKS: Final = 3
_BETWEEN_LOOKS_S: Final = 1.0


class Outcome(StrEnum):
    """What a verification says."""

    EQUAL = "equal"
    DIFFERS = "differs"
    #: It was right until a deadline that has passed since, and that no worker has acted upon.
    DUE = "due"
    #: It was found by a rule, or a version of one, that is not at hand: nothing can be said.
    UNKNOWN_RULE = "unknown_rule"


class Verdict(msgspec.Struct, frozen=True):
    """What is said of one stored friction; `as_of` is the watermark (UTC milliseconds) at which it was derived."""

    outcome: Outcome
    friction: Friction
    as_of: int | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def is_wrong(self) -> bool:
        """Whether the tables say what does not follow from the touchpoints."""
        return self.outcome in {Outcome.DIFFERS, Outcome.DUE}


class Verdicts(msgspec.Struct):
    """How many there are of each, and those that are not equal."""

    counts: dict[Outcome, int]
    others: list[Verdict]

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> "Verdicts":
        """Those of one batch."""
        counts = dict.fromkeys(Outcome, 0)
        others = []
        for verdict in verdicts:
            counts[verdict.outcome] += 1
            if verdict.outcome is not Outcome.EQUAL:
                others.append(verdict)
        return cls(counts, others)


async def _between_looks() -> None:
    await asyncio.sleep(_BETWEEN_LOOKS_S)


async def verify(
    store: ReadPort,
    installation: Installation,
    rules: tuple[FrictionRule, ...],
    friction_ids: Iterable[str],
    pause: Callable[[], Awaitable[None]] = _between_looks,
) -> list[Verdict]:
    """A verdict on each of the frictions that are published and not withdrawn; `pause` passes between two looks."""
    verdicts: dict[str, Verdict] = {}
    left: Sequence[str] = list(friction_ids)
    for look in range(_LOOKS):
        if look:
            await pause()
        for id_ in left:
            verdicts.pop(id_, None)
        for verdict in await _look(store, installation, rules, left):
            verdicts[verdict.friction.friction_id] = verdict
        left = [id_ for id_, verdict in verdicts.items() if verdict.is_wrong]
        if not left:
            break
    return list(verdicts.values())


def verify_all(installation: Installation, period: Period) -> Iterator[tuple[Verdicts, int]]:
    """Verdicts on all frictions with their anchor in a period, by batch, each with the number of batches."""
    store = Reader(installation.address)
    try:
        ranges = store.load_key_ranges(period, BATCH)
    finally:
        store.close()
    for verdicts in in_processes(partial(_verify_range, installation, period), ranges):
        yield verdicts, len(ranges)


def _verify_range(installation: Installation, period: Period, keys: KeyRange) -> Verdicts:
    store = ReadingStore(installation.address)

    async def verdicts() -> list[Verdict]:
        ids = await store.read(lambda reader: reader.load_friction_ids(keys, period))
        return await verify(store, installation, rules_of(installation.changes), ids)

    try:
        return Verdicts.of(asyncio.run(verdicts()))
    finally:
        store.close()


async def _look(
    store: ReadPort, installation: Installation, rules: tuple[FrictionRule, ...], friction_ids: Sequence[str]
) -> list[Verdict]:
    frictions = await store.read(lambda reader: reader.load_frictions(friction_ids))
    at_hand = rules_at_hand(rules)
    known: list[Friction] = []
    unknown: list[Friction] = []
    for one in frictions:
        names = (one.rule_id, one.rule_version, one.evidence.rule_hash)
        (known if names in at_hand else unknown).append(one)
    tenants = {one.person_key: one.tenant for one in known}
    persons = {person.state.person_key: person for person in await load_stored_persons(store, installation, tenants)}
    found = {key: _frictions(person, person.reached, rules, installation) for key, person in persons.items()}
    verdicts = [Verdict(Outcome.UNKNOWN_RULE, one) for one in unknown]
    for stored in known:
        person = persons.get(stored.person_key)
        if person is None:
            verdicts.append(Verdict(Outcome.DIFFERS, stored, None, (NOT_FOUND,)))
            continue
        differing = _differing(stored, found[stored.person_key])
        if differing and person.stands_at < person.reached:
            before = _frictions(person, person.stands_at, rules, installation)
            if not _differing(stored, before):
                verdicts.append(Verdict(Outcome.DUE, stored, person.stands_at, differing))
                continue
        verdicts.append(Verdict(Outcome.DIFFERS if differing else Outcome.EQUAL, stored, person.reached, differing))
    return verdicts


def _frictions(
    person: StoredPerson, watermark: int, rules: tuple[FrictionRule, ...], installation: Installation
) -> dict[str, Friction]:
    judgement = judge(person.state, rules, watermark, installation.core)
    return {friction.friction_id: friction for friction in judgement.frictions}


def _differing(stored: Friction, found: dict[str, Friction]) -> tuple[Difference, ...]:
    derived = found.get(stored.friction_id)
    return (NOT_FOUND,) if derived is None else differences(stored, derived)

"""Persons derived again from what is stored, without anything that workers hold in memory.

Who a person is comes from the identity tables, as owners read them; what happened from the base table; and up to when
it was judged from two numbers. The checkpoint of a partition holds the watermark that its worker had reached at its
last flush, and by then every deadline before it has been acted upon. The row of a person holds their next deadline,
which was still ahead when they were last judged. Between two deadlines nothing depends on time, so a judgement at the
watermark says exactly what the last one said, unless the next deadline has passed since: then one a millisecond
before that deadline does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from processors.friction.catalogue import default_calendars
from processors.friction.definition import RuleDefinition
from processors.friction.engine import compiled
from processors.friction.examples import tried
from processors.friction.finding import FrictionRule
from processors.friction.loading import RuleFileError, RuleProblem
from processors.identity_limits import IdentityLimits
from processors.person import PersonState
from processors.settings import CoreSettings
from schemas.rule_changes import RuleChange
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.period_reader import KeyRange, LastJudged, Period
from sinks.clickhouse.reader import Reader
from streams.cold_persons import load_stories
from streams.identities import Identities
from streams.journeys_agent import core_settings
from streams.live_rules import LiveRules
from streams.rule_files import read_definitions
from streams.settings import Settings
from streams.store import ReadPort, clickhouse_address
from streams.topics import KEYED


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation has set, as far as it decides what follows from touchpoints, and where these are.

    `changes` are those to the rules that its workers took.
    """

    address: ClickHouseAddress
    core: CoreSettings
    limits: IdentityLimits
    limits_by_tenant: Mapping[str, IdentityLimits]
    changes: tuple[RuleChange, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """That of effective settings.

        Raises:
            StoreUnavailable: ClickHouse does not answer.

        """
        # Not the local engine's locked reader: it may not change settings of a query, as the questions of owners do.
        address = clickhouse_address(settings.clickhouse)
        reader = Reader(address)
        try:
            changes = tuple(reader.load_rule_changes())
        finally:
            reader.close()
        return cls(address, core_settings(settings), settings.identity.limits(), settings.limits_by_tenant(), changes)


@cache
def rules_of(changes: tuple[RuleChange, ...], directory: Path | None = None) -> tuple[FrictionRule, ...]:
    """Rules to judge by: the live ones, but for those of which a directory has others; these are judged from ever.

    Raises:
        RuleFileError: there are no rules in the directory, or some are wrong.

    """
    live = LiveRules()
    live.learn(changes)
    if directory is None:
        return live.book.rules
    others = read_definitions([directory])
    replaced = {definition.id for definition in others}
    kept = (rule for rule in live.book.rules if rule.parameters.rule_id not in replaced)
    return (*kept, *(_candidate(definition, directory) for definition in others))


def _candidate(definition: RuleDefinition, directory: Path) -> FrictionRule:
    try:
        return compiled(tried(definition), default_calendars())
    except ValueError as error:
        raise RuleFileError([RuleProblem(str(directory), 1, 1, definition.id, str(error))]) from error


class StoredPerson(NamedTuple):
    """A person with all touchpoints in the store.

    `reached` (UTC milliseconds) is the watermark up to which they must have been judged; `stands_at` is a watermark at
    which what is published of them stands. It is the earlier one when a deadline has passed that nobody acted upon yet.
    """

    state: PersonState
    reached: int
    stands_at: int


async def load_stored_persons(
    store: ReadPort, installation: Installation, tenants: Mapping[str, str], period: Period | None = None
) -> list[StoredPerson]:
    """Those of the identifiers (with their tenants) that are persons of their own and of whom anything is judged.

    With a period only those to whom something happened in it, all their touchpoints nevertheless.
    """
    watermarks = await store.read(lambda reader: reader.load_watermarks(KEYED))
    identities = Identities(store, installation.limits, installation.limits_by_tenant, len(tenants))
    standings = [one for one in await identities.look_up(tenants) if one.person_key == one.identifier]
    if period is not None:
        within = period
        members = {
            one.identifier: (one.identifier,) if one.membership is None else one.membership.members for one in standings
        }
        asked = {member for own in members.values() for member in own}
        active = await store.read(lambda reader: reader.load_active(asked, within))
        standings = [one for one in standings if one.placeholders or not active.isdisjoint(members[one.identifier])]
    states = await load_stories(store, standings, installation.core.history_horizon_ms)
    judged = await store.read(lambda reader: reader.load_last_judged([state.person_key for state in states]))
    return [_stored(state, judged.get(state.person_key), watermarks) for state in states]


async def load_persons_in(
    store: ReadPort, installation: Installation, keys: KeyRange, period: Period
) -> list[StoredPerson]:
    """All persons whose key lies in a range and to whom something happened in a period."""
    return await load_stored_persons(
        store, installation, await store.read(lambda reader: reader.load_owners(keys)), period
    )


def rules_at_hand(rules: Iterable[FrictionRule]) -> set[tuple[str, int, str]]:
    """Id, version and content hash of each rule, as evidence names them."""
    return {(rule.parameters.rule_id, rule.parameters.version, rule.content_hash) for rule in rules}


def _stored(state: PersonState, judged: LastJudged | None, watermarks: Mapping[int, int]) -> StoredPerson:
    # Before the first watermark workers judge at the beginning of time.
    latest = max(watermarks.values(), default=0)
    if judged is None:
        return StoredPerson(state, latest, latest)
    reached = watermarks.get(judged.partition, latest)
    deadline = judged.next_deadline
    return StoredPerson(state, reached, reached if deadline is None else min(reached, deadline - 1))

"""A generated company in ClickHouse's tables, as workers write it, without a broker and without waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from processors.friction.catalogue import default_rules
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.identity import PersonIdentifier
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rollups.upkeep import ROLLUPS, rebuild
from sinks.clickhouse.rows import (
    effort_posting_block,
    friction_block,
    identifier_block,
    journey_block,
    person_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from streams.producing.generator import GeneratedCompany
from tests.support.generated import TrueOwners
from tests.support.judged_company import ALLOWED_LATENESS, admitted, person_key
from tests.support.local_clickhouse import ClickHousePorts, running_clickhouse
from tests.support.touchpoints import MONDAY


class StoredCompany(NamedTuple):
    """Where the tables are, and where a reader over HTTP finds them."""

    address: ClickHouseAddress
    ports: ClickHousePorts

    @property
    def options(self) -> tuple[str, str]:
        """Options with which commands find it."""
        return ("--clickhouse", f"127.0.0.1:{self.ports.native}")


@contextmanager
def stored_company(
    folder: Path, *, persons: int = 120, events: int = 2500, seed: int = 7, identities: bool = False
) -> Iterator[StoredCompany]:
    """Four weeks from a Monday on, of persons with one identity and some with several; judged and stored."""
    company = GeneratedCompany(persons=persons, events=events, seed=seed, start=MONDAY, identities=identities)
    with running_clickhouse(folder / "clickhouse") as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        store(writer, company)
        writer.close()
        for rollup in ROLLUPS:
            rebuild(address, rollup)
        yield StoredCompany(address, ports)


def store(writer: Writer, company: GeneratedCompany) -> None:
    """Write what the core says about everybody once all has arrived."""
    owners = TrueOwners((person.identities for person in company.truth.people), company.truth.placeholders)
    states: dict[str, PersonState] = {}
    whose: dict[str, PersonIdentifier] = {}
    placeholders = {person_key(identity) for identity in company.truth.placeholders}
    newest = 0
    arrived = []
    for touchpoint, applied in admitted(company):
        key = person_key(owners.of(touchpoint.identities))
        step(states.setdefault(key, PersonState(touchpoint.tenant, key)), applied)
        arrived.append(applied)
        newest = max(newest, applied.event_time)
        identity = applied.touchpoint.identities[0]
        hashed = applied.identity_hash
        is_nobodys = hashed in placeholders
        whose[hashed] = PersonIdentifier(
            identifier=hashed,
            tenant=touchpoint.tenant,
            identity=identity,
            person_key=hashed if is_nobodys else key,
            is_placeholder=is_nobodys,
        )
    rules = default_rules()
    facts = [judge(state, rules, newest - ALLOWED_LATENESS, CoreSettings()) for state in states.values()]
    writer.insert(touchpoint_block(arrived, token_prefix="company"))
    writer.insert(identifier_block(whose.values(), token_prefix="company"))
    writer.insert(session_block([(one, 1) for fact in facts for one in fact.sessions], token_prefix="company"))
    writer.insert(journey_block([(one, 1) for fact in facts for one in fact.journeys], token_prefix="company"))
    writer.insert(friction_block([(one, 1) for fact in facts for one in fact.frictions], token_prefix="company"))
    writer.insert(effort_posting_block([(one, 1) for fact in facts for one in fact.postings], token_prefix="company"))
    writer.insert(person_block([(fact.person, 1, 0) for fact in facts], token_prefix="company"))

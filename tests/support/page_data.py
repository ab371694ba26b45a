"""What the page is shown over in tests: a made-up company, nothing at all, and far too much."""

import dataclasses
import re

from docs.sample import store_company
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from streams.producing.generator import GeneratedCompany
from tests.support.touchpoints import MONDAY

_VIEWS = ("person_identifiers", "touchpoints", "persons", "journeys", "frictions", "effort_postings", "dead_letters")
_TABLES = (*_VIEWS, "checkpoints")
#: The company's numbers, small enough to be judged in two seconds.
PERSONS = 150
EVENTS = 2_500
MANY = 50_000
#: What must stay text wherever it is shown, and must not run in a spreadsheet.
MARKUP = '<img src=x onerror="document.title=1">'
FORMULA = '=HYPERLINK("http://example.org")'
SOMEBODY = "0" * 31 + "1"

_CHECKPOINTS = """
INSERT INTO checkpoints (consumer_group, topic, topic_incarnation, `partition`, next_offset, watermark, watermark_state,
    written_at)
SELECT 'journeys-journeys', 'touchpoints.keyed', life, number, 100 * number + 7,
    (SELECT max(event_time) FROM touchpoints) - toIntervalMinute(10), '', now64(3) - (life = 'a') * 100
FROM numbers(4) ARRAY JOIN ['a', 'b'] AS life
"""
_TOUCHPOINT = """
INSERT INTO touchpoints (tenant, source, id, kind, event_time, end_time, occurred_at, identity_hash, channel)
VALUES ('default', 'test', '1', 'page.viewed', fromUnixTimestamp64Milli({at}), fromUnixTimestamp64Milli({at}),
    fromUnixTimestamp64Milli({at}), '{somebody}', 'web')
"""
_FRICTIONS = """
INSERT INTO frictions (tenant, friction_id, rule_id, rule_version, variant, status, severity, person_key, journey_id,
    anchor_at, opened_at, from_channel, to_channel, team, topic, minutes, evidence, sentence_en, sentence_de,
    is_alertable, version)
SELECT 'default', lower(hex(MD5(toString(number)))), ['channel_redirect', 'repeat_contact', 'loop'][number % 3 + 1], 1,
    'lost', 'open', number % 5 + 1, '{somebody}', '', fromUnixTimestamp64Milli({at}) - toIntervalMinute(number),
    fromUnixTimestamp64Milli({at}), 'web', 'phone', if(number = 0, '{formula}', concat('team ', toString(number % 7))),
    'delivery', number % 10, '{{}}', if(number = 0, '{markup}', concat('Sentence number ', toString(number), '.')),
    concat('Satz Nummer ', toString(number), '.'), true, 1
FROM numbers({many})
"""


def company(engine: ClickHouseAddress) -> ClickHouseAddress:
    """Four weeks of a company with frictions of every pattern, some dead letters, and how far the worker is."""
    address = dataclasses.replace(engine, database="company")
    migrate(address)
    made = GeneratedCompany(persons=PERSONS, events=EVENTS, seed=7, start=MONDAY, catalogue=True)
    store_company(address, made)
    _execute(address, _CHECKPOINTS)
    return address


def nothing(company: ClickHouseAddress) -> ClickHouseAddress:
    """The same tables, and nothing in them."""
    return _with_tables_of(company, "nothing")


def too_much(company: ClickHouseAddress) -> ClickHouseAddress:
    """50,000 frictions of one person, the newest of which somebody hostile wrote."""
    address = _with_tables_of(company, "too_much")
    _execute(address, _TOUCHPOINT.format(at=MONDAY, somebody=SOMEBODY))
    _execute(
        address,
        _FRICTIONS.format(at=MONDAY, somebody=SOMEBODY, many=MANY, markup=MARKUP, formula=FORMULA),
    )
    return address


def _with_tables_of(source: ClickHouseAddress, database: str) -> ClickHouseAddress:
    """What the page reads, under another name: migrating again takes ten times as long."""
    client = connect(source)
    try:
        client.execute(f"CREATE DATABASE {database}")
        made = dict(
            client.execute("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
        )
        for name in (*_TABLES, *(f"v_{view}" for view in _VIEWS)):
            client.execute(re.sub(rf"\b{source.database}\.", f"{database}.", made[name]))
    finally:
        client.disconnect()
    return dataclasses.replace(source, database=database)


def _execute(address: ClickHouseAddress, sql: str) -> None:
    client = connect(address)
    try:
        client.execute(sql)
    finally:
        client.disconnect()

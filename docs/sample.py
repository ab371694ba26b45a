"""The made-up company that docs/questions.md asks about: the same touchpoints, judged and stored, on every machine.

No broker and no worker: the core judges every person once, when everything has arrived, which gives the rows that a
stream would end with (a test elsewhere holds that). So the page's answers are exact, and made in seconds.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from processors.admission import AdmissionSettings, admit
from processors.friction.catalogue import default_rules
from processors.keyring import Key, Keyring
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.json_form import milliseconds
from schemas.log import Position
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.rows import (
    PreparedBlock,
    effort_posting_block,
    friction_block,
    journey_block,
    person_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from streams.producing.generator import GeneratedCompany

#: Monday, 2026-03-02 00:00 UTC, in milliseconds.
START: Final = 1_772_409_600_000
SEED: Final = 7
PERSONS: Final = 700
EVENTS: Final = 9_000
_KEYRING: Final = Keyring((Key(b"the sample keeps no secrets: everybody in it is made up"),))
_MINUTE: Final = 60_000
_RUN: Final = "sample"
#: Broken records as producers send them now and then; the generator makes none.
_DEAD_LETTERS: Final = (
    ("truncated", "decode", 3, 41),
    ("missing_identity", "admit", 5, 47),
    ("missing_identity", "admit", 6, 3),
)


def sample_company() -> GeneratedCompany:
    """Four weeks of a company, with every pattern of friction planted that there is room for."""
    return GeneratedCompany(persons=PERSONS, events=EVENTS, seed=SEED, start=START, catalogue=True)


def store_company(address: ClickHouseAddress, company: GeneratedCompany) -> None:
    """Write a company and everything that is found in it into a database with the schema in it."""
    applied = list(_admitted(company))
    store_judged(address, applied, max(touchpoint.event_time for touchpoint in applied))
    _store_dead_letters(address, milliseconds(company.truth.end))


def store_judged(address: ClickHouseAddress, applied: Sequence[AppliedTouchpoint], watermark: int) -> None:
    """Write touchpoints, and what the shipped rules say of the person of each identity as of a watermark."""
    states: dict[str, PersonState] = {}
    for touchpoint in applied:
        key = touchpoint.identity_hash
        step(states.setdefault(key, PersonState(touchpoint.touchpoint.tenant, key)), touchpoint)
    rules = default_rules()
    facts = [judge(state, rules, watermark, CoreSettings()) for state in states.values()]
    blocks: list[PreparedBlock] = [
        touchpoint_block(applied, token_prefix=_RUN),
        session_block([(row, 1) for one in facts for row in one.sessions], token_prefix=_RUN),
        journey_block([(row, 1) for one in facts for row in one.journeys], token_prefix=_RUN),
        friction_block([(row, 1) for one in facts for row in one.frictions], token_prefix=_RUN),
        effort_posting_block([(row, 1) for one in facts for row in one.postings], token_prefix=_RUN),
        person_block([(one.person, 1, 0) for one in facts], token_prefix=_RUN),
    ]
    writer = Writer(address)
    try:
        for block in blocks:
            writer.insert(block)
    finally:
        writer.close()


def _admitted(company: GeneratedCompany) -> Iterator[AppliedTouchpoint]:
    """Touchpoints as a worker lets them in, a second after they happened, or later where the generator sends late."""
    newest = 0
    for offset, touchpoint in enumerate(company.touchpoints()):
        newest = max(newest, touchpoint.occurred_at)
        applied = admit(
            touchpoint,
            position=Position("touchpoints", 0, offset),
            append_time=newest + 1_000,
            schema_id=1,
            keyring=_KEYRING,
            settings=AdmissionSettings(),
        )
        if not isinstance(applied, AppliedTouchpoint):
            msg = f"a generated touchpoint is refused: {applied}"
            raise TypeError(msg)
        yield applied


def _store_dead_letters(address: ClickHouseAddress, end: int) -> None:
    rows = [
        ("touchpoints", _RUN, 0, 1_000_000 + place, end - minutes * _MINUTE, stage, reason, 0, "open", 1)
        for reason, stage, place, minutes in _DEAD_LETTERS
    ]
    client = connect(address)
    try:
        client.execute(
            "INSERT INTO dead_letters (topic, topic_incarnation, `partition`, `offset`, appended_at, stage, reason,"
            " raw_bytes, `state`, version) VALUES",
            rows,
        )
    finally:
        client.disconnect()

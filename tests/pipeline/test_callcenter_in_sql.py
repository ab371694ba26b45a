"""Hand-offs, ping-pong, repeats and changes of channel of a call-centre log are those that SQL finds in its CSV file."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from processors.friction.catalogue import default_calendars, default_rules
from processors.friction.definition import RuleDefinition
from processors.friction.engine import compiled
from processors.friction.finding import FrictionRule
from processors.identifiers import hash_id
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.outputs import touchpoint_ref
from schemas.touchpoint import Touchpoint
from streams.producing.importing import import_rows
from streams.producing.mapping_files import load_mapping
from streams.producing.table_rows import Table
from streams.producing.transfer import Refusal
from tests.support.callcenter import write_log
from tests.support.callcenter_sql import Changes, Found, LogInSql, log_in_sql
from tests.support.logs import log_file
from tests.support.touchpoints import DAY, TENANT, applied

pytestmark = pytest.mark.stack

#: What an agent does on a case in this log, and what the customer does.
AGENTS = ("Ada", "Björn", "Chloé", "Dmitri", "Ewa", "Farid")
WORK = ("case.updated", "message.sent", "contact.started")


class Log:
    """A log in both ways: as SQL reads it, and as the importer makes touchpoints of it."""

    def __init__(self, sql: LogInSql, path: Path) -> None:
        self.sql = sql
        mapping = load_mapping("callcenter")
        self.touchpoints: dict[str, Touchpoint] = {}
        for item in import_rows(Table(path, mapping.format, mapping.csv), mapping):
            assert not isinstance(item, Refusal)
            self.touchpoints |= {touchpoint.id: touchpoint for touchpoint in item}

    def found(self, rules: Sequence[FrictionRule] = ()) -> Mapping[str, set[Found]]:
        """What the core finds by rule, a year after the last line; by the shipped rules unless others are given."""
        told = tuple(rules) or default_rules()
        by_person = defaultdict(list)
        for touchpoint in self.touchpoints.values():
            by_person[touchpoint.identities[0]].append(applied(touchpoint))
        watermark = max(touchpoint.occurred_at for touchpoint in self.touchpoints.values()) + 365 * DAY
        found: defaultdict[str, set[Found]] = defaultdict(set)
        refs = {touchpoint_ref(touchpoint.key): touchpoint for touchpoint in self.touchpoints.values()}
        for identity, story in by_person.items():
            person = restore(TENANT, identity, story)
            for friction in judge(person, told, watermark, CoreSettings()).frictions:
                ids = {hash_id("friction", TENANT, friction.rule_id, ref): ref for ref in friction.evidence.touchpoints}
                anchor = refs[ids[friction.friction_id]]
                found[friction.rule_id].add(
                    Found(
                        case=anchor.objects[0].removeprefix("case:"),
                        at=friction.anchor_at,
                        anchor=anchor.id,
                        variant=friction.variant,
                        proofs=tuple(sorted(refs[ref].id for ref in friction.evidence.touchpoints)),
                    )
                )
        return found


@pytest.fixture(scope="module", params=["made up", pytest.param("real", marks=pytest.mark.logs)])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A made-up log with the faults of real ones, and the real one where it is."""
    folder = tmp_path_factory.mktemp("log")
    if request.param == "real":
        path = log_file("callcenter/callcenter.csv.gz")
    else:
        path = folder / "log.csv.gz"
        write_log(path, cases=400, seed=21)
    with log_in_sql(path, folder) as sql:
        yield Log(sql, path)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """The real log."""
    path = log_file("callcenter/callcenter.csv.gz")
    with log_in_sql(path, tmp_path_factory.mktemp("real")) as sql:
        yield Log(sql, path)


def by_teams_that_work(*, of_contacts: bool) -> FrictionRule:
    """`ping_pong` with its own numbers, of the team that works on a case instead of the one that it was given to."""
    told: dict[str, Any] = yaml.safe_load(files("processors.friction.rules").joinpath("ping_pong.yaml").read_text())
    told["patterns"][0]["change"] |= {
        "of": {"kind": list(WORK), "where": {} if of_contacts else {"actor": "agent"}},
        "state": "team",
        "left": None,
        "per": "case",
    }
    return compiled(RuleDefinition.model_validate(told), default_calendars())


def test_every_hand_off_repeat_and_change_of_channel_is_one_that_sql_finds(log: Log) -> None:
    found = log.found()
    assert found["handoff_chain"] == log.sql.handoffs()
    assert found["repeat_contact"] == log.sql.repeats()
    assert found["unprompted_switch"] == log.sql.switches()
    assert min(len(found[rule]) for rule in ("handoff_chain", "repeat_contact", "unprompted_switch")) > 5
    # No line says to whom a case was given, so there is nothing to pass back and forth.
    assert found["ping_pong"] == set()


@pytest.mark.parametrize("of_contacts", [False, True])
def test_ping_pong_of_the_teams_that_work_on_a_case_is_what_sql_finds(log: Log, of_contacts: bool) -> None:
    found = log.found([by_teams_that_work(of_contacts=of_contacts)])["ping_pong"]
    assert found == log.sql.ping_pong(of_contacts=of_contacts)
    assert found

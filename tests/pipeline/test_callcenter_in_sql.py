"""Hand-offs, ping-pong, repeats and changes of channel of a call-centre log are those that SQL finds in its file."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
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
from tests.support.processes import REPOSITORY
from tests.support.touchpoints import DAY, TENANT, applied

pytestmark = pytest.mark.stack

AGENTS = ("Ada", "Björn", "Chloé", "Dmitri", "Ewa", "Farid")
#: What happens on a case in such a log: work of agents, and contacts of the customer.
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

    @cached_property
    def found(self) -> Mapping[str, set[Found]]:
        """What the core finds with the shipped rules, by rule."""
        return self.found_by(*default_rules())

    def found_by(self, *rules: FrictionRule) -> Mapping[str, set[Found]]:
        """What the core finds with some rules, by rule, a year after the last line."""
        by_person = defaultdict(list)
        for touchpoint in self.touchpoints.values():
            by_person[touchpoint.identities[0]].append(applied(touchpoint))
        watermark = max(touchpoint.occurred_at for touchpoint in self.touchpoints.values()) + 365 * DAY
        found: defaultdict[str, set[Found]] = defaultdict(set)
        refs = {touchpoint_ref(touchpoint.key): touchpoint for touchpoint in self.touchpoints.values()}
        for identity, story in by_person.items():
            person = restore(TENANT, identity, story)
            for friction in judge(person, rules, watermark, CoreSettings()).frictions:
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


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A log with the faults of real ones, with more people and longer cases."""
    folder = tmp_path_factory.mktemp("made_up")
    write_log(folder / "log.csv.gz", cases=400, seed=21, steps=(1, 3, 5, 9), agents=AGENTS)
    with log_in_sql(folder / "log.csv.gz", folder) as sql:
        yield Log(sql, folder / "log.csv.gz")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """The real log, where it is."""
    path = log_file("callcenter/callcenter.csv.gz")
    with log_in_sql(path, tmp_path_factory.mktemp("real")) as sql:
        yield Log(sql, path)


@pytest.fixture(params=["made_up", pytest.param("real", marks=pytest.mark.logs)])
def log(request: pytest.FixtureRequest) -> Log:
    """Each of both."""
    found: Log = request.getfixturevalue(request.param)
    return found


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


def differing(found: set[Found], expected: set[Found]) -> list[Found]:
    """The first of those that only one side has."""
    return sorted(found ^ expected)[:3]


def test_every_hand_off_repeat_and_change_of_channel_is_one_that_sql_finds(log: Log) -> None:
    assert differing(log.found["handoff_chain"], log.sql.handoffs()) == []
    assert differing(log.found["repeat_contact"], log.sql.repeats()) == []
    assert differing(log.found["unprompted_switch"], log.sql.switches()) == []
    assert min(map(len, (log.found["handoff_chain"], log.found["repeat_contact"], log.found["unprompted_switch"]))) > 5
    # No line says to whom a case was given, so there is nothing to pass back and forth.
    assert log.found["ping_pong"] == set()


@pytest.mark.parametrize("of_contacts", [False, True])
def test_ping_pong_of_the_teams_that_work_on_a_case_is_what_sql_finds(log: Log, of_contacts: bool) -> None:
    found = log.found_by(by_teams_that_work(of_contacts=of_contacts))["ping_pong"]
    assert found
    assert differing(found, log.sql.ping_pong(of_contacts=of_contacts)) == []


@pytest.mark.logs
def test_the_page_tells_what_the_real_log_says_about_follow_up(real: Log) -> None:
    sql, found = real.sql, real.found
    channel, person, team = sql.channel_changes(), sql.changes_of_person(), sql.changes_of_team()
    # The company goes on by itself; that the customer does so on another channel comes after it did, always.
    assert channel == Changes(inside=0, to_customer=114, answering=33, from_customer=0)
    assert person == Changes(inside=266, to_customer=70, answering=35, from_customer=445)
    assert team == Changes(inside=106, to_customer=11, answering=2, from_customer=61)
    of_the_customer = sum(touchpoint.direction == "inbound" for touchpoint in real.touchpoints.values())
    without_inside_work = {one.case for one in sql.handoffs(of_inside_work=False)}
    assert without_inside_work < {one.case for one in found["handoff_chain"]}
    page = " ".join((REPOSITORY / "docs" / "friction.md").read_text().split())
    for said in (
        f"{len(real.touchpoints):,} lines, {len({one.objects for one in real.touchpoints.values()}):,} cases",
        *(
            f"| {sum(changes)} | {sum(changes[:2])} | {sum(changes[2:])} | {len(found[rule])} `{rule}` |"
            for changes, rule in ((channel, "unprompted_switch"), (person, "handoff_chain"), (team, "ping_pong"))
        ),
        f"{channel.to_customer / sum(channel):.0%}".replace("%", " %") + " are a mail or call of the company",
        f"each of the other {channel.answering} comes right after one",
        f"In {sql.followed_up_switches()} of the {len(found['unprompted_switch'])} switches",
        f"{person.inside} are inside work",
        f"{len(without_inside_work)} of the {len(found['handoff_chain'])} are left",
        f"it would find {len(sql.ping_pong(of_contacts=False))}, and {len(sql.ping_pong(of_contacts=True))} if taking",
        f"{len(found['repeat_contact'])} of {of_the_customer:,} contacts are a `repeat_contact`",
        f"Before {sql.followed_up_repeats()} of them",
    ):
        assert said in page

"""Questions that people and workers ask of the views, as `make bench-sink` times them.

Those of commands are the commands' own. The rest are what each view is there for.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from clickhouse_driver import Client

from processors.kinds import CONTROL_KINDS
from sinks.clickhouse.ready_made.catalogue import READY_MADE, ReadyMade, Value
from sinks.clickhouse.rollups.upkeep import ROLLUPS
from streams import timeline
from streams.cli import demo, erasures, frictions, identity_facts


class Question(NamedTuple):
    """What is asked, in words and in SQL, and whether the answer is one that people wait for."""

    name: str
    sql: str
    parameters: Mapping[str, Any] = {}


_SOMEBODY = """
SELECT tenant, person_key FROM v_frictions GROUP BY tenant, person_key ORDER BY count() DESC, person_key LIMIT 1
"""


def _ready_made(client: Client, one: ReadyMade, person: str) -> Question:
    """A question of the catalogue; one about a person is about the one who met most frictions."""
    values: dict[str, Value] = {}
    for parameter in one.parameters:
        rows = client.execute(parameter.example_sql) if parameter.example_sql else []
        values[parameter.name] = person if parameter.name == "person_key" else rows[0][0] if rows else parameter.example
    return Question(f"{one.view}: {one.question}", one.filled(values))


def questions(client: Client) -> Sequence[Question]:
    """All of them; those about a person are about the one who met most frictions."""
    ((_, person),) = client.execute(_SOMEBODY)
    key = {"key": person}
    shown = {"limit": 1_000, "reason": ""}
    latest = {"rule": "", "since": 0, "limit": 1_000}
    columns = "anchor_at, severity, rule_id, variant, minutes, team, sentence_en, friction_id"
    return [
        # One person
        Question(
            "timeline: touchpoints of a person", timeline._TOUCHPOINTS, key | {"statements": tuple(CONTROL_KINDS)}
        ),
        Question("timeline: sessions of a person", timeline._SESSIONS, key),
        Question("timeline: journeys of a person", timeline._JOURNEYS, key),
        Question("timeline: frictions of a person", timeline._FRICTIONS, key),
        Question("identity show: members of a person", identity_facts._MEMBERS, key),
        Question("v_persons: one person", "SELECT * FROM v_persons WHERE person_key = %(key)s", key),
        Question(
            "v_effort_accounts: one customer",
            "SELECT * FROM v_effort_accounts WHERE type = 'customer' AND account = %(key)s",
            key,
        ),
        # Commands
        Question("frictions: the latest thousand", frictions._SQL.format(columns=columns), latest),
        Question("frictions --json: the latest thousand", frictions._SQL.format(columns="*"), latest),
        Question("identity review", identity_facts._REVIEW, shown),
        Question("identity incidents", identity_facts._INCIDENTS, shown),
        Question("erasures list", erasures._SQL, {"limit": 1_000}),
        Question("demo: how many of everything", demo._COUNTS),
        Question("demo: journeys that cost most", demo._JOURNEYS),
        Question("demo: frictions by rule", demo._BY_RULE),
        # Views that answer by themselves
        Question(
            "v_effort_accounts: causes", "SELECT * FROM v_effort_accounts WHERE type = 'cause' ORDER BY minutes DESC"
        ),
        Question(
            "v_effort_accounts: teams", "SELECT * FROM v_effort_accounts WHERE type = 'team' ORDER BY minutes DESC"
        ),
        Question(
            "v_effort_accounts: customers who lost most",
            "SELECT * FROM v_effort_accounts WHERE type = 'customer' ORDER BY minutes DESC LIMIT 20",
        ),
        Question("v_effort_budgets", "SELECT * FROM v_effort_budgets ORDER BY week, topic"),
        Question("v_producers", "SELECT * FROM v_producers"),
        Question("v_identity_review: by reason", "SELECT reason, count() FROM v_identity_review GROUP BY reason"),
        Question("v_rule_changes", "SELECT * FROM v_rule_changes"),
        Question("v_dead_letters", "SELECT reason, count() FROM v_dead_letters GROUP BY reason"),
        Question("v_alerts", "SELECT state, count() FROM v_alerts GROUP BY state"),
        # What analysts ask
        Question(
            "redirects: channel by channel",
            "SELECT from_channel, to_channel, count(), countIf(variant = 'followed') / count(), sum(minutes)"
            " FROM v_frictions WHERE rule_id = 'channel_redirect' GROUP BY ALL ORDER BY 3 DESC",
        ),
        Question(
            "frictions by team, topic and rule",
            "SELECT team, topic, rule_id, count(), sum(minutes) AS lost FROM v_frictions"
            " GROUP BY ALL ORDER BY lost DESC",
        ),
        Question(
            "frictions of a week by day and rule",
            "SELECT toDate(anchor_at) AS day, rule_id, count() FROM v_frictions"
            " WHERE anchor_at >= (SELECT max(anchor_at) FROM frictions) - toIntervalWeek(1)"
            " GROUP BY ALL ORDER BY ALL",
        ),
        Question(
            "journeys by topic and outcome",
            "SELECT topic, outcome, count(), avg(duration_minutes), avg(contacts), avg(effort_minutes)"
            " FROM v_journeys GROUP BY ALL ORDER BY ALL",
        ),
        Question(
            "journeys by first and last channel",
            "SELECT first_channel, last_channel, count(), avg(touches) FROM v_journeys GROUP BY ALL ORDER BY 3 DESC",
        ),
        Question(
            "sessions by week",
            "SELECT toMonday(started_at) AS week, count(), avg(touches), avg(duration_minutes) FROM v_sessions"
            " GROUP BY week ORDER BY week",
        ),
        Question(
            "persons with most effort",
            "SELECT person_key, touchpoints, contacts, effort_minutes FROM v_persons"
            " ORDER BY effort_minutes DESC LIMIT 20",
        ),
        Question(
            "effort by week, cause and kind",
            "SELECT toMonday(posted_at) AS week, cause, kind, sum(minutes) FROM v_effort_postings"
            " GROUP BY ALL ORDER BY ALL",
        ),
        Question("touchpoints by kind", "SELECT kind, count() FROM v_touchpoints GROUP BY kind ORDER BY 2 DESC"),
        Question(
            "touchpoints of a week by channel and hour",
            "SELECT channel, toDayOfWeek(event_time) AS day, toHour(event_time) AS hour, count() FROM v_touchpoints"
            " WHERE event_time >= (SELECT max(event_time) FROM touchpoints) - toIntervalWeek(1)"
            " GROUP BY ALL ORDER BY ALL",
        ),
        Question(
            "touchpoints by channel, weekday and hour",
            "SELECT channel, toDayOfWeek(event_time) AS day, toHour(event_time) AS hour, count() FROM v_touchpoints"
            " GROUP BY ALL ORDER BY ALL",
        ),
        Question(
            "persons active in a week",
            "SELECT uniq(person_key) FROM v_touchpoints"
            " WHERE event_time >= (SELECT max(event_time) FROM touchpoints) - toIntervalWeek(1)",
        ),
        # Ready-made answers
        *(_ready_made(client, one, person) for one in READY_MADE),
        # What a rollup costs each time that it is held against its base
        *(Question(f"{rollup.name}: what it should hold", rollup.base) for rollup in ROLLUPS),
    ]

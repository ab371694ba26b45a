"""What is told of a week: what hurt, what is new, what got better, and three stories with their evidence.

Minutes are the sums of `v_frictions.minutes`, by the event time of the touchpoint that a friction hangs on.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.questions import ask
from streams.reports.weeks import Week
from streams.timeline import NobodyFound, Story, load_story

#: Weeks before the one told that it is held against, and that the chart shows.
COMPARED_WEEKS: Final = 4
SHOWN_WEEKS: Final = 8
STORIES: Final = 3

_SCOPE: Final = "(%(every_team)s OR team = %(team)s) AND (%(every_tenant)s OR tenant = %(tenant)s)"
#: How many weeks before the end of the one told, from 1 on.
_AGO: Final = "arrayCount(start -> start > toUnixTimestamp64Milli(anchor_at), %(starts)s)"
_SPAN: Final = "anchor_at >= fromUnixTimestamp64Milli(%(since)s) AND anchor_at < fromUnixTimestamp64Milli(%(until)s)"
_CAUSES: Final = f"""
SELECT toString(rule_id), toString(from_channel), toString(to_channel), {_AGO} AS ago, count(), sum(minutes),
    uniqExact(tenant, person_key), max(severity)
FROM v_frictions WHERE {_SCOPE} AND {_SPAN}
GROUP BY rule_id, from_channel, to_channel, ago
"""  # noqa: S608 - conditions of our own
_TEAMS: Final = f"""
SELECT toString(team), count(), sum(minutes), uniqExact(tenant, person_key) FROM v_frictions
WHERE {_SCOPE} AND {_SPAN} GROUP BY team ORDER BY sum(minutes) DESC, team
"""  # noqa: S608
_TOTALS: Final = f"""
SELECT count(), sum(minutes), uniqExact(tenant, person_key), countIf(severity >= 4)
FROM v_frictions WHERE {_SCOPE} AND {_SPAN}
"""  # noqa: S608
_WORST: Final = f"""
SELECT person_key, journey_id, argMax(toString(rule_id), (minutes, severity, rule_id)) AS main, sum(minutes) AS lost
FROM v_frictions WHERE {_SCOPE} AND {_SPAN}
GROUP BY person_key, journey_id ORDER BY lost DESC, max(severity) DESC, count() DESC, journey_id
LIMIT 1 BY person_key LIMIT 100
"""  # noqa: S608
_REACHED: Final = """
SELECT count(), toUnixTimestamp64Milli(min(event_time)), toUnixTimestamp64Milli(max(event_time)) FROM v_touchpoints
WHERE %(every_tenant)s OR tenant = %(tenant)s
"""
_TEAMS_KNOWN: Final = "SELECT DISTINCT toString(team) FROM v_frictions WHERE team != '' ORDER BY team"


class NothingToReport(ValueError):
    """There is nothing to report on; the message says what was looked for."""


class Cause(NamedTuple):
    """What makes frictions one cause: the rule, and the channels between which it happened, where it has any."""

    rule_id: str
    from_channel: str
    to_channel: str


class Count(msgspec.Struct):
    """Frictions of a week, or of several: `minutes` are customer minutes, `persons` those of each week."""

    frictions: int = 0
    minutes: float = 0.0
    persons: int = 0
    severity: int = 0


class CauseOfWeek(msgspec.Struct, frozen=True):
    """A cause in the week told, and per week in those before it that are known (`usual`)."""

    cause: Cause
    now: Count
    usual_frictions: float
    usual_minutes: float


class Totals(msgspec.Struct, frozen=True):
    """All of a week: frictions, customer minutes, persons affected, and frictions of severity 4 and 5."""

    frictions: int
    minutes: float
    persons: int
    severe: int


class TeamOfWeek(msgspec.Struct, frozen=True):
    """What a team caused in the week; '' where nobody knows which."""

    team: str
    frictions: int
    minutes: float
    persons: int


class ToldJourney(msgspec.Struct, frozen=True):
    """One journey of a person, with what happened in it and the frictions that hang on it, in order."""

    journey: dict[str, Any]
    touchpoints: list[dict[str, Any]]
    frictions: list[dict[str, Any]]
    minutes: float


class Scope(msgspec.Struct, frozen=True):
    """Whose week: of a team (`''` where none is known) or of all, of a tenant or of all, in a time zone."""

    week: Week
    zone: ZoneInfo
    team: str | None = None
    tenant: str | None = None


class WeekReport(msgspec.Struct, frozen=True):
    """What is told of a week. `compared` is how many earlier weeks are known, at most four."""

    scope: Scope
    totals: Totals
    before: Totals | None
    compared: int
    trend: list[tuple[Week, float]]
    causes: list[CauseOfWeek]
    gone: list[CauseOfWeek]
    new: list[CauseOfWeek]
    better: list[CauseOfWeek]
    teams: list[TeamOfWeek]
    stories: list[ToldJourney]


def last_full_week(address: ClickHouseAddress, zone: ZoneInfo, tenant: str | None = None) -> Week:
    """The last week that was over when the newest touchpoint happened.

    Raises:
        NothingToReport: there is no touchpoint.
        StoreUnavailable: ClickHouse does not answer.

    """
    touchpoints, _, newest = _reached(address, tenant)
    if not touchpoints:
        raise NothingToReport("there are no touchpoints yet; is everything queryable? see: journeys wait")
    return Week.last_full(newest, zone)


def week_report(address: ClickHouseAddress, scope: Scope) -> WeekReport:
    """What is to be told of a week.

    Raises:
        NothingToReport: there is no touchpoint, or no friction of such a team.
        StoreUnavailable: ClickHouse does not answer.

    """
    touchpoints, oldest, _ = _reached(address, scope.tenant)
    if not touchpoints:
        raise NothingToReport("there are no touchpoints yet; is everything queryable? see: journeys wait")
    if scope.team:
        teams = [name for (name,) in ask(address, _TEAMS_KNOWN).rows]
        if scope.team not in teams:
            raise NothingToReport(f"no friction names the team {scope.team!r}; teams are: {', '.join(teams) or 'none'}")
    weeks = [scope.week.before(ago) for ago in range(SHOWN_WEEKS)]
    compared = sum(
        week.start_ms(scope.zone) >= _week_start(oldest, scope.zone) for week in weeks[1 : COMPARED_WEEKS + 1]
    )
    counts = _counts(address, scope, weeks)
    causes = _causes(counts, compared)
    return WeekReport(
        scope=scope,
        totals=_totals(address, scope, scope.week),
        before=_totals(address, scope, scope.week.before(1)) if compared else None,
        compared=compared,
        trend=[
            (week, sum(by_week[ago].minutes for by_week in counts.values() if ago in by_week))
            for ago, week in reversed(list(enumerate(weeks, 1)))
            if week.end_ms(scope.zone) > oldest
        ],
        causes=[cause for cause in causes if cause.now.frictions],
        gone=[cause for cause in causes if not cause.now.frictions],
        new=[cause for cause in causes if cause.now.frictions and not cause.usual_frictions] if compared else [],
        better=sorted(
            (cause for cause in causes if cause.usual_minutes - cause.now.minutes >= _NOTICEABLE_MINUTES),
            key=lambda cause: cause.now.minutes - cause.usual_minutes,
        ),
        teams=[TeamOfWeek(*row) for row in ask(address, _TEAMS, _asked(scope, scope.week)).rows],
        stories=_stories(address, scope),
    )


#: What has become better by less is chance.
_NOTICEABLE_MINUTES: Final = 1.0


def _counts(address: ClickHouseAddress, scope: Scope, weeks: Sequence[Week]) -> dict[Cause, dict[int, Count]]:
    """By cause and by how many weeks before the next one, from 1 on."""
    starts = [week.start_ms(scope.zone) for week in (scope.week.before(-1), *weeks[:-1])]
    asked = _asked(scope, weeks[-1], until=scope.week) | {"starts": starts}
    found: dict[Cause, dict[int, Count]] = {}
    for rule_id, from_channel, to_channel, ago, *count in ask(address, _CAUSES, asked).rows:
        found.setdefault(Cause(rule_id, from_channel, to_channel), {})[ago] = Count(*count)
    return found


def _causes(counts: dict[Cause, dict[int, Count]], compared: int) -> list[CauseOfWeek]:
    """Those first that cost most now. Only the weeks that are compared count as usual."""
    causes = []
    for cause, by_week in counts.items():
        usual = [by_week[ago] for ago in range(2, compared + 2) if ago in by_week]
        weeks = max(compared, 1)
        causes.append(
            CauseOfWeek(
                cause,
                by_week.get(1, Count()),
                sum(count.frictions for count in usual) / weeks,
                sum(count.minutes for count in usual) / weeks,
            )
        )
    return sorted(causes, key=lambda one: (-one.now.minutes, -one.now.frictions, one.cause))


def _totals(address: ClickHouseAddress, scope: Scope, week: Week) -> Totals:
    return Totals(*ask(address, _TOTALS, _asked(scope, week)).rows[0])


def _stories(address: ClickHouseAddress, scope: Scope) -> list[ToldJourney]:
    """The journeys that cost most in the week, each of another person, and of other causes where there are others.

    Who was taken out of the tables between two questions has no story.
    """
    worst = ask(address, _WORST, _asked(scope, scope.week)).rows
    first_of_cause = {main: journey_id for _, journey_id, main, _ in reversed(worst)}
    told: list[ToldJourney] = []
    for person_key, journey_id, *_ in sorted(worst, key=lambda row: first_of_cause[row[2]] != row[1]):
        with suppress(NobodyFound):
            told += _told(load_story(address, person_key), journey_id)
        if len(told) == STORIES:
            break
    return told


def _told(story: Story, journey_id: str) -> list[ToldJourney]:
    """The journey as it is told, if the story has it."""
    by_key = {touchpoint["touchpoint_key"]: touchpoint for touchpoint in story.touchpoints}
    frictions = [friction for friction in story.frictions if friction["journey_id"] == journey_id]
    return [
        ToldJourney(
            journey,
            [by_key[key] for key in journey["touchpoint_keys"] if key in by_key],
            frictions,
            sum(friction["minutes"] for friction in frictions),
        )
        for journey in story.journeys
        if journey["journey_id"] == journey_id
    ]


def _reached(address: ClickHouseAddress, tenant: str | None) -> tuple[int, int, int]:
    """How many touchpoints there are, and when the first and the last of them happened, UTC milliseconds."""
    asked = {"every_tenant": tenant is None, "tenant": tenant or ""}
    touchpoints, first, last = ask(address, _REACHED, asked).rows[0]
    return touchpoints, first, last


def _week_start(time_ms: int, zone: ZoneInfo) -> int:
    """When the week of a moment began, UTC milliseconds."""
    return Week.last_full(time_ms, zone).before(-1).start_ms(zone)


def _asked(scope: Scope, week: Week, until: Week | None = None) -> dict[str, object]:
    return {
        "every_team": scope.team is None,
        "team": scope.team or "",
        "every_tenant": scope.tenant is None,
        "tenant": scope.tenant or "",
        "since": week.start_ms(scope.zone),
        "until": (until or week).end_ms(scope.zone),
    }

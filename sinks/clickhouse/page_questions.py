"""The questions that the page asks: each with its name, its SQL, its parameters, and what it answers.

The SQL is shown to people as it is, with its parameters as ClickHouse's own `{name:Type}`: what is on the page can be
asked again with any client. Periods are measured from the newest event time in the data, so that old data is not empty.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from sinks.clickhouse.binding import Value, places

#: Rows of a page of a list, at most.
MOST_PER_PAGE: Final = 500
#: Rows of a file, at most.
MOST_IN_FILE: Final = 1_000_000
#: Steps of a path that are told apart; what follows is not drawn.
MOST_STEPS: Final = 8
_LONGEST_TEXT: Final = 200
_MOST_DAYS: Final = 36_500
_KEY_CHARACTERS: Final = frozenset("0123456789abcdef")
_KEY_LENGTH: Final = 32


class BadParameter(ValueError):
    """A parameter that the question does not take; the message says what it takes."""


class Parameter(NamedTuple):
    """What a question takes under a name. A `default` of `None` must be given. Either closed `words`, or a range."""

    default: Value | None
    words: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    is_key: bool = False

    def parse(self, name: str, text: str) -> Value:
        """Value of a parameter.

        Raises:
            BadParameter: the text is none.

        """
        if self.words:
            if text not in self.words:
                raise BadParameter(f"{name} is {text[:40]!r}, expected one of {', '.join(self.words)}")
            return text
        if isinstance(self.default, int):
            # isdigit alone knows digits of all scripts.
            if not (text.isascii() and text.isdigit() and len(text) < 12 and self.least <= int(text) <= self.most):
                raise BadParameter(f"{name} is {text[:40]!r}, expected a whole number from {self.least} to {self.most}")
            return int(text)
        if self.is_key:
            if len(text) != _KEY_LENGTH or not _KEY_CHARACTERS.issuperset(text):
                raise BadParameter(f"{name} is {text[:40]!r}, expected {_KEY_LENGTH} hexadecimal characters")
            return text
        if len(text) > _LONGEST_TEXT:
            raise BadParameter(f"{name} has {len(text)} characters, at most {_LONGEST_TEXT} are taken")
        return text


class Question(NamedTuple):
    """One question; `comment` says what it answers, in one sentence."""

    name: str
    comment: str
    sql: str
    parameters: Mapping[str, Parameter]

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Values of all parameters, from texts.

        Raises:
            BadParameter: one is unknown, missing or wrong.

        """
        unknown = [name for name in given if name not in self.parameters]
        if unknown:
            takes = ", ".join(self.parameters) or "nothing"
            raise BadParameter(f"{self.name} takes no {unknown[0][:40]!r}; it takes {takes}")
        values: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            text = given.get(name)
            if text is not None:
                values[name] = parameter.parse(name, text)
            elif parameter.default is None:
                raise BadParameter(f"{self.name} needs {name}")
            else:
                values[name] = parameter.default
        return values


#: What a period of days means: `0` is everything.
_DAYS: Final = Parameter(0, most=_MOST_DAYS)
_KEY: Final = Parameter(None, is_key=True)
_ANY_TEXT: Final = Parameter("")


def _since(column: str) -> str:
    return (
        f"({{days:UInt32}} = 0 OR {column} >"
        " (SELECT max(event_time) FROM touchpoints) - toIntervalDay({days:UInt32}))"
    )


_FRICTION_FILTER: Final = f"""{_since("anchor_at")}
    AND ({{rule:String}} = '' OR rule_id = {{rule:String}})
    AND ({{team:String}} = '' OR team = {{team:String}})
    AND ({{channel:String}} = '' OR from_channel = {{channel:String}} OR to_channel = {{channel:String}})
    AND severity >= {{severity:UInt8}}
    AND ({{text:String}} = '' OR positionCaseInsensitiveUTF8(sentence_en, {{text:String}}) > 0
        OR positionCaseInsensitiveUTF8(sentence_de, {{text:String}}) > 0)"""
_FRICTION_PARAMETERS: Final = {
    "days": _DAYS,
    "rule": _ANY_TEXT,
    "team": _ANY_TEXT,
    "channel": _ANY_TEXT,
    "severity": Parameter(1, least=1, most=5),
    "text": _ANY_TEXT,
}
_PAGE_PARAMETERS: Final = {
    "order": Parameter("newest", words=("newest", "oldest", "minutes", "severity")),
    "limit": Parameter(50, least=1, most=MOST_PER_PAGE),
    "offset": Parameter(0, most=10_000_000),
}
#: Statements about people, which are stored as touchpoints and are none.
STATEMENTS: Final = ("history.refold_requested", "identity.linked", "identity.unlinked", "subject.erase_requested")
_STATEMENTS_SQL: Final = ", ".join(f"'{kind}'" for kind in STATEMENTS)
#: As v_touchpoints names a touchpoint: what stands between the parts is escaped in them.
_TOUCHPOINT_KEY: Final = "concat({}, '/', {}, '/', {})".format(
    *(f"replaceAll(replaceAll(toString({part}), '%', '%25'), '/', '%2F')" for part in ("tenant", "source", "id"))
)

_ALL: Final = (
    Question(
        "span",
        "How far the data reaches: the oldest and the newest event time, and how many touchpoints there are.",
        """SELECT
    min(event_time) AS oldest_event_at,
    max(event_time) AS newest_event_at,
    count() AS touchpoints
FROM touchpoints""",
        {},
    ),
    Question(
        "totals",
        "The period in numbers: journeys, and how many of them met friction, moved between channels or broke their"
        " effort budget.",
        f"""SELECT
    count() AS journeys,
    uniqExact(person_key) AS persons,
    round(sum(effort_minutes)) AS minutes,
    countIf(effort_budget_minutes > 0 AND effort_minutes > effort_budget_minutes) AS over_budget,
    countIf(length(arrayCompact(channels)) > 1) AS across_channels,
    sum(redirects) AS redirects,
    countIf(journey_id IN (SELECT journey_id FROM v_frictions)) AS with_friction
FROM v_journeys
WHERE {_since("last_event_at")}""",
        {"days": _DAYS},
    ),
    Question(
        "causes",
        "Customer minutes lost by cause, the dearest first: a rule whose frictions cost them, or waiting.",
        f"""SELECT
    if(cause = '', 'unknown', toString(cause)) AS cause,
    round(sum(v_effort_postings.minutes), 1) AS minutes,
    round(sumIf(v_effort_postings.minutes, is_measured), 1) AS measured_minutes,
    count() AS postings,
    uniqExact(person_key) AS persons
FROM v_effort_postings
WHERE {_since("posted_at")}
GROUP BY cause
ORDER BY minutes DESC, cause""",
        {"days": _DAYS},
    ),
    Question(
        "trend",
        "Customer minutes lost by day of the event, and how many postings they are.",
        f"""SELECT
    toDate(posted_at) AS day,
    round(sum(v_effort_postings.minutes), 1) AS minutes,
    count() AS postings
FROM v_effort_postings
WHERE {_since("posted_at")}
GROUP BY day
ORDER BY day""",
        {"days": _DAYS},
    ),
    Question(
        "redirects",
        "Who was sent where: redirects that were frictions, by channel to channel, with how many arrived there and"
        " how many matters were solved.",
        f"""SELECT
    from_channel,
    to_channel,
    count() AS redirects,
    countIf(has_arrived) AS arrived,
    countIf(variant = 'lost') AS lost,
    countIf(status = 'cleared') AS solved,
    round(sum(posted.minutes), 1) AS minutes
FROM (
    SELECT tenant, friction_id, from_channel, to_channel, variant, status, arrayExists(
        tested -> tested.1 = 'arrival' AND tested.2,
        JSONExtract(evidence, 'checks', 'Array(Tuple(name String, passed Bool))')
    ) AS has_arrived
    FROM v_frictions
    WHERE rule_id = 'channel_redirect' AND {_since("anchor_at")}
) AS redirect
LEFT ANY JOIN (
    SELECT tenant, friction_id, sum(minutes) AS minutes
    FROM v_effort_postings
    WHERE cause = 'channel_redirect'
    GROUP BY tenant, friction_id
) AS posted ON posted.tenant = redirect.tenant AND posted.friction_id = redirect.friction_id
GROUP BY from_channel, to_channel
ORDER BY redirects DESC, from_channel, to_channel""",
        {"days": _DAYS},
    ),
    Question(
        "paths",
        "Ways through the channels: how many journeys went from which channel to which, step by step.",
        f"""SELECT
    step,
    path[step] AS from_channel,
    path[step + 1] AS to_channel,
    count() AS journeys,
    round(sum(effort), 1) AS minutes
FROM (
    SELECT
        arraySlice(arrayCompact(channels), 1, {{steps:UInt8}}) AS path,
        effort_minutes AS effort
    FROM v_journeys
    WHERE {_since("last_event_at")}
)
ARRAY JOIN range(1, toUInt64(greatest(length(path), 1))) AS step
GROUP BY step, from_channel, to_channel
ORDER BY step, journeys DESC, from_channel, to_channel""",
        {"days": _DAYS, "steps": Parameter(5, least=2, most=MOST_STEPS)},
    ),
    Question(
        "frictions",
        "Frictions found, with a sentence that says what happened.",
        f"""SELECT
    anchor_at, severity, rule_id, variant, status, minutes, team, from_channel, to_channel, topic,
    sentence_en, sentence_de, person_key, journey_id, friction_id
FROM v_frictions
WHERE {_FRICTION_FILTER}
ORDER BY
    multiIf({{order:String}} = 'minutes', minutes, {{order:String}} = 'severity', toFloat64(severity), 0) DESC,
    if({{order:String}} = 'oldest', -1, 1) * toUnixTimestamp64Milli(anchor_at) DESC,
    friction_id
LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}""",
        _FRICTION_PARAMETERS | _PAGE_PARAMETERS,
    ),
    Question(
        "friction_sums",
        "How many frictions there are, and how many customer minutes they cost.",
        f"""SELECT count() AS frictions, round(sum(v_frictions.minutes), 1) AS minutes, uniqExact(person_key) AS persons
FROM v_frictions
WHERE {_FRICTION_FILTER}""",
        _FRICTION_PARAMETERS,
    ),
    Question(
        "friction_words",
        "Rules, teams and channels that frictions of the period name, the most frequent first.",
        f"""SELECT word.1 AS column, word.2 AS value, count() AS frictions
FROM v_frictions
ARRAY JOIN arrayDistinct([
    ('rule', toString(rule_id)), ('team', toString(team)),
    ('channel', toString(from_channel)), ('channel', toString(to_channel))
]) AS word
WHERE value != '' AND {_since("anchor_at")}
GROUP BY column, value
ORDER BY column, frictions DESC, value""",
        {"days": _DAYS},
    ),
    Question(
        "friction",
        "One friction with its evidence: touchpoints, tested values beside thresholds, guards, and the nearest miss.",
        """SELECT
    friction_id, rule_id, rule_version, variant, status, severity, minutes, team, owner_team, topic, from_channel,
    to_channel, anchor_at, opened_at, person_key, journey_id, sentence_en, sentence_de, nearest_miss, nearest_miss_de,
    evidence
FROM v_frictions
WHERE friction_id = {friction:String}""",
        {"friction": _KEY},
    ),
    Question(
        "person",
        "One person in numbers.",
        """SELECT person_key, first_seen_at, last_seen_at, touchpoints, contacts, sessions, journeys, frictions,
    effort_minutes
FROM v_persons
WHERE person_key = {person:String}""",
        {"person": _KEY},
    ),
    # What v_touchpoints says of one person, asked of the table by its sorting key: the view names the person of every
    # touchpoint that its index does not exclude, and reads all columns of them.
    Question(
        "person_touchpoints",
        "Everything that happened to one person, in order, over all channels.",
        f"""WITH
    placeholders AS (SELECT identifier FROM person_identifiers FINAL WHERE is_placeholder),
    own AS (
        SELECT identifier FROM person_identifiers FINAL WHERE person_key = {{person:String}}
        UNION ALL
        SELECT {{person:String}} WHERE {{person:String}} NOT IN (
            SELECT identifier FROM person_identifiers FINAL
            WHERE identifier = {{person:String}} AND person_key != identifier
        )
    ),
    arrayFirst(
        hash -> hash NOT IN placeholders,
        arrayMap(text -> substringIndex(text, ':', -1), identities)
    ) AS first_real
SELECT
    {_TOUCHPOINT_KEY} AS touchpoint_key,
    event_time, end_time, kind, channel, channel_detail, touchpoint, direction, actor, team, topic,
    reason, outcome, redirect_to, wait_ms / 60000 AS wait_minutes
FROM touchpoints FINAL
PREWHERE identity_hash IN own OR identity_hash IN placeholders
WHERE kind NOT IN ({_STATEMENTS_SQL})
    AND if(identity_hash IN placeholders AND first_real != '', first_real, identity_hash) IN own
ORDER BY event_time, source, id
LIMIT {{limit:UInt64}}""",
        {"person": _KEY, "limit": Parameter(5_000, least=1, most=20_000)},
    ),
    Question(
        "person_journeys",
        "The journeys of one person.",
        """SELECT
    journey_id, status, opened_at, last_event_at, topic, channels, contacts, handoffs, redirects, wait_minutes,
    effort_minutes, effort_budget_minutes, outcome, touchpoint_keys
FROM v_journeys
WHERE person_key = {person:String}
ORDER BY opened_at, journey_id""",
        {"person": _KEY},
    ),
    Question(
        "person_frictions",
        "The frictions of one person, with what proves them.",
        """SELECT
    friction_id, rule_id, variant, status, severity, journey_id, anchor_at, team, minutes, from_channel, to_channel,
    sentence_en, sentence_de, evidence_touchpoints, nearest_miss, nearest_miss_de
FROM v_frictions
WHERE person_key = {person:String}
ORDER BY anchor_at, friction_id""",
        {"person": _KEY},
    ),
    Question(
        "persons",
        "Whose journeys cost them most, to begin with.",
        f"""SELECT
    person_key,
    round(sum(v_effort_postings.minutes), 1) AS minutes,
    uniqExact(journey_id) AS journeys,
    uniqExactIf(friction_id, friction_id != '') AS frictions
FROM v_effort_postings
WHERE {_since("posted_at")}
GROUP BY person_key
ORDER BY minutes DESC, person_key
LIMIT {{limit:UInt64}}""",
        {"days": _DAYS, "limit": Parameter(20, least=1, most=MOST_PER_PAGE)},
    ),
    Question(
        "checkpoints",
        "How far each partition is durable: everything before the offset is in the tables or in the dead letters.",
        """SELECT
    consumer_group,
    topic,
    partition,
    argMax(next_offset, written_at) AS next_offset,
    argMax(watermark, written_at) AS watermark,
    max(written_at) AS last_written_at,
    if(watermark IS NULL, NULL, round(
        (toUnixTimestamp64Milli((SELECT max(event_time) FROM touchpoints)) - toUnixTimestamp64Milli(watermark)) / 60000
    )) AS minutes_behind_newest_event
FROM (SELECT * FROM checkpoints FINAL)
GROUP BY consumer_group, topic, partition
ORDER BY consumer_group, topic, partition""",
        {},
    ),
    Question(
        "producers",
        "What each source delivers, how late, and how well its clock goes.",
        f"""SELECT
    tenant,
    source,
    count() AS touchpoints,
    countIf(NOT backfill) AS live,
    countIf(NOT backfill AND ingestion_time > event_time + toIntervalHour(1)) AS late,
    countIf(NOT backfill AND ingestion_time > event_time + toIntervalDay(90)) AS very_late,
    countIf(is_time_corrected) AS corrected,
    max(event_time) AS last_event_at
FROM touchpoints FINAL
WHERE {_since("event_time")}
GROUP BY tenant, source
ORDER BY touchpoints DESC, tenant, source""",
        {"days": _DAYS},
    ),
    Question(
        "dead_letters",
        "Records that could not be processed, by reason; their bytes are kept in the topic of the dead letters."
        " The period ends with the last of them.",
        """SELECT reason, stage, `field`, topic, state, count() AS records, min(appended_at) AS first_at,
    max(appended_at) AS last_at, any(detail) AS example
FROM v_dead_letters
WHERE {days:UInt32} = 0
    OR appended_at > (SELECT max(appended_at) FROM dead_letters) - toIntervalDay({days:UInt32})
GROUP BY reason, stage, `field`, topic, state
ORDER BY records DESC, reason, stage, `field`, topic, state""",
        {"days": _DAYS},
    ),
)
QUESTIONS: Final[Mapping[str, Question]] = {question.name: question for question in _ALL}


def file_values(question: Question, values: Mapping[str, Value]) -> dict[str, Value]:
    """The same question for a file: all rows instead of a page of them."""
    whole = {"limit": MOST_IN_FILE, "offset": 0}
    return {**values, **{name: value for name, value in whole.items() if name in question.parameters}}


def types(question: Question) -> dict[str, str]:
    """ClickHouse types of the parameters, by name, in the order of the SQL."""
    return places(question.sql)

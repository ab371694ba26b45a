"""Sessions, redirects and repeats as an analyst would ask ClickHouse for them: joins and window functions.

Nothing is shared with the core but the definitions. Given are the touchpoints as they were received and the person of
each identity; what is published about people is only compared with the answers.

One shortcut: the core counts a solution of a redirect only on the same journey. Within the three days that matter, the
same matter means the same journey, unless a conversation had lasted for two weeks before.
"""

from typing import Any, NamedTuple, Protocol

from processors.identifiers import hash_id

SESSION_GAP_S = 30 * 60
FOLLOW_S = FORM_S = 48 * 3600
LOST_S = 72 * 3600
CHAIN_S = 14 * 86_400
REPEAT_S = 7 * 86_400


class SessionRow(NamedTuple):
    """A session; times are UTC milliseconds, touchpoints are `tenant/source/id`."""

    person_key: str
    started_at: int
    ended_at: int
    touches: int
    channels: tuple[str, ...]
    first_touchpoint: str
    last_touchpoint: str


class FrictionRow(NamedTuple):
    """A friction as far as the oracle tells: where, whose, how."""

    friction_id: str
    person_key: str
    variant: str
    anchor_at: int


class LedgerRow(NamedTuple):
    """What the ledger adds up to: different `sums` of its `types` of accounts, persons and journeys with another sum.

    `without_voucher` are postings that no touchpoint proves, `twice` minutes posted for two frictions.
    """

    postings: int
    sums: int
    types: int
    differences: int
    without_voucher: int
    twice: int


# --- Questions that are asked of the base table ----------------------------------------------------------------------

#: Every touchpoint that counts, under the person of its home: its first identity that is not everybody's.
_TOUCHES = """
nobody AS (SELECT groupUniqArray(identifier) FROM ({identifiers}) WHERE is_placeholder),
touches AS (
    SELECT t.*, if(known.person_key = '', t.home, known.person_key) AS person,
        tuple(t.event_time, t.source, t.id) AS place
    FROM (
        SELECT *, arrayMap(identity -> splitByChar(':', identity)[-1], identities) AS hashes,
            arrayConcat(arrayFilter(hash -> NOT has((SELECT * FROM nobody), hash), hashes), hashes)[1] AS home
        FROM v_touchpoints WHERE NOT probe AND NOT staff
            AND kind NOT IN ('identity.linked', 'identity.unlinked', 'subject.erase_requested')
    ) AS t LEFT JOIN ({identifiers}) AS known ON known.identifier = t.home AND known.tenant = t.tenant
)
"""
_NO_IDENTIFIERS = "SELECT '' AS tenant, '' AS identifier, '' AS person_key, false AS is_placeholder WHERE false"
_IDENTIFIERS = "SELECT tenant, identifier, person_key, is_placeholder FROM v_person_identifiers"

_SESSIONS = """
WITH {touches},
gaps AS (
    SELECT *, {end} AS over_at,
        max(over_at) OVER (
            PARTITION BY tenant, person ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS over_before,
        event_time > over_before + INTERVAL {gap_s} SECOND AS is_new
    FROM touches
),
numbered AS (
    SELECT *, sum(is_new) OVER (PARTITION BY tenant, person ORDER BY place) AS number FROM gaps
)
SELECT any(person) AS person_key, toUnixTimestamp64Milli(min(event_time)) AS started_at,
    toUnixTimestamp64Milli(max(over_at)) AS ended_at, count() AS touches,
    arrayDistinct(arrayMap(pair -> pair.2, arraySort(groupArray((place, channel))))) AS channels,
    argMin(touchpoint_key, place) AS first_touchpoint, argMax(touchpoint_key, place) AS last_touchpoint
FROM numbered GROUP BY tenant, person, number
"""

#: What the words of a touchpoint mean: matter keys, the conversation it belongs to, what sort of act it is.
_ACTS = """
{touches},
acts AS (
    SELECT tenant, person, place, event_time AS starts, end_time AS ends, touchpoint_key, kind, channel, reason, actor,
        redirect_to, length(items_requested) AS items, fields_required, outcome,
        if(channel IN ('portal', 'form'), 'web', toString(channel)) AS family,
        if(redirect_to IN ('portal', 'form'), 'web', toString(redirect_to)) AS target,
        arrayConcat(
            arrayMap(
                parts -> (
                    multiIf(parts[1] = 'case', 0, parts[1] IN ('order', 'claim', 'promise'), 1, 2),
                    concat(parts[1], ':', parts[2])
                ),
                arrayFilter(
                    parts -> length(parts) > 1 AND arrayStringConcat(arraySlice(parts, 2), ':') != ''
                        AND parts[1] NOT IN ('campaign', 'form', 'session', 'incident', 'change'),
                    arrayMap(object -> splitByChar(':', object), objects)
                )
            ),
            if(topic = '', [], [(3, toString(topic))])
        ) AS own_keys,
        direction = 'inbound' AND actor = 'customer' AS is_of_customer,
        kind IN (
            'contact.started', 'message.received', 'call.offered', 'visit.started', 'form.submitted',
            'complaint.raised', 'social.posted'
        ) AS can_begin,
        can_begin AND is_of_customer AS is_contact,
        kind IN ('contact.ended', 'call.ended', 'visit.ended') AS is_ending,
        is_of_customer AND (
            can_begin OR kind IN ('session.started', 'page.viewed', 'screen.viewed', 'form.started')
        ) AS is_arrival,
        startsWith(kind, 'form.') OR kind = 'data.requested' AS is_form,
        kind IN ('case.resolved', 'customer.confirmed') OR (
            outcome = 'ok' AND (can_begin OR is_ending OR kind IN ('message.sent', 'callback.reached'))
        ) AS is_solution,
        kind = 'contact.redirected' AS is_redirect,
        is_redirect OR (
            actor IN ('agent', 'bot', 'system') AND kind NOT IN (
                'session.started', 'session.ended', 'page.viewed', 'screen.viewed', 'search.performed', 'ui.clicked',
                'ui.click_dead', 'ui.error', 'incident.opened', 'incident.closed', 'change.released'
            ) AND (
                kind IN ('data.requested', 'callback.promised') OR reason IN ('follow_up_invited', 'appointment')
            )
        ) AS is_invitation,
        if(thread_id = '', touchpoint_key, concat(channel, ' ', thread_id)) AS conversation,
        thread_id != '' AS has_thread
    FROM touches
),
known AS (
    SELECT *, arrayDistinct(
        arrayFlatten(groupArray(own_keys) OVER (PARTITION BY tenant, person, conversation, has_thread))
    ) AS keys
    FROM acts
)
"""

_REDIRECTS = """
WITH {acts},
redirects AS (
    SELECT * FROM known WHERE is_redirect AND redirect_to NOT IN ('', channel)
        AND reason NOT IN ('customer_request', 'emergency')
),
chained AS (
    SELECT DISTINCT later.tenant AS tenant, later.touchpoint_key AS touchpoint_key
    FROM redirects AS later INNER JOIN redirects AS earlier
        ON earlier.tenant = later.tenant AND earlier.person = later.person
    WHERE earlier.place < later.place AND hasAny(earlier.keys, later.keys)
        AND later.starts <= earlier.starts + INTERVAL {chain_s} SECOND
),
arrivals AS (
    SELECT r.tenant AS tenant, r.touchpoint_key AS touchpoint_key, min(a.place).1 AS arrived_at,
        argMin(a.is_form, a.place) AS is_at_a_form
    FROM redirects AS r INNER JOIN known AS a ON a.tenant = r.tenant AND a.person = r.person AND a.family = r.target
    WHERE a.is_arrival AND a.starts > r.starts AND (empty(a.own_keys) OR hasAny(a.own_keys, r.keys))
    GROUP BY r.tenant, r.touchpoint_key
),
forms AS (
    SELECT DISTINCT r.tenant AS tenant, r.touchpoint_key AS touchpoint_key
    FROM redirects AS r
        INNER JOIN arrivals AS a ON a.tenant = r.tenant AND a.touchpoint_key = r.touchpoint_key
        INNER JOIN known AS f ON f.tenant = r.tenant AND f.person = r.person AND f.family = r.target
    WHERE f.is_form AND hasAny(f.keys, r.keys)
        AND f.starts BETWEEN a.arrived_at AND a.arrived_at + INTERVAL {form_s} SECOND
),
solutions AS (
    SELECT r.tenant AS tenant, r.touchpoint_key AS touchpoint_key, min(s.ends) AS solved_at
    FROM redirects AS r INNER JOIN known AS s ON s.tenant = r.tenant AND s.person = r.person
    WHERE s.is_solution AND s.ends > r.starts AND hasAny(s.keys, r.keys)
    GROUP BY r.tenant, r.touchpoint_key
)
SELECT tenant, touchpoint_key, person AS person_key, toUnixTimestamp64Milli(starts) AS anchor_at,
    arrived_at > starts AND arrived_at <= starts + INTERVAL {follow_s} SECOND AS is_followed,
    (arrived_at > starts AND arrived_at <= starts + INTERVAL {lost_s} SECOND)
        OR (solved_at > starts AND solved_at <= starts + INTERVAL {lost_s} SECOND) AS is_found_again,
    multiIf(
        (tenant, touchpoint_key) IN (SELECT * FROM chained), 'chain',
        ifNull(fields_required, 0) > 0 OR items > 0
            OR (is_followed AND (is_at_a_form OR (tenant, touchpoint_key) IN (SELECT * FROM forms))), 'form',
        is_followed, 'followed',
        is_found_again OR starts + INTERVAL {lost_s} SECOND > (SELECT max(event_time) FROM v_touchpoints), 'redirected',
        'lost'
    ) AS variant
FROM redirects
    LEFT JOIN arrivals USING (tenant, touchpoint_key)
    LEFT JOIN solutions USING (tenant, touchpoint_key)
"""

_REPEATS = """
WITH {acts},
contacts AS (
    SELECT tenant, person, conversation, any(channel) AS channel, any(family) AS family, any(keys) AS keys,
        minIf(place, is_contact) AS opened, opened.1 AS starts, maxIf(ends, is_contact OR is_ending) AS ends,
        argMinIf(touchpoint_key, place, is_contact) AS touchpoint_key, argMinIf(reason, place, is_contact) AS reason
    FROM known WHERE has_thread OR is_contact
    GROUP BY tenant, person, conversation, has_thread HAVING countIf(is_contact) > 0
),
-- Of the earlier contacts within the window the one with the strongest key in common, the one that ended last.
related AS (
    SELECT later.tenant AS tenant, later.person AS person, later.touchpoint_key AS touchpoint_key,
        argMax(
            (earlier.touchpoint_key, earlier.starts, earlier.keys),
            (-tupleElement(arrayMin(arrayIntersect(earlier.keys, later.keys)), 1), earlier.ends, earlier.opened)
        ) AS before,
        any(later.keys) AS keys, any(later.opened) AS opened, any(later.starts) AS starts,
        any(later.reason) AS reason, any(later.family) AS family
    FROM contacts AS later INNER JOIN contacts AS earlier
        ON earlier.tenant = later.tenant AND earlier.person = later.person
    WHERE earlier.opened < later.opened AND hasAny(earlier.keys, later.keys)
        AND later.starts <= earlier.ends + INTERVAL {repeat_s} SECOND
    GROUP BY later.tenant, later.person, later.touchpoint_key
),
-- Another order, contract or claim is another matter.
followers AS (
    SELECT *, before.1 AS parent, arrayMap(
        type -> arrayMap(
            among -> arrayFilter(key -> key.1 < 3 AND startsWith(key.2, concat(type, ':')), among), [keys, before.3]
        ),
        ['order', 'contract', 'claim']
    ) AS named
    FROM related
    WHERE NOT arrayExists(pair -> notEmpty(pair[1]) AND notEmpty(pair[2]) AND NOT hasAny(pair[1], pair[2]), named)
),
invited AS (
    SELECT DISTINCT f.tenant AS tenant, f.touchpoint_key AS touchpoint_key
    FROM followers AS f INNER JOIN known AS i ON i.tenant = f.tenant AND i.person = f.person
    WHERE i.is_invitation AND i.starts BETWEEN f.before.2 AND f.starts
        AND hasAny(i.keys, arrayConcat(f.keys, f.before.3)) AND (NOT i.is_redirect OR i.target = f.family)
)
SELECT tenant, touchpoint_key, parent, person AS person_key, toUnixTimestamp64Milli(starts) AS anchor_at,
    toString(opened) AS opened,
    reason NOT IN ('follow_up', 'appointment', 'document', 'scheduled', 'status_call')
        AND (tenant, touchpoint_key) NOT IN (SELECT * FROM invited) AS is_friction
FROM followers ORDER BY opened
"""


_LEDGER = """
WITH accounts AS (
    SELECT tenant, type, sum(minutes) AS minutes, sum(postings) AS postings FROM v_effort_accounts GROUP BY tenant, type
),
owners AS (
    SELECT 'customer' AS type, tenant, person_key AS account, effort_minutes AS minutes FROM v_persons
    UNION ALL SELECT 'journey', tenant, journey_id, effort_minutes FROM v_journeys
),
booked AS (SELECT tenant, type, account, minutes FROM v_effort_accounts WHERE side = 'debit')
SELECT
    (SELECT count() FROM v_effort_postings) AS postings,
    (SELECT uniqExact(tenant, round(minutes, 2), postings) FROM accounts) AS sums,
    (SELECT uniqExact(type) FROM accounts) AS types,
    (
        SELECT countIf(abs(owners.minutes - booked.minutes) > 0.00001)
        FROM owners FULL JOIN booked USING (tenant, type, account)
    ) AS differences,
    (
        SELECT count() FROM v_effort_postings
        WHERE (tenant, voucher) NOT IN (SELECT tenant, touchpoint_key FROM v_touchpoints)
    ) AS without_voucher,
    (
        SELECT count() FROM (
            SELECT 1 FROM v_effort_postings
            GROUP BY tenant, voucher, if(kind IN ('wait', 'switch'), toString(kind), 'busy')
            HAVING uniqExact(friction_id) > 1
        )
    ) AS twice
"""

_OVERSPENT = """
SELECT journey_id, if(effort_minutes >= 2 * effort_budget_minutes, 'doubled', 'exceeded') AS variant
FROM v_journeys WHERE effort_minutes > effort_budget_minutes
"""

#: Who passed what on to whom, in the order of the touchpoints of each journey.
_CHAINS = """
WITH steps AS (
    SELECT j.journey_id AS journey_id, tuple(t.event_time, t.source, t.id) AS place,
        if(
            t.kind = 'contact.transferred'
                OR (t.kind = 'case.assigned' AND t.from_team != '' AND t.from_team != t.to_team),
            [toString(if(t.from_team = '', t.team, t.from_team)), toString(t.to_team)], []
        ) AS teams,
        if(t.kind = 'contact.redirected' AND t.redirect_to != '', [toString(t.channel), toString(t.redirect_to)], [])
            AS channels
    FROM (SELECT tenant, journey_id, arrayJoin(touchpoint_keys) AS touchpoint_key FROM v_journeys) AS j
        INNER JOIN v_touchpoints AS t ON t.tenant = j.tenant AND t.touchpoint_key = j.touchpoint_key
)
SELECT journey_id,
    arrayCompact(
        arrayFilter(team -> team != '', arrayFlatten(arrayMap(one -> one.2, arraySort(groupArray((place, teams))))))
    ) AS handoff_chain,
    arrayCompact(arrayFlatten(arrayMap(one -> one.2, arraySort(groupArray((place, channels)))))) AS redirect_chain
FROM steps GROUP BY journey_id
"""


class Tables(Protocol):
    """Whoever answers questions in SQL, such as a running stack."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the answer."""

    def value(self, sql: str) -> Any:
        """The one value of the answer."""


class SqlOracle:
    """Asks one stack."""

    def __init__(self, stack: Tables) -> None:
        self._stack = stack
        views = stack.value("SELECT count() AS found FROM system.tables WHERE name = 'v_person_identifiers'")
        self._touches = _TOUCHES.format(identifiers=_IDENTIFIERS if views else _NO_IDENTIFIERS)

    def sessions(self, *, by_start: bool = False) -> set[SessionRow]:
        """Sessions by the base table; with `by_start` a touchpoint is over when it begins."""
        end = "event_time" if by_start else "end_time"
        sql = _SESSIONS.format(touches=self._touches, end=end, gap_s=SESSION_GAP_S)
        return {SessionRow(**{**row, "channels": tuple(row["channels"])}) for row in self._stack.query(sql)}

    def redirects(self) -> set[FrictionRow]:
        """Every `channel_redirect`, as of the last touchpoint."""
        sql = _REDIRECTS.format(
            acts=_ACTS.format(touches=self._touches), chain_s=CHAIN_S, form_s=FORM_S, follow_s=FOLLOW_S, lost_s=LOST_S
        )
        return {_friction("channel_redirect", row, row["variant"]) for row in self._stack.query(sql)}

    def repeats(self) -> set[FrictionRow]:
        """Every `repeat_contact`."""
        rows = self._stack.query(_REPEATS.format(acts=_ACTS.format(touches=self._touches), repeat_s=REPEAT_S))
        firsts: dict[str, str] = {}
        contacts: dict[str, int] = {}
        found = set()
        for row in rows:
            first = firsts[row["touchpoint_key"]] = firsts.get(row["parent"], row["parent"])
            position = contacts[first] = contacts.get(first, 1) + 1
            if row["is_friction"]:
                variant = "fifth" if position >= 5 else "third" if position >= 3 else "repeat"
                found.add(_friction("repeat_contact", row, variant))
        return found

    def ledger(self) -> LedgerRow:
        """Whether minutes agree in every direction."""
        (row,) = self._stack.query(_LEDGER)
        return LedgerRow(**row)

    def overspent(self) -> set[tuple[str, str]]:
        """Journeys over their budget, with the variant of the friction that says so."""
        return {(row["journey_id"], row["variant"]) for row in self._stack.query(_OVERSPENT)}

    def chains(self) -> dict[str, tuple[list[str], list[str]]]:
        """Teams and channels that passed each journey on."""
        return {row["journey_id"]: (row["handoff_chain"], row["redirect_chain"]) for row in self._stack.query(_CHAINS)}


def _friction(rule_id: str, row: dict[str, Any], variant: str) -> FrictionRow:
    friction_id = hash_id("friction", row["tenant"], rule_id, row["touchpoint_key"])
    return FrictionRow(friction_id, row["person_key"], variant, row["anchor_at"])


# --- What is published -----------------------------------------------------------------------------------------------


def published_sessions(stack: Tables) -> set[SessionRow]:
    """Sessions as analysts read them."""
    sql = """
        SELECT person_key, toUnixTimestamp64Milli(started_at) AS started_at,
            toUnixTimestamp64Milli(ended_at) AS ended_at, touches, channels, first_touchpoint, last_touchpoint
        FROM v_sessions
    """
    return {SessionRow(**{**row, "channels": tuple(row["channels"])}) for row in stack.query(sql)}


def published_frictions(stack: Tables, rule_id: str) -> set[FrictionRow]:
    """Frictions of a rule as analysts read them."""
    sql = f"""
        SELECT friction_id, person_key, variant, toUnixTimestamp64Milli(anchor_at) AS anchor_at
        FROM v_frictions WHERE rule_id = '{rule_id}'
    """
    return {FrictionRow(**row) for row in stack.query(sql)}


def published_chains(stack: Tables) -> dict[str, tuple[list[str], list[str]]]:
    """Teams and channels that passed each journey on, as analysts read them."""
    sql = "SELECT journey_id, handoff_chain, redirect_chain FROM v_journeys"
    return {row["journey_id"]: (row["handoff_chain"], row["redirect_chain"]) for row in stack.query(sql)}


def published_overspent(stack: Tables) -> set[tuple[str, str]]:
    """Journeys over their budget, as frictions say."""
    sql = "SELECT journey_id, variant FROM v_frictions WHERE rule_id = 'effort_budget_exceeded'"
    return {(row["journey_id"], row["variant"]) for row in stack.query(sql)}

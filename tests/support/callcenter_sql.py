"""What an analyst would ask a call-centre log in plain SQL: ClickHouse reads its CSV file, the product is not asked.

The definitions are those of the rules, with their numbers written out again. A touchpoint's id is an arbitrary name
that decides between lines of one minute; so SQL is told the id of each line, and nothing else.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from clickhouse_driver import Client

from streams.producing.importing import row_hash
from streams.producing.mapping_files import load_mapping
from streams.producing.table_rows import Row, Table
from tests.support.callcenter import COLUMNS
from tests.support.local_clickhouse import running_clickhouse

PING_PONG_HOPS = 3
PING_PONG_OFTEN = 5
PING_PONG_DAYS = 14
PEOPLE = 4
PEOPLE_DAYS = 14
REPEAT_DAYS = 7
SWITCH_HOURS = 24


class Found(NamedTuple):
    """A friction: the case and time (UTC milliseconds) of its anchor, its id, and the ids of all it is proved by."""

    case: str
    at: int
    anchor: str
    variant: str
    proofs: tuple[str, ...]


class Changes(NamedTuple):
    """How often the next line of a case was of another channel, person or team than the one before, by what it was.

    `inside` is work that the customer has no part in, `to_customer` the company that wrote or called, `answering` a
    contact of the customer right after the company had written or called, `from_customer` every other contact.
    """

    inside: int
    to_customer: int
    answering: int
    from_customer: int


_LINES = f"""
lines AS (
    SELECT DISTINCT id, ServiceID AS case, "Customer ID" AS customer, Product AS product, AgentPosition AS team,
        Agent AS agent, Operation AS operation, startsWith(operation, 'Inbound') AS is_inbound,
        startsWith(operation, 'Handle') AS is_inside, if(operation LIKE '%Call%', 'phone', 'email') AS channel,
        parseDateTime("Start Date", '%e.%c.%y %k:%i', 'UTC') AS starts,
        greatest(starts, parseDateTime("End Date", '%e.%c.%y %k:%i', 'UTC')) AS ends, (starts, id) AS place
    FROM file({{log}}, 'CSVWithNames') AS written
        INNER JOIN file({{ids}}, 'JSONEachRow') AS named
        USING ({", ".join(f'"{column}"' for column in COLUMNS)})
)
"""

#: The customer's contacts, each with the earlier one of its matter: of the same case, else of the same product.
_RELATED = """
contacts AS (SELECT * FROM lines WHERE is_inbound),
related AS (
    SELECT later.id AS id, any(later.case) AS case, any(later.place) AS place, any(later.channel) AS channel,
        argMax((earlier.id, earlier.channel), (earlier.case = later.case, earlier.ends, earlier.place)) AS before
    FROM contacts AS later INNER JOIN contacts AS earlier ON earlier.customer = later.customer
    WHERE earlier.place < later.place AND (earlier.case = later.case OR earlier.product = later.product)
        AND later.starts <= earlier.ends + INTERVAL {within}
    GROUP BY later.id
)
"""

_REPEATS = f"""
WITH RECURSIVE {_LINES}, {_RELATED},
chains AS (
    SELECT id, id AS first FROM contacts WHERE id NOT IN (SELECT id FROM related)
    UNION ALL
    SELECT related.id AS id, chains.first AS first FROM related INNER JOIN chains ON chains.id = related.before.1
),
numbered AS (
    SELECT id, first, row_number() OVER (PARTITION BY first ORDER BY place) AS number
    FROM chains INNER JOIN contacts USING (id)
)
SELECT case, toUnixTimestamp(place.1) * 1000 AS at, id,
    multiIf(number >= 5, 'fifth', number >= 3, 'third', 'repeat') AS variant, [first, before.1, id] AS proofs
FROM related INNER JOIN numbered USING (id)
"""

_SWITCHES = f"""
WITH {_LINES}, {_RELATED}
SELECT case, toUnixTimestamp(place.1) * 1000 AS at, id, 'switched' AS variant, [before.1, id] AS proofs
FROM related WHERE before.2 != channel
"""

#: Of such contacts those before which the company had written or called on the case, since the earlier one.
_FOLLOWED_UP = f"""
WITH {_LINES}, {_RELATED}
SELECT uniqExact(related.id)
FROM related INNER JOIN contacts AS earlier ON earlier.id = related.before.1
    INNER JOIN lines ON lines.case = related.case
WHERE NOT lines.is_inside AND NOT lines.is_inbound AND lines.starts BETWEEN earlier.starts AND related.place.1
    AND {{which}}
"""

#: The first line with which so many people had worked on the case within the window, in each stretch of a case without
#: a pause as long as that.
_HANDOFFS = f"""
WITH {_LINES},
paused AS (
    SELECT *, starts > lagInFrame(starts) OVER own + INTERVAL {PEOPLE_DAYS} DAY AS is_paused FROM lines WHERE {{who}}
    WINDOW own AS (PARTITION BY customer, case ORDER BY place ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
),
stretches AS (
    SELECT *, sum(is_paused) OVER (PARTITION BY customer, case ORDER BY place) AS stretch FROM paused
),
reached AS (
    SELECT later.customer AS customer, later.case AS case, later.stretch AS stretch, later.place AS place
    FROM stretches AS later INNER JOIN stretches AS earlier
        ON earlier.customer = later.customer AND earlier.case = later.case
    WHERE earlier.place <= later.place AND earlier.starts >= later.starts - INTERVAL {PEOPLE_DAYS} DAY
    GROUP BY ALL HAVING uniqExact(earlier.agent) >= {PEOPLE}
),
anchors AS (SELECT customer, case, stretch, min(place) AS anchor FROM reached GROUP BY ALL)
SELECT case, toUnixTimestamp(anchor.1) * 1000 AS at, anchor.2 AS id, 'agents' AS variant,
    groupArray(stretches.id) AS proofs
FROM stretches INNER JOIN anchors USING (customer, case, stretch)
WHERE starts >= anchor.1 - INTERVAL {PEOPLE_DAYS} DAY
GROUP BY customer, case, stretch, anchor
"""

#: Hops between the teams that worked on a case: the first one back after so many within the window, in each row of
#: hops without a pause as long as that.
_PING_PONG = f"""
WITH {_LINES},
worked AS (
    SELECT *, lagInFrame(team) OVER own AS team_before, lagInFrame(place) OVER own AS place_before
    FROM lines WHERE {{who}}
    WINDOW own AS (PARTITION BY customer, case ORDER BY place ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
),
hops AS (
    SELECT *, starts > lagInFrame(starts) OVER own + INTERVAL {PING_PONG_DAYS} DAY AS is_paused
    FROM worked WHERE team_before NOT IN ('', team)
    WINDOW own AS (PARTITION BY customer, case ORDER BY place ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
),
rows AS (SELECT *, sum(is_paused) OVER (PARTITION BY customer, case ORDER BY place) AS row FROM hops),
reached AS (
    SELECT later.customer AS customer, later.case AS case, later.row AS row, later.place AS place
    FROM rows AS later INNER JOIN hops AS earlier ON earlier.customer = later.customer AND earlier.case = later.case
    WHERE earlier.place <= later.place AND earlier.place_before.1 >= later.starts - INTERVAL {PING_PONG_DAYS} DAY
    GROUP BY later.customer, later.case, later.row, later.place
    HAVING count() >= {PING_PONG_HOPS} AND countIf(earlier.team_before = later.team) > 0
),
anchors AS (SELECT customer, case, row, min(place) AS anchor FROM reached GROUP BY ALL)
SELECT case, toUnixTimestamp(anchor.1) * 1000 AS at, anchor.2 AS id,
    if(count() >= {PING_PONG_OFTEN}, 'teams_often', 'teams') AS variant,
    arrayConcat([min(place_before).2], groupArray(rows.id)) AS proofs
FROM rows INNER JOIN anchors USING (customer, case, row)
WHERE place_before.1 >= anchor.1 - INTERVAL {PING_PONG_DAYS} DAY
GROUP BY customer, case, row, anchor
"""

#: Of one minute the customer's line comes first: the company answers.
_CHANGES = f"""
WITH {_LINES},
steps AS (
    SELECT *, lagInFrame({{what}}) OVER own AS before, lagInFrame(is_inbound) OVER own AS was_inbound,
        lagInFrame(is_inside) OVER own AS was_inside
    FROM lines WHERE {{who}}
    WINDOW own AS (
        PARTITION BY customer, case ORDER BY starts, NOT is_inbound, id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    )
)
SELECT countIf(is_inside), countIf(NOT is_inside AND NOT is_inbound),
    countIf(is_inbound AND NOT was_inbound AND NOT was_inside), countIf(is_inbound AND (was_inbound OR was_inside))
FROM steps WHERE before NOT IN ('', {{what}})
"""


@contextmanager
def log_in_sql(log: Path, folder: Path) -> Iterator["LogInSql"]:
    """Ask a log; an engine of its own runs in the folder until the context ends."""
    ids = folder / "ids.jsonl"
    mapping = load_mapping("callcenter")
    with ids.open("w") as file:
        for row in Table(log, mapping.format, mapping.csv):
            assert isinstance(row, Row)
            file.write(json.dumps({**row.values, "id": row_hash(row.values)}) + "\n")
    with running_clickhouse(folder / "clickhouse") as ports:
        client = Client("127.0.0.1", ports.native, settings={"schema_inference_make_columns_nullable": 0})
        try:
            yield LogInSql(client, log, ids)
        finally:
            client.disconnect()


class LogInSql:
    """Asks one log; `ids` is a file with the id of each line."""

    def __init__(self, client: Client, log: Path, ids: Path) -> None:
        self._client = client
        self._files = {"log": f"'{log}'", "ids": f"'{ids}'"}

    def repeats(self) -> set[Found]:
        """Contacts within seven days after an earlier one of the same matter, with their number in the chain."""
        return self._found(_REPEATS, within=f"{REPEAT_DAYS} DAY")

    def switches(self) -> set[Found]:
        """Contacts within 24 hours after the last one of the same matter, which was on another channel."""
        return self._found(_SWITCHES, within=f"{SWITCH_HOURS} HOUR")

    def handoffs(self, *, of_inside_work: bool = True) -> set[Found]:
        """Cases that four people worked on within 14 days; without inside work, that had to do with the customer."""
        return self._found(_HANDOFFS, who="true" if of_inside_work else "NOT is_inside")

    def ping_pong(self, *, of_contacts: bool) -> set[Found]:
        """Cases on which teams took turns, three times in 14 days; with or without taking contacts of the customer."""
        return self._found(_PING_PONG, who="true" if of_contacts else "NOT is_inbound")

    def followed_up_repeats(self) -> int:
        """Repeats before which the company had written or called on the case, since the contact before."""
        return int(self._rows(_FOLLOWED_UP, within=f"{REPEAT_DAYS} DAY", which="true")[0][0])

    def followed_up_switches(self) -> int:
        """Switches to a channel on which the company had written or called in between."""
        which = "related.before.2 != related.channel AND lines.channel = related.channel"
        return int(self._rows(_FOLLOWED_UP, within=f"{SWITCH_HOURS} HOUR", which=which)[0][0])

    def channel_changes(self) -> Changes:
        """Changes of the channel between customer and company; inside work is on none."""
        return Changes(*self._rows(_CHANGES, what="channel", who="NOT is_inside")[0])

    def changes_of_person(self) -> Changes:
        """Changes of who works on the case or takes the customer's contact."""
        return Changes(*self._rows(_CHANGES, what="agent", who="true")[0])

    def changes_of_team(self) -> Changes:
        """Changes of their team."""
        return Changes(*self._rows(_CHANGES, what="team", who="true")[0])

    def _found(self, sql: str, **words: str) -> set[Found]:
        rows = self._rows(sql, **words)
        found = {
            Found(case, at, anchor, variant, tuple(sorted(set(proofs)))) for case, at, anchor, variant, proofs in rows
        }
        assert len(found) == len(rows)
        return found

    def _rows(self, sql: str, **words: str) -> list[Any]:
        rows: list[Any] = self._client.execute(sql.format(**self._files, **words))
        return rows

"""What the ClickHouse plugin of Grafana makes of a query before it sends it.

Documentation: https://github.com/grafana/clickhouse-datasource, section Macros; Grafana's formats of variables:
https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/#advanced-variable-format-options
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

ALL = ("$__all",)


class View(NamedTuple):
    """What somebody looks at: a time range and an interval in milliseconds, and the values of the variables."""

    since: int
    until: int
    interval: int
    variables: Mapping[str, Sequence[str]]


def expanded(sql: str, view: View) -> str:
    """The query that reaches ClickHouse.

    Raises:
        ValueError: a macro or a variable is left that nobody knows.

    """
    sql = _conditions(sql, view.variables)
    sql = re.sub(r"\$\{(\w+):singlequote\}", lambda match: _quoted(view.variables[match[1]]), sql)
    sql = re.sub(r"\$__(\w+)(?:\(([^()]*)\))?", lambda match: _macro(match[1], match[2], view), sql)
    if "$" in sql:
        raise ValueError(f"something is left to expand: {sql}")
    return sql


def _conditions(sql: str, variables: Mapping[str, Sequence[str]]) -> str:
    """From the last to the first, as the plugin does it: a condition falls away where its variable says All."""
    begin = "$__conditionalAll("
    while (at := sql.rfind(begin)) != -1:
        parts, end = _arguments(sql, at + len(begin))
        if len(parts) != 2:
            raise ValueError(f"a condition and a variable are needed: {parts}")
        chosen = variables[parts[1].strip().removeprefix("$")]
        sql = sql[:at] + ("1=1" if tuple(chosen) == ALL else parts[0]) + sql[end:]
    return sql


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """Arguments between brackets, split at commas outside of inner round ones, and where they end.

    The plugin counts brackets in quotes as well.
    """
    parts, depth, begin = [], 1, start
    for place in range(start, len(sql)):
        match sql[place]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case ",":
                if depth == 1:
                    parts.append(sql[begin:place])
                    begin = place + 1
        if depth == 0:
            return [*parts, sql[begin:place]], place + 1
    raise ValueError(f"a bracket is not closed: {sql[start:]}")


def _quoted(values: Sequence[str]) -> str:
    return ",".join("'" + value.replace("'", "\\'") + "'" for value in values)


def _macro(name: str, argument: str | None, view: View) -> str:
    def seconds(time_ms: int) -> str:
        return f"toDateTime({time_ms // 1000})"

    def milliseconds(time_ms: int) -> str:
        return f"fromUnixTimestamp64Milli({time_ms})"

    def day(time_ms: int) -> str:
        return f"toDate('{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d}')"

    def between(spell: Callable[[int], str]) -> str:
        return f"{argument} >= {spell(view.since)} AND {argument} <= {spell(view.until)}"

    match name:
        case "timeFilter":
            return between(seconds)
        case "timeFilter_ms":
            return between(milliseconds)
        case "dateFilter":
            return between(day)
        case "fromTime":
            return seconds(view.since)
        case "toTime":
            return seconds(view.until)
        case "timeInterval":
            return f"toStartOfInterval(toDateTime({argument}), INTERVAL {max(view.interval // 1000, 1)} second)"
        case "interval_s":
            return str(max(view.interval // 1000, 1))
        case _:
            raise ValueError(f"there is no macro {name}")

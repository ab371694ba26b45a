"""Reads back the alert ledger: members, incidents, notices, and what people did."""

from collections.abc import Iterable

from sinks.clickhouse.column_reader import FEW_KEYS, ColumnReader, parts, selection, structs
from sinks.clickhouse.records import ActionRecord, AlertRecord, IncidentRecord, NoticeRecord, Tally
from sinks.clickhouse.tables import ALERT_ACTIONS, ALERT_INCIDENTS, ALERT_NOTICES, ALERTS


class AlertReader(ColumnReader):
    """What is known of alerts."""

    def load_alerts(self, friction_ids: Iterable[str]) -> list[AlertRecord]:
        """Entries of the alert ledger for these frictions, retractions included."""
        records: list[AlertRecord] = []
        sql = f"SELECT {selection(ALERTS.columns)} FROM alerts FINAL WHERE friction_id IN %(keys)s"  # noqa: S608
        for keys in parts(dict.fromkeys(friction_ids)):
            records += structs(AlertRecord, ALERTS, self.columns(sql, {"keys": keys}, "reading alerts"))
        return records

    def load_alert_persons(self, incident_ids: Iterable[str], person_keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """How many standing members of these incidents each of these persons has, by incident and person."""
        incidents = tuple(incident_ids)
        found: dict[tuple[str, str], int] = {}
        if not incidents:
            return found
        sql = (
            "SELECT incident_id, person_key, uniqExact(friction_id) FROM alerts FINAL"
            " WHERE incident_id IN %(incidents)s AND person_key IN %(keys)s AND channel != '' AND state != 'retracted'"
            " GROUP BY incident_id, person_key"
        )
        for keys in parts(dict.fromkeys(person_keys), FEW_KEYS):
            for some in parts(incidents, FEW_KEYS):
                columns = self.columns(sql, {"keys": keys, "incidents": some}, "reading alerts")
                found |= {(incident, person): count for incident, person, count in zip(*columns, strict=True)}
        return found

    def load_alert_tallies(self, incident_ids: Iterable[str]) -> list[Tally]:
        """Standing members of these incidents; those without any are left out."""
        found: list[Tally] = []
        sql = (
            "SELECT incident_id, uniqExact(friction_id), uniqExact(person_key), sum(one_minutes),"
            " arrayMap(level -> countEqual(groupArray(one_severity), level), range(1, 6)) FROM"
            " (SELECT incident_id, friction_id, any(person_key) AS person_key, any(minutes) AS one_minutes,"
            " any(severity) AS one_severity FROM alerts FINAL"
            " WHERE incident_id IN %(keys)s AND channel != '' AND state != 'retracted'"
            " GROUP BY incident_id, friction_id) GROUP BY incident_id"
        )
        for keys in parts(dict.fromkeys(incident_ids)):
            for row in zip(*self.columns(sql, {"keys": keys}, "reading alerts"), strict=True):
                id_, frictions, customers, minutes, by_severity = row
                counts = tuple(int(count) for count in by_severity)
                found.append(
                    Tally(
                        incident_id=id_, frictions=frictions, customers=customers, minutes=minutes, by_severity=counts
                    )
                )
        return found

    def load_open_incidents(self) -> list[IncidentRecord]:
        """Incidents of which something may still have to be said."""
        return self._incidents("NOT is_over ORDER BY started_at, incident_id", {})

    def load_incidents(self, incident_ids: Iterable[str]) -> list[IncidentRecord]:
        """Incidents by id."""
        found: list[IncidentRecord] = []
        for keys in parts(dict.fromkeys(incident_ids)):
            found += self._incidents("incident_id IN %(keys)s", {"keys": keys})
        return found

    def list_incidents(self, *, open_only: bool, limit: int) -> list[IncidentRecord]:
        """Incidents, the newest first."""
        where = "phase = 'open'" if open_only else "1"
        return self._incidents(f"{where} ORDER BY last_member_at DESC, incident_id LIMIT %(limit)s", {"limit": limit})

    def find_incidents(self, prefix: str) -> list[IncidentRecord]:
        """Incidents whose id begins so; two at most."""
        return self._incidents("startsWith(incident_id, %(prefix)s) LIMIT 2", {"prefix": prefix})

    def _incidents(self, condition: str, parameters: dict[str, object]) -> list[IncidentRecord]:
        sql = f"SELECT {selection(ALERT_INCIDENTS.columns)} FROM alert_incidents FINAL WHERE {condition}"  # noqa: S608
        columns = self.columns(sql, parameters, "reading incidents")
        return structs(IncidentRecord, ALERT_INCIDENTS, columns)

    def load_unsettled_notices(self) -> list[NoticeRecord]:
        """Notices that a channel has yet to get, in the order in which they were decided."""
        return self._notices("state IN ('due', 'sending') ORDER BY decided_at, notice_id", {})

    def load_notices(self, notice_ids: Iterable[str]) -> list[NoticeRecord]:
        """Notices by id."""
        found: list[NoticeRecord] = []
        for keys in parts(dict.fromkeys(notice_ids)):
            found += self._notices("notice_id IN %(keys)s", {"keys": keys})
        return found

    def list_notices(
        self, *, state: str = "", incident_id: str = "", since: int = 0, limit: int = 100
    ) -> list[NoticeRecord]:
        """Notices, the newest first: in one state or any, of one incident or all, decided from `since` (UTC ms) on."""
        return self._notices(
            "(%(state)s = '' OR state = %(state)s) AND (%(incident)s = '' OR has(incident_ids, %(incident)s))"
            " AND decided_at >= fromUnixTimestamp64Milli(%(since)s) "
            " ORDER BY decided_at DESC, notice_id LIMIT %(limit)s",
            {"state": state, "incident": incident_id, "since": since, "limit": limit},
        )

    def _notices(self, condition: str, parameters: dict[str, object]) -> list[NoticeRecord]:
        sql = f"SELECT {selection(ALERT_NOTICES.columns)} FROM alert_notices FINAL WHERE {condition}"  # noqa: S608
        return structs(NoticeRecord, ALERT_NOTICES, self.columns(sql, parameters, "reading notices"))

    def load_told_causes(self, since: int) -> dict[tuple[str, str], int]:
        """When channels were last told of causes alone, from `since` (UTC ms) on, by channel and cause."""
        sql = (
            "SELECT notices.channel, incidents.cause, toUnixTimestamp64Milli(max(notices.decided_at))"
            " FROM (SELECT channel, decided_at, incident_ids[1] AS incident_id FROM alert_notices FINAL"
            " WHERE kind IN ('opened', 'updated') AND state NOT IN ('superseded', 'expired')"
            " AND decided_at >= fromUnixTimestamp64Milli(%(since)s)) AS notices"
            " INNER JOIN (SELECT incident_id, cause FROM alert_incidents FINAL) AS incidents"
            " ON notices.incident_id = incidents.incident_id GROUP BY 1, 2"
        )
        columns = self.columns(sql, {"since": since}, "reading notices")
        return {(channel, cause): at for channel, cause, at in zip(*columns, strict=True)}

    def load_recent_notices(self, since: int) -> dict[str, list[int]]:
        """Moments at which messages of each channel were decided, from `since` (UTC ms) on, by channel."""
        sql = (
            "SELECT toString(channel), arraySort(groupArray(toUnixTimestamp64Milli(decided_at)))"
            " FROM alert_notices FINAL WHERE state NOT IN ('superseded', 'expired')"
            " AND decided_at >= fromUnixTimestamp64Milli(%(since)s) GROUP BY channel"
        )
        columns = self.columns(sql, {"since": since}, "reading notices")
        return {channel: list(moments) for channel, moments in zip(*columns, strict=True)}

    def load_actions(
        self, *, pending_only: bool = False, incident_id: str = "", snoozed_at: int | None = None
    ) -> list[ActionRecord]:
        """What people did, in order: what waits to be applied, of one incident, or snoozes that hold."""
        condition = (
            "(NOT %(pending)s OR applied_at IS NULL) AND (%(incident)s = '' OR incident_id = %(incident)s)"
            " AND (%(snoozed_at)s = 0 OR (kind = 'snooze' AND until > fromUnixTimestamp64Milli(%(snoozed_at)s)))"
        )
        sql = (
            f"SELECT {selection(ALERT_ACTIONS.columns)} FROM alert_actions FINAL"  # noqa: S608  # our own names
            f" WHERE {condition} ORDER BY acted_at, action_id"
        )
        parameters: dict[str, object] = {
            "pending": int(pending_only),
            "incident": incident_id,
            "snoozed_at": snoozed_at or 0,
        }
        return structs(ActionRecord, ALERT_ACTIONS, self.columns(sql, parameters, "reading actions"))

    def load_cause_paces(self, causes: Iterable[str], since: int) -> dict[str, tuple[int, int]]:
        """Customers in incidents of causes from `since` (UTC ms) on, and when the first of those began; by cause."""
        found: dict[str, tuple[int, int]] = {}
        sql = (
            "SELECT cause, toUInt64(sum(customers)), toUnixTimestamp64Milli(min(started_at)) FROM alert_incidents FINAL"
            " WHERE cause IN %(keys)s AND started_at >= fromUnixTimestamp64Milli(%(since)s) GROUP BY cause"
        )
        for keys in parts(dict.fromkeys(causes), FEW_KEYS):
            columns = self.columns(sql, {"keys": keys, "since": since}, "reading incidents")
            found |= {cause: (customers, began) for cause, customers, began in zip(*columns, strict=True)}
        return found

    def load_cause_weeks(self, causes: Iterable[str], now: int) -> dict[str, tuple[int, ...]]:
        """Frictions of causes in the last five weeks up to `now` (UTC ms), the latest first; by cause."""
        found: dict[str, tuple[int, ...]] = {}
        sql = (
            "SELECT cause, arrayMap(week -> countEqual(groupArray(week_number), week), range(5)) FROM"
            " (SELECT incidents.cause AS cause, intDiv(%(now)s - toUnixTimestamp64Milli(members.first_at), 604800000)"
            " AS week_number FROM (SELECT incident_id, friction_id, min(joined_at) AS first_at FROM alerts FINAL"
            " WHERE channel != '' AND state != 'retracted'"
            " AND joined_at > fromUnixTimestamp64Milli(%(now)s - 5 * 604800000)"
            " GROUP BY incident_id, friction_id) AS members INNER JOIN"
            " (SELECT incident_id, cause FROM alert_incidents FINAL WHERE cause IN %(keys)s) AS incidents"
            " ON members.incident_id = incidents.incident_id) GROUP BY cause"
        )
        for keys in parts(dict.fromkeys(causes), FEW_KEYS):
            for cause, weeks in zip(*self.columns(sql, {"keys": keys, "now": now}, "reading alerts"), strict=True):
                found[cause] = tuple(int(count) for count in weeks)
        return found

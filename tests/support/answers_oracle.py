"""The ready-made answers, computed in Python from the rows of the base tables: nothing is shared with the views.

Rows are read plainly, repeated and withdrawn ones too; which of them count is decided here. Answers are dictionaries
from what names a row to what the view says of it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from clickhouse_driver import Client

Row = dict[str, Any]
Answer = dict[tuple[Any, ...], tuple[Any, ...]]

BEGINNINGS = {
    "contact.started", "message.received", "call.offered", "visit.started", "form.submitted", "complaint.raised",
    "social.posted",
}  # fmt: skip
ENDINGS = {"contact.ended", "call.ended", "visit.ended"}
NOT_AN_ANSWER = {
    "message.auto_ack", "queue.entered", "queue.left", "hold.started", "hold.ended", "attempt.blocked",
    "case.assigned", "case.waiting",
}  # fmt: skip
STATEMENTS = {"identity.linked", "identity.unlinked", "subject.erase_requested", "history.refold_requested"}
UNRELATED = {"campaign", "form", "session", "incident", "change"}
FAILURES = {
    "repeat_contact", "unprompted_switch", "channel_redirect", "status_chasing", "self_service_dead_end",
    "false_containment", "complaint_after_resolution",
}  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def _rows(client: Client, table: str) -> list[Row]:
    rows, described = client.execute(f"SELECT * FROM {table}", with_column_types=True)
    return [dict(zip([name for name, _ in described], row, strict=True)) for row in rows]


def _counting(rows: Iterable[Row], key: Sequence[str], version: str = "version") -> list[Row]:
    """Of each key the row with the highest version, unless that one says that there is none."""
    latest: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        name = tuple(row[column] for column in key)
        if name not in latest or row[version] >= latest[name][version]:
            latest[name] = row
    return [row for row in latest.values() if not row.get("is_deleted")]


def touchpoint_key(tenant: str, source: str, id_: str) -> str:
    """As evidence and journeys name a touchpoint."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (tenant, source, id_))


def monday(moment: datetime) -> date:
    """Monday of the week."""
    return (moment - timedelta(days=moment.weekday())).date()


def percentile(values: Sequence[float], share: float) -> float | None:
    """With linear interpolation, both ends included."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def share(part: float, whole: float) -> float | None:
    """A share, or nothing of nothing."""
    return part / whole if whole else None


class Contact(NamedTuple):
    """A contact, as far as the oracle tells."""

    tenant: str
    id: str
    person: str
    channel: str
    kind: str
    started: datetime
    ended: datetime
    team: str
    touchpoint: str
    topic: str
    reason: str
    matters: frozenset[str]
    touches: int
    is_blocked: bool
    is_answer_known: bool
    answered: datetime | None
    outcome: str


def matters_of(row: Row) -> set[str]:
    """What a touchpoint is about, without its topic."""
    found = set()
    for text in row["objects"]:
        type_, separator, rest = text.partition(":")
        first = rest.split(":")[0]
        if separator and first and type_ not in UNRELATED:
            found.add(f"{type_}:{first}")
    return found


def matters_and_topic_of(row: Row) -> set[str]:
    """What a touchpoint is about."""
    return matters_of(row) | ({f"topic:{row['topic']}"} if row["topic"] else set())


class Oracle:
    """Answers about what is in the base tables of one database."""

    def __init__(self, client: Client) -> None:
        self.touchpoints = _counting(
            _rows(client, "touchpoints"), ("tenant", "identity_hash", "event_time", "source", "id"), "ingest_version"
        )
        self.frictions = _counting(_rows(client, "frictions"), ("tenant", "friction_id"))
        self.journeys = _counting(_rows(client, "journeys"), ("tenant", "journey_id"))
        self.postings = _counting(_rows(client, "effort_postings"), ("tenant", "posting_id"))
        self.dead = _counting(_rows(client, "dead_letters"), ("topic", "topic_incarnation", "partition", "offset"))
        owners = {row["identifier"]: row for row in _counting(_rows(client, "person_identifiers"), ("identifier",))}
        for row in self.touchpoints:
            row["key"] = touchpoint_key(row["tenant"], row["source"], row["id"])
            row["place"] = (row["event_time"], row["source"], row["id"])
            row["is_of_customer"] = row["direction"] == "inbound" and row["actor"] == "customer"
            home = row["identity_hash"]
            if home in owners and owners[home]["is_placeholder"]:
                hashes = [identity.rpartition(":")[2] for identity in row["identities"]]
                real = [one for one in hashes if not (one in owners and owners[one]["is_placeholder"])]
                home = real[0] if real else home
            row["person"] = owners[home]["person_key"] if home in owners else home
        for row in self.frictions:
            row["proof"] = json.loads(row["evidence"])
        self.reached = {
            tenant: max(row["event_time"] for row in self.touchpoints if row["tenant"] == tenant)
            for tenant in {row["tenant"] for row in self.touchpoints}
        }
        self.posted: Counter[str] = Counter()
        for row in self.postings:
            self.posted[row["friction_id"]] += row["minutes"]
        #: Not synthetic monitoring, not an employee, and no statement about identities.
        self.told = [
            row for row in self.touchpoints if not row["probe"] and not row["staff"] and row["kind"] not in STATEMENTS
        ]
        self.contacts = self._contacts()

    # --- What others build on

    def _contacts(self) -> list[Contact]:
        conversations: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in self.told:
            talk = row["thread_id"] or (row["reply_to"] if row["actor"] != "customer" else "") or row["id"]
            name = (row["tenant"], row["person"], row["channel"], talk, row["thread_id"] != "")
            conversations[name].append(row)
        found = []
        for (tenant, person, channel, _, has_thread), rows in conversations.items():
            rows.sort(key=lambda row: row["place"])
            beginnings = [row for row in rows if row["is_of_customer"] and row["kind"] in BEGINNINGS]
            attempts = [row for row in rows if row["is_of_customer"] and row["kind"] == "attempt.blocked"]
            if not beginnings and not attempts:
                continue
            first = (beginnings or attempts)[0]
            ends = [row["end_time"] for row in rows if row in beginnings or row["kind"] in ENDINGS]
            answers = [
                row["event_time"]
                for row in rows
                if row["actor"] in {"agent", "bot", "partner"}
                and row["kind"] not in NOT_AN_ANSWER
                and row["place"] > first["place"]
            ]
            if first["team"] or first["actor_id"]:
                answers = [first["event_time"]]
            topic = next((row["topic"] for row in rows if row["topic"]), "")
            is_blocked = all(row["kind"] == "attempt.blocked" for row in rows)
            found.append(
                Contact(
                    tenant=tenant,
                    id=first["key"],
                    person=person,
                    channel=channel,
                    kind=first["kind"],
                    started=first["event_time"],
                    ended=max([first["event_time"], *ends]),
                    team=next((row["team"] for row in rows if row["team"] and row["place"] >= first["place"]), ""),
                    touchpoint=first["touchpoint"],
                    topic=topic,
                    reason=first["reason"] or topic,
                    matters=frozenset().union(*map(matters_of, rows), {f"topic:{topic}"} if topic else ()),
                    touches=len(rows),
                    is_blocked=is_blocked,
                    is_answer_known=has_thread or is_blocked or bool(answers),
                    answered=min(answers, default=None),
                    outcome=next(
                        (row["outcome"] for row in reversed(rows) if row["outcome"] not in {"", "unknown"}), ""
                    ),
                )
            )
        return found

    def v_contacts(self) -> Answer:
        """Every contact."""
        return {
            (one.tenant, one.id): (
                one.person, one.channel, one.kind, one.started, one.ended, one.started.isoweekday(), one.started.hour,
                one.team, one.touchpoint, one.topic, one.reason, sorted(one.matters), one.touches, one.is_blocked,
                one.is_answer_known, one.answered,
                None if one.answered is None else (one.answered - one.started).total_seconds() / 60, one.outcome,
            )
            for one in self.contacts
        }  # fmt: skip

    def _grouped(self, rows: Iterable[Any], by: Callable[[Any], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Any]]:
        groups: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for row in rows:
            groups[by(row)].append(row)
        return dict(groups)

    # --- The answers

    def v_redirect_matrix(self) -> Answer:
        """Redirects channel by channel."""
        redirects = [row for row in self.frictions if row["rule_id"] == "channel_redirect"]
        answer: Answer = {}
        by = self._grouped(redirects, lambda row: (row["tenant"], row["from_channel"], row["to_channel"]))
        for name, rows in by.items():
            arrived = sum(
                any(check["name"] == "arrival" and check["passed"] for check in row["proof"]["checks"]) for row in rows
            )
            solved = sum(row["status"] == "cleared" for row in rows)
            answer[name] = (
                len(rows), len({row["person_key"] for row in rows}), arrived, arrived / len(rows),
                sum(row["variant"] == "lost" for row in rows), solved, solved / len(rows),
                sum(self.posted[row["friction_id"]] for row in rows),
            )  # fmt: skip
        return answer

    def v_friction_ranking(self) -> Answer:
        """Frictions by team, touchpoint and cause, without their place."""
        by_key = {row["key"]: row for row in self.touchpoints}

        def cell(row: Row) -> tuple[Any, ...]:
            anchors = sorted(
                (not by_key[key]["touchpoint"], key)
                for key in row["proof"]["touchpoints"]
                if key in by_key and by_key[key]["event_time"] == row["anchor_at"]
            )
            anchor = by_key[anchors[0][1]] if anchors else {"channel": "", "touchpoint": ""}
            return (row["tenant"], row["team"], anchor["channel"], anchor["touchpoint"], row["rule_id"])

        whole: Counter[str] = Counter()
        for row in self.frictions:
            whole[row["tenant"]] += self.posted[row["friction_id"]]
        answer: Answer = {}
        for name, rows in self._grouped(self.frictions, cell).items():
            minutes = sum(self.posted[row["friction_id"]] for row in rows)
            answer[name] = (
                len(rows), len({row["person_key"] for row in rows}),
                sum(row["severity"] for row in rows) / len(rows), minutes, share(minutes, whole[name[0]]) or 0,
            )  # fmt: skip
        return answer

    def v_repeat_contact_rate(self) -> Answer:
        """Repeats by the day of the first contact."""
        repeats = [row for row in self.frictions if row["rule_id"] == "repeat_contact"]
        is_repeat = {(row["tenant"], key, row["anchor_at"]) for row in repeats for key in row["proof"]["touchpoints"]}
        again: dict[tuple[str, str], datetime] = {}
        for row in repeats:
            name = (row["tenant"], row["proof"]["touchpoints"][0])
            again[name] = min(row["anchor_at"], again.get(name, row["anchor_at"]))
        firsts = [
            one for one in self.contacts if not one.is_blocked and (one.tenant, one.id, one.started) not in is_repeat
        ]
        answer: Answer = {}
        for name, ones in self._grouped(firsts, lambda one: (one.tenant, one.started.date())).items():
            repeated = sum(
                (one.tenant, one.id) in again and again[one.tenant, one.id] <= one.ended + WEEK for one in ones
            )
            end = datetime(name[1].year, name[1].month, name[1].day, tzinfo=UTC) + timedelta(days=8)
            answer[name] = (len(ones), repeated, repeated / len(ones), end > self.reached[name[0]])
        return answer

    def v_journey_funnel(self) -> Answer:
        """Journeys by type, contact by contact."""
        answer: Answer = {}
        for name, rows in self._grouped(self.journeys, lambda row: (row["tenant"], row["topic"])).items():
            for step in range(6):
                reached = [row for row in rows if row["contacts"] >= step]
                here = [row["outcome"] for row in reached if row["contacts"] == step or step == 5]
                if reached:
                    solved, given_up = here.count("solved"), here.count("unsolved")
                    answer[*name, step] = (
                        len(reached), solved, given_up, here.count("open"), len(reached) - len(here),
                        solved / len(reached), given_up / len(reached),
                    )  # fmt: skip
        return answer

    def v_step_funnel(self, steps: Sequence[str], days: int) -> Answer:
        """Persons who went through steps in order: from every first step on, as far as it goes."""
        furthest: Counter[tuple[str, int]] = Counter()
        wanted = [row for row in self.touchpoints if not row["probe"] and not row["staff"] and row["kind"] in steps]
        for (tenant, _), rows in self._grouped(wanted, lambda row: (row["tenant"], row["person"])).items():
            rows.sort(key=lambda row: (row["event_time"], steps.index(row["kind"])))
            best = 0
            for first in (row for row in rows if row["kind"] == steps[0]):
                at, level = first["event_time"], 1
                for row in rows:
                    in_time = at <= row["event_time"] <= first["event_time"] + timedelta(days=days)
                    if level < len(steps) and row["kind"] == steps[level] and in_time:
                        at, level = row["event_time"], level + 1
                best = max(best, level)
            for level in range(best + 1):
                furthest[tenant, level] += 1
        answer: Answer = {}
        for tenant in {row["tenant"] for row in wanted}:
            for step, kind in enumerate(steps, 1):
                persons, before = furthest[tenant, step], furthest[tenant, max(step - 1, 1)]
                answer[tenant, step] = (
                    kind, persons, share(persons, furthest[tenant, 1]) or 0, 1 - persons / before if before else 0,
                )  # fmt: skip
        return answer

    def v_time_to_able_again(self) -> Answer:
        """Hours from the first touchpoint of a matter to its last solution."""
        ends = {
            row["key"]: row["end_time"]
            for row in self.touchpoints
            if row["kind"] in {"case.resolved", "customer.confirmed"}
            or (row["outcome"] == "ok" and row["kind"] in BEGINNINGS | ENDINGS | {"message.sent", "callback.reached"})
        }
        answer: Answer = {}
        wanted = [row for row in self.journeys if row["contacts"]]
        by = self._grouped(wanted, lambda row: (row["tenant"], monday(row["opened_at"]), row["topic"]))
        for name, rows in by.items():
            hours = [
                (max(ends[key] for key in row["touchpoint_keys"] if key in ends) - row["opened_at"]).total_seconds()
                / 3600
                for row in rows
                if row["outcome"] == "solved"
            ]
            unsolved = sum(row["outcome"] == "unsolved" for row in rows)
            answer[name] = (len(rows), len(hours), unsolved, percentile(hours, 0.5), percentile(hours, 0.9))
        return answer

    def v_reachability(self) -> Answer:
        """Attempts by channel and hour of the week."""
        answer: Answer = {}
        for name, ones in self._grouped(
            self.contacts, lambda one: (one.tenant, one.channel, one.started.isoweekday(), one.started.hour)
        ).items():
            known = [one for one in ones if one.is_answer_known]
            waits = [(one.answered - one.started).total_seconds() / 60 for one in ones if one.answered is not None]
            answer[name] = (
                len(known), sum(one.is_blocked for one in ones), len(waits), share(len(waits), len(known)) or 0,
                percentile(waits, 0.5), len(ones) - len(known),
            )  # fmt: skip
        return answer

    def v_promises(self) -> Answer:
        """Promises and what became of them."""
        answer: Answer = {}
        wanted = [row for row in self.touchpoints if row["promise_id"] and not row["probe"] and not row["staff"]]
        for name, rows in self._grouped(wanted, lambda row: (row["tenant"], row["person"], row["promise_id"])).items():
            rows.sort(key=lambda row: (row["event_time"], row["id"]))
            made = next(
                (row for row in rows if row["kind"] in {"promise.made", "callback.promised", "refund.promised"}), None
            )
            if made is None:
                continue
            due = made["promise_due"]
            moves = [
                (row["event_time"], row["promise_due"])
                for row in rows
                if row["kind"] == "promise.renegotiated" and row["promise_due"] is not None
            ]
            for at, moved in sorted(moves):
                if due is not None and at <= due:
                    due = moved
            kept = next(
                (
                    row["event_time"]
                    for row in rows
                    if row["kind"] in {"promise.kept", "callback.reached", "refund.posted"}
                ),
                None,
            )
            if kept is not None:
                result = "kept" if due is None or kept <= due else "late"
            elif any(row["kind"] == "promise.broken" for row in rows) or (
                due is not None and due < self.reached[name[0]]
            ):
                result = "broken"
            else:
                result = "open"
            answer[name] = (
                made["kind"], made["channel"], made["team"], made["topic"], made["event_time"], due, kept, result,
            )  # fmt: skip
        return answer

    def v_promise_kept_rate(self) -> Answer:
        """Promises by the week in which they are due."""
        answer: Answer = {}
        promises = [(tenant, *told) for (tenant, _, _), told in self.v_promises().items()]
        for name, rows in self._grouped(promises, lambda row: (row[0], monday(row[6] or row[5]), row[1])).items():
            results = [row[-1] for row in rows]
            kept, late, broken = (results.count(one) for one in ("kept", "late", "broken"))
            answer[name] = (len(rows), kept, late, broken, results.count("open"), share(kept, kept + late + broken))
        return answer

    def v_failure_demand(self) -> Answer:
        """Contacts that would not be, by week and topic."""
        proofs: defaultdict[tuple[str, str], list[tuple[str, datetime]]] = defaultdict(list)
        for row in self.frictions:
            if row["rule_id"] in FAILURES:
                for key in row["proof"]["touchpoints"]:
                    proofs[row["tenant"], key].append((row["rule_id"], row["anchor_at"]))
        answer: Answer = {}
        wanted = [one for one in self.contacts if not one.is_blocked]
        for name, ones in self._grouped(wanted, lambda one: (one.tenant, monday(one.started), one.topic)).items():
            counts: Counter[str] = Counter()
            for one in ones:
                rules = {rule for rule, anchor in proofs[one.tenant, one.id] if one.started >= anchor}
                is_complaint = one.kind == "complaint.raised"
                counts["all"] += bool(rules or is_complaint)
                counts["again"] += bool(rules & {"repeat_contact", "unprompted_switch"})
                counts["sent"] += "channel_redirect" in rules
                counts["status"] += "status_chasing" in rules
                counts["machine"] += bool(rules & {"self_service_dead_end", "false_containment"})
                counts["complained"] += is_complaint or "complaint_after_resolution" in rules
            answer[name] = (
                len(ones), counts["all"], counts["all"] / len(ones), counts["again"], counts["sent"], counts["status"],
                counts["machine"], counts["complained"],
            )  # fmt: skip
        return answer

    def v_next_contact(self) -> Answer:
        """What came after contacts for a reason."""
        found: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
        totals: Counter[tuple[str, str]] = Counter()
        wanted = [one for one in self.contacts if not one.is_blocked]
        for (tenant, _), ones in self._grouped(wanted, lambda one: (one.tenant, one.person)).items():
            ones.sort(key=lambda one: (one.started, one.id))
            for one, following in zip(ones, [*ones[1:], None], strict=True):
                until = one.ended + timedelta(days=30)
                totals[tenant, one.reason] += 1
                if following is not None and following.started <= until:
                    hours = max(0.0, (following.started - one.ended).total_seconds() / 3600)
                    found[tenant, one.reason, "contact", following.reason, following.channel].append(hours)
                else:
                    what = "nothing" if until < self.reached[tenant] else "not known yet"
                    found[tenant, one.reason, what, "", ""].append(0.0)
        answer: Answer = {}
        for name, hours in found.items():
            median = percentile(hours, 0.5) if name[2] == "contact" else None
            answer[name] = (len(hours), len(hours) / totals[name[0], name[1]], median)
        return answer

    def v_claims_held(self) -> Answer:
        """What the company says, held against what customers did."""
        verdicts: list[tuple[str, date, str, str]] = []
        for (tenant, _), rows in self._grouped(self._spoken(), lambda row: (row["tenant"], row["person"])).items():
            about = {row["key"]: matters_and_topic_of(row) for row in rows}
            statements = [row for row in rows if _is_statement(row) and about[row["key"]]]
            for said in statements:
                until = said["end_time"] + WEEK
                came = any(
                    row["is_of_customer"]
                    and row["kind"] in BEGINNINGS
                    and said["end_time"] < row["event_time"] <= until
                    and _talk(row) != _talk(said)
                    and about[row["key"]] & about[said["key"]]
                    for row in rows
                )
                verdict = "undecided" if until >= self.reached[tenant] else "failed" if came else "held"
                verdicts.append((tenant, monday(said["event_time"]), "solved", verdict))
            for rated in (row for row in rows if row["kind"] == "survey.answered"):
                rated_of = [
                    said["event_time"]
                    for said in statements
                    if said["end_time"] < rated["event_time"] <= said["end_time"] + timedelta(days=30)
                    and about[rated["key"]] & about[said["key"]]
                ]
                worst = {"nps": 3, "csat": 2, "ces": 3}.get(rated["survey_type"])
                if rated_of and worst is not None and rated["score"] is not None:
                    verdict = "failed" if rated["score"] <= worst else "held"
                    verdicts.append((tenant, monday(max(rated_of)), "satisfied", verdict))
        for (tenant, _, _), told in self.v_promises().items():
            if told[5] is not None:
                verdict = {"kept": "held", "open": "undecided"}.get(told[7], "failed")
                verdicts.append((tenant, monday(told[4]), "on_time", verdict))
        answer: Answer = {}
        for name, rows in self._grouped(verdicts, lambda row: row[:3]).items():
            counts = Counter(row[3] for row in rows)
            claims = counts["held"] + counts["failed"]
            held = share(counts["held"], claims)
            answer[name] = (claims, counts["held"], held, None if held is None else 1 - held, counts["undecided"])
        return answer

    def _spoken(self) -> list[Row]:
        return [row for row in self.touchpoints if not row["probe"] and not row["staff"]]

    def v_delivery_quality(self) -> Answer:
        """Producers, and topics."""
        answer: Answer = {}
        sources = self._grouped(self.touchpoints, lambda row: (row["tenant"], "source", row["source"]))
        topics = self._grouped(self.touchpoints, lambda row: ("", "topic", row["origin_topic"]))
        dead = self._grouped(
            [row for row in self.dead if row["state"] != "replayed"], lambda row: ("", "topic", row["topic"])
        )
        for name in {*sources, *topics, *dead}:
            rows = {**sources, **topics}.get(name, [])
            live = [row for row in rows if not row["backfill"]]
            late = sum(row["ingestion_time"] > row["event_time"] + timedelta(hours=1) for row in live)
            very_late = sum(row["ingestion_time"] > row["event_time"] + timedelta(days=90) for row in live)
            letters = dead.get(name, [])
            records = len(rows) + len(letters)
            is_topic = name[1] == "topic"
            reasons = Counter(row["reason"] for row in letters).most_common(1)
            answer[name] = (
                records, len(live), late, share(late, len(live)), very_late,
                share(sum(row["is_time_corrected"] for row in rows), len(rows)), len(letters) if is_topic else None,
                share(len(letters), records) if is_topic else None, reasons[0][0] if reasons else "",
            )  # fmt: skip
        return answer

    def v_effort_budgets(self) -> Answer:
        """Budgets by week and topic."""
        answer: Answer = {}
        wanted = [row for row in self.journeys if row["effort_budget_minutes"] > 0]
        by = self._grouped(wanted, lambda row: (row["tenant"], monday(row["opened_at"]), row["topic"]))
        for name, rows in by.items():
            over = sum(row["effort_minutes"] > row["effort_budget_minutes"] for row in rows)
            spent, may = (sum(row[column] for row in rows) for column in ("effort_minutes", "effort_budget_minutes"))
            answer[name] = (len(rows), over, over / len(rows), spent, may, spent / may)
        return answer

    def v_team_effort_daily(self) -> Answer:
        """The ledger by day, team and cause."""
        answer: Answer = {}
        by = self._grouped(
            self.postings, lambda row: (row["tenant"], row["posted_at"].date(), row["team"], row["cause"], row["kind"])
        )
        for name, rows in by.items():
            measured = sum(row["minutes"] for row in rows if row["is_measured"])
            persons = len({row["person_key"] for row in rows})
            answer[name] = (sum(row["minutes"] for row in rows), measured, len(rows), persons)
        return answer

    def v_channel_matrix_daily(self) -> Answer:
        """Redirects by day."""
        redirects = [row for row in self.frictions if row["rule_id"] == "channel_redirect"]
        answer: Answer = {}
        for name, rows in self._grouped(
            redirects, lambda row: (row["tenant"], row["anchor_at"].date(), row["from_channel"], row["to_channel"])
        ).items():
            arrived = sum(
                any(check["name"] == "arrival" and check["passed"] for check in row["proof"]["checks"]) for row in rows
            )
            answer[name] = (
                len(rows), arrived, sum(row["variant"] == "lost" for row in rows),
                sum(row["status"] == "cleared" for row in rows), sum(self.posted[row["friction_id"]] for row in rows),
            )  # fmt: skip
        return answer

    def activity_stream(self) -> Answer:
        """Activities, without their features."""
        money: Mapping[str, int] = {"order.placed": 1, "order.cancelled": -1, "refund.posted": -1}
        answer: Answer = {}
        for (person, kind), rows in self._grouped(self.told, lambda row: (row["person"], row["kind"])).items():
            rows.sort(key=lambda row: row["place"])
            for number, (row, following) in enumerate(zip(rows, [*rows[1:], None], strict=True), 1):
                is_anonymous = row["identities"][0].partition(":")[0] in {"device", "cookie", "card_token"}
                amount = None if row["amount"] is None or kind not in money else money[kind] * row["amount"]
                answer[row["key"],] = (
                    row["event_time"], person, kind, row["identity_hash"] if is_anonymous else None, amount,
                    row["text_ref"] or None, number, None if following is None else following["event_time"],
                )  # fmt: skip
        return answer

    def v_person_timeline(self, person: str) -> list[tuple[Any, ...]]:
        """What a person went through: time, what, journey, name, reference."""
        journeys = [row for row in self.journeys if row["person_key"] == person]
        member = {key: row["journey_id"] for row in journeys for key in row["touchpoint_keys"]}
        lines = [
            (row["event_time"], 1, "touchpoint", member.get(row["key"], ""), row["kind"], row["key"])
            for row in self.touchpoints
            if row["person"] == person and row["kind"] not in STATEMENTS
        ]
        for row in journeys:
            lines.append((row["opened_at"], 0, "journey opened", row["journey_id"], row["topic"], row["journey_id"]))
            if row["closed_at"] is not None:
                lines.append(
                    (row["closed_at"], 3, "journey closed", row["journey_id"], row["topic"], row["journey_id"])
                )
        lines += [
            (row["anchor_at"], 2, "friction", row["journey_id"], row["rule_id"], row["friction_id"])
            for row in self.frictions
            if row["person_key"] == person
        ]
        return [(at, *rest) for at, _, *rest in sorted(lines, key=lambda line: (line[0], line[1], line[5]))]


def _talk(row: Row) -> tuple[str, ...]:
    return (row["id"],) if not row["thread_id"] else (row["channel"], row["thread_id"])


def _is_statement(row: Row) -> bool:
    if row["actor"] not in {"agent", "bot", "system", "partner"}:
        return False
    if row["kind"] in {"case.resolved", "bot.marked_resolved"}:
        return True
    return row["outcome"] == "ok" and row["kind"] in ENDINGS | {"message.sent", "callback.reached"}

"""A call-centre log: a writer of made-up ones with the shape of real ones, and answers taken from the file alone.

The answers are computed here from the CSV, without anything of the product, so that they can disagree with it.
"""

import csv
import gzip
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

COLUMNS = (
    "ServiceID", "Operation", "Start Date", "End Date", "AgentPosition", "Customer ID", "Product", "Service Type",
    "Agent",
)  # fmt: skip
INBOUND = ("Inbound Call", "Inbound Email")
SESSION_GAP = timedelta(minutes=30)
REPEAT_WINDOW = timedelta(days=7)


class Answers(NamedTuple):
    """What analysts would compute from a log."""

    touchpoints: int
    persons: int
    sessions: int
    sessions_by_start: int
    repeats: int


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%d.%m.%y %H:%M")  # noqa: DTZ007 - the file names no zone


class _Row(NamedTuple):
    start: datetime
    end: datetime
    number: int
    customer: str
    product: str
    is_inbound: bool


def answers_from(path: Path) -> Answers:
    """Distinct rows, customers, sessions at 30 minutes, and inbound contacts within 7 days of an earlier one."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        distinct = list(dict.fromkeys(tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file)))
    rows = []
    for number, values in enumerate(distinct):
        record = dict(zip(COLUMNS, values, strict=True))
        start, end = _moment(record["Start Date"]), _moment(record["End Date"])
        is_inbound = record["Operation"] in INBOUND
        rows.append(_Row(start, max(start, end), number, record["Customer ID"], record["Product"], is_inbound))
    by_customer: dict[str, list[_Row]] = {}
    for row in sorted(rows):
        by_customer.setdefault(row.customer, []).append(row)
    return Answers(
        touchpoints=len(rows),
        persons=len(by_customer),
        sessions=sum(_sessions(visits, by_start=False) for visits in by_customer.values()),
        sessions_by_start=sum(_sessions(visits, by_start=True) for visits in by_customer.values()),
        repeats=sum(_repeats(visits) for visits in by_customer.values()),
    )


def _sessions(rows: Sequence[_Row], *, by_start: bool) -> int:
    count = 0
    until: datetime | None = None
    for row in rows:
        if until is None or row.start - until > SESSION_GAP:
            count += 1
        end = row.start if by_start else row.end
        until = end if until is None else max(until, end)
    return count


def _repeats(rows: Sequence[_Row]) -> int:
    count = 0
    for index, row in enumerate(rows):
        if row.is_inbound:
            count += any(
                earlier.is_inbound and earlier.product == row.product and row.start <= earlier.end + REPEAT_WINDOW
                for earlier in rows[:index]
            )
    return count


def write_log(
    path: Path,
    *,
    cases: int,
    seed: int,
    steps: Sequence[int] = (1, 1, 2, 3, 5),
    agents: Sequence[str] = ("Ada", "Björn", "Chloé"),
) -> int:
    """Write a made-up log and return its number of lines; `steps` are how many lines a case may have.

    Like real ones: ordered by case and not by time, minute resolution, exact duplicates, ends before starts, events
    of one case in the same minute, mails that stay open for days, one customer with far too many cases, some cases
    that begin with internal work, gaps of exactly 30 minutes and exactly 7 days.
    """
    rng = random.Random(seed)
    lines: list[tuple[str, ...]] = []
    for case in range(cases):
        customer = "Customer 1" if rng.random() < 0.05 else f"Customer {rng.randint(2, cases // 2)}"
        product = rng.choice(("iPhone", "MacBook Pro", "iPad"))
        at = datetime(2010, 1, 4, 8) + timedelta(minutes=rng.randrange(60 * 24 * 60))  # noqa: DTZ001
        for step in range(rng.choice(steps)):
            operations = ("Inbound Call", "Inbound Call", "Inbound Email", "Call Outbound", "Email Outbound")
            inside = ("Handle Case", "Handle Email")
            operation = rng.choice(inside if step == 0 and rng.random() < 0.1 else operations + inside)
            mail_minutes = rng.randint(60, 5000)
            minutes = mail_minutes if operation == "Inbound Email" else rng.choice((0, 2, 7, 7, 25, -3))
            end = at + timedelta(minutes=minutes)
            values = (
                f"Case {case}", operation, _written(at), _written(end), rng.choice(("FL", "BL")), customer, product,
                rng.choice(("Product Assistance", "Referred to Servicer")), rng.choice(agents),
            )  # fmt: skip
            lines.append(values)
            if rng.random() < 0.05:
                lines.append(values)
            pauses = (0, 1, 29, 30, 31, 300, 7 * 24 * 60 - 1, 7 * 24 * 60, 7 * 24 * 60 + 1)
            at = max(at, end) + timedelta(minutes=rng.choice(pauses))
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(lines)
    return len(lines)


def _written(moment: datetime) -> str:
    return f"{moment.day}.{moment.month}.{moment:%y} {moment.hour}:{moment:%M}"

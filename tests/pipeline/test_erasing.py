"""Somebody asks to be forgotten, on the whole stack, with the commands that people use."""

import json
from typing import Any

import pytest

from schemas.json_form import milliseconds
from tests.support.running_stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.long]

_STORES = "touchpoints persons sessions journeys frictions effort_postings identity_links person_identifiers".split()


def event(number: int, at: str, *identities: str, **fields: Any) -> dict[str, Any]:
    named = {"id": str(number), "source": "desk", "kind": "contact.started", "channel": "phone", "topic": "bill"}
    return named | {"occurred_at": milliseconds(at), "identities": identities, "backfill": True} | fields


EVENTS = [
    event(1, "2026-03-02T09:00:00Z", "customer_no:4711", "email:anna@example.com"),
    event(2, "2026-03-03T09:00:00Z", "email:anna@example.com"),
    event(3, "2026-03-04T09:00:00Z", "email:anna@example.com", "cookie:c1"),
    event(4, "2026-03-02T09:00:00Z", "customer_no:4712", "email:ben@example.com"),
    event(5, "2026-03-03T09:00:00Z", "email:ben@example.com"),
]


def lines(events: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, events)).encode()


def settle(stack: Stack) -> None:
    """Wait for what is in the log, for the wakes that follow from it, and for those that follow from these."""
    for _ in range(4):
        stack.run("wait", "--timeout", "60")


def persons(stack: Stack) -> list[tuple[int, int]]:
    """Identities and touchpoints of each person, most first."""
    rows = stack.query("SELECT length(identifiers) AS names, touchpoints FROM v_persons ORDER BY names DESC")
    return [(int(row["names"]), int(row["touchpoints"])) for row in rows]


def test_a_person_is_forgotten_and_does_not_come_back(stack: Stack) -> None:
    stack.run("produce", "-", stdin=lines(EVENTS))
    settle(stack)
    assert persons(stack) == [(3, 3), (2, 2)]
    assert stack.run("erasures").stdout == "nobody asked to be forgotten\n"

    assert "identifies nobody" in stack.run("erase", "nobody", "--yes", code=1).stderr
    stack.run("erase", "customer_no:4711", stdin=b"n\n", code=1)
    stack.run("erase", "email:anna@example.com", "--yes")
    settle(stack)

    (receipt,) = json.loads(stack.run("erasures", "--json").stdout)
    assert receipt["is_done"]
    assert len(receipt["identifiers"]) == 3
    assert receipt["rows_before"]["touchpoints"] >= 3
    assert receipt["rows_after"] == 0
    for table in _STORES:
        for identifier in receipt["identifiers"]:
            found = stack.query(f"SELECT count() AS rows FROM {table} WHERE toString(tuple(*)) LIKE '%{identifier}%'")
            assert found == [{"rows": 0}], table
    assert persons(stack) == [(2, 2)]
    stack.run("timeline", "customer_no:4711", code=1)

    stack.run("produce", "-", stdin=lines([*EVENTS, event(6, "2026-03-05T09:00:00Z", "cookie:c1")]))
    settle(stack)
    assert stack.query("SELECT count() AS rows FROM v_touchpoints") == [{"rows": 2}]
    assert json.loads(stack.run("erasures", "--json").stdout) == [receipt]

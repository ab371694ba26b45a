"""The same questions answered by SQL over the base table give what is published: on generated data and on logs."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.callcenter import write_log
from tests.support.generated import generated
from tests.support.logs import log_file
from tests.support.running_stack import Stack, running_stack
from tests.support.sql_oracle import (
    SqlOracle,
    published_chains,
    published_frictions,
    published_overspent,
    published_sessions,
)
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY

pytestmark = pytest.mark.stack


#: Steps that sessions and rules turn on; what is asked of a redirect within three days lies on one journey.
STEPS = (0, MINUTE, 30 * MINUTE, 30 * MINUTE, HOUR, 24 * HOUR, 48 * HOUR, 72 * HOUR)
KINDS = (
    "page.viewed page.viewed contact.started contact.started contact.started contact.started contact.started"
    " contact.ended message.sent form.submitted form.submitted form.started contact.redirected contact.redirected"
    " case.resolved data.requested callback.promised login.succeeded visit.ended something.new"
    " contact.transferred case.assigned"
).split()
BY_COMPANY = frozenset(
    "message.sent contact.redirected contact.transferred case.assigned case.resolved data.requested"
    " callback.promised".split()
)


def wild_touchpoints(seed: int) -> Iterator[dict[str, Any]]:
    """Lives of 300 people that make no sense: few words, many collisions, times near the boundaries."""
    rng = Random(seed)
    for person in range(300):
        at = MONDAY + rng.randrange(DAY)
        for number in range(rng.randint(1, 14)):
            at += max(0, rng.choice(STEPS) + rng.choice((-1, 0, 1)))
            yield wild_touchpoint(rng, at, person, number)
    # Time goes on until every deadline has passed.
    for person in range(64):
        yield {
            "id": f"end-{person}", "source": "wild", "kind": "page.viewed", "backfill": True,
            "identities": [f"customer_no:end-{person}"], "occurred_at": MONDAY + 90 * DAY,
        }  # fmt: skip


def wild_touchpoint(rng: Random, at: int, person: int, number: int) -> dict[str, Any]:
    kind = rng.choice(KINDS)
    is_company = kind in BY_COMPANY
    own = [f"customer_no:w{person}", f"email:w{person}@mail.example", f"cookie:w{person}"]
    known = [identity for identity in own if rng.random() < 0.7] or own[:1]
    fields: dict[str, Any] = {
        "id": f"{person}-{number}",
        "source": "wild",
        "backfill": True,
        "kind": kind,
        "occurred_at": at,
        "ended_at": at + max(0, rng.choice(STEPS) + rng.choice((-1, 0, 1))) if rng.random() < 0.3 else None,
        "identities": [*known, f"cookie:w{person // 2}-common"] if rng.random() < 0.2 else known,
        "channel": rng.choice(("phone", "web", "web", "email", "portal")),
        "topic": rng.choice((None, None, "a", "a", "b")),
        "objects": rng.choices(("case:1", "case:2", "order:1", "order:2:line", "contract:1", "incident:9"), k=1)
        if rng.random() < 0.5
        else [],
        "thread_id": rng.choice((None, None, None, f"{number // 4}")),
        "actor": "agent" if is_company else rng.choice(["customer"] * 9 + ["bot"]),
        "direction": "outbound" if is_company else "inbound",
        "outcome": rng.choice((None, None, None, "ok", "failed")),
        "reason": rng.choice([None] * 9 + ["follow_up", "follow_up_invited", "customer_request", "scheduled"]),
        "probe": rng.random() < 0.05,
    }
    if kind == "contact.redirected":
        fields["redirect_to"] = rng.choice(("web", "web", "phone", "form", None))
        fields["items_requested"] = rng.choice(([], [], [], ["iban"]))
    if kind in {"contact.transferred", "case.assigned"}:
        fields |= {"from_team": rng.choice(("x", "y", None)), "to_team": rng.choice(("x", "y")), "team": "x"}
    if rng.random() < 0.3:
        fields |= {"wait_ms": rng.choice((1, MINUTE, 20 * MINUTE)), "active_ms": rng.choice((None, 7 * MINUTE))}
    return {name: value for name, value in fields.items() if value is not None}


def imported(stack: Stack, log: Path, mapping: str = "callcenter") -> None:
    summary = json.loads(stack.run("import", str(log), "--mapping", mapping, "--json").stdout)
    assert summary["refused"] == 0
    stack.wait()


def assert_sql_agrees(stack: Stack, *, has_effort: bool = True) -> None:
    oracle = SqlOracle(stack)
    assert oracle.sessions() == published_sessions(stack)
    assert oracle.redirects() == published_frictions(stack, "channel_redirect")
    assert oracle.repeats() == published_frictions(stack, "repeat_contact")
    assert oracle.chains() == published_chains(stack)
    assert oracle.overspent() == published_overspent(stack)
    ledger = oracle.ledger()
    assert (ledger.postings > 0, *ledger[1:]) == ((True, 1, 4, 0, 0, 0) if has_effort else (False, 0, 0, 0, 0, 0))


@pytest.mark.long
def test_sql_agrees_on_generated_data_with_late_and_repeated_touchpoints(stack: Stack, tmp_path: Path) -> None:
    truth = generated(tmp_path, "--identities", persons=150, events=3000, seed=8)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) > truth["totals"]["touchpoints"]
    stack.produce(b"".join(lines[::-1]))
    stack.wait()
    assert_sql_agrees(stack)
    variants = {row.variant for row in published_frictions(stack, "channel_redirect")}
    assert variants == {"redirected", "followed", "form", "chain", "lost"}
    assert {row.variant for row in published_frictions(stack, "repeat_contact")} == {"repeat", "third", "fifth"}

    stack.produce(b"".join(lines))
    stack.wait()
    assert_sql_agrees(stack)


def test_sql_agrees_on_lives_that_make_no_sense(stack: Stack) -> None:
    lines = [json.dumps(touchpoint).encode() + b"\n" for touchpoint in wild_touchpoints(seed=1)]
    Random(2).shuffle(lines)
    stack.produce(b"".join(lines))
    stack.wait()
    assert stack.counts()["dead_letters"] == 0
    assert_sql_agrees(stack)
    assert len(published_frictions(stack, "channel_redirect")) > 100
    assert len(published_frictions(stack, "repeat_contact")) > 50


def test_sql_agrees_on_a_log_with_the_faults_of_real_ones(stack: Stack, tmp_path: Path) -> None:
    write_log(tmp_path / "log.csv.gz", cases=400, seed=13)
    imported(stack, tmp_path / "log.csv.gz")
    assert_sql_agrees(stack)
    assert len(published_frictions(stack, "repeat_contact")) > 100


def test_sql_agrees_where_sessions_end_when_touchpoints_begin(tmp_path: Path) -> None:
    write_log(tmp_path / "log.csv.gz", cases=150, seed=14)
    with running_stack(tmp_path, environment={"JOURNEYS_SESSION_END": "occurred_at"}) as stack:
        imported(stack, tmp_path / "log.csv.gz")
        oracle = SqlOracle(stack)
        assert oracle.sessions(by_start=True) == published_sessions(stack) != oracle.sessions()


@pytest.mark.logs
@pytest.mark.parametrize(
    ("log", "mapping"),
    [
        ("callcenter/callcenter.csv.gz", "callcenter"),
        pytest.param("web-sessions/sessions.txt.gz", "web-sessions", marks=pytest.mark.long),
    ],
)
def test_sql_agrees_on_real_logs(stack: Stack, log: str, mapping: str) -> None:
    imported(stack, log_file(log), mapping)
    # Looking around costs nobody anything.
    assert_sql_agrees(stack, has_effort=log.startswith("callcenter"))

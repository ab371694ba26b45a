"""A customer of three names becomes one person, is taken apart, is joined again, and is told late, on a real stack."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from schemas.json_form import iso_time
from tests.support.deadline import wait_until
from tests.support.running_stack import Stack, running_stack, without_versions
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY

pytestmark = pytest.mark.stack

COOKIE, MAIL, NUMBER = "cookie:c-1", "email:ada@example.org", "customer_no:4711"
BEN, BENS_MAIL = "customer_no:6001", "email:ben@example.org"
NOBODYS = "phone:+49 30 1234567"
TODAY = time.time_ns() // 1_000_000
FEW_COMPANIONS = {"JOURNEYS_IDENTITY__MAX_COMPANIONS": "3"}
#: One more than an identity may be seen with.
CALLERS = [f"customer_no:900{number}" for number in range(4)]


def event(id_: str, kind: str, at: int, *identities: str, **fields: Any) -> dict[str, Any]:
    fixed = {"source": "shop", "backfill": True, "topic": "delivery", "channel": "web"}
    return fixed | {"id": id_, "kind": kind, "occurred_at": iso_time(at), "identities": identities} | fields


def story(*on_the_phone: str) -> bytes:
    """Ada looks around, logs in, writes, and calls; meanwhile some share a phone, and today is reached."""
    events = [
        event("look", "page.viewed", MONDAY, COOKIE),
        event("login", "login.succeeded", MONDAY + 5 * MINUTE, COOKIE, MAIL),
        event("mail", "contact.started", MONDAY + 10 * MINUTE, MAIL, channel="email"),
        event("call", "contact.started", MONDAY + 2 * HOUR, *on_the_phone, channel="phone"),
        *(event(f"of {who}", "call.offered", MONDAY + HOUR, who, NOBODYS, channel="phone") for who in CALLERS),
        event("today", "page.viewed", TODAY, "customer_no:1"),
    ]
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def business(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """What the views say about people, and whose each touchpoint is."""
    columns = "touchpoint_key, person_key, kind, channel"
    touchpoints = f"SELECT {columns} FROM v_touchpoints WHERE source = 'shop' ORDER BY touchpoint_key"
    return {**without_versions(stack.facts()), "touchpoints": stack.query(touchpoints)}


def settle(stack: Stack, expected: dict[str, list[dict[str, Any]]]) -> None:
    """Wait until the views say what is expected."""
    stack.wait()
    with suppress(AssertionError):
        wait_until(lambda: business(stack) == expected)
    assert business(stack) == expected


def settled(stack: Stack, persons: int) -> dict[str, list[dict[str, Any]]]:
    """What the views say once there are so many persons and time has closed all journeys."""
    stack.wait()
    counts = "SELECT (SELECT count() FROM v_persons) AS p, (SELECT count() FROM v_journeys WHERE status = 'open') AS o"
    wait_until(lambda: stack.query(counts) == [{"p": persons, "o": 0}])
    return business(stack)


def show(stack: Stack, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.run("identity", "show", identity, "--json").stdout)
    return found


def namespaces(found: dict[str, Any]) -> list[str]:
    return [one["identity"].partition(":")[0] for one in found["identities"]]


def told(stack: Stack, identity: str) -> list[str]:
    story = json.loads(stack.run("timeline", identity, "--json").stdout)
    return [touchpoint["touchpoint_key"] for touchpoint in story["touchpoints"]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything has arrived."""
    with running_stack(tmp_path_factory.mktemp("joined"), environment=FEW_COMPANIONS) as running:
        running.produce(story(NUMBER, MAIL))
        yield running


@pytest.fixture(scope="module")
def never_met(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What the views of another stack with the same key say, where the e-mail address was not known on the phone."""
    folder = tmp_path_factory.mktemp("never met")
    (folder / "data").mkdir()
    shutil.copy(stack.data_dir / "pepper", folder / "data" / "pepper")
    with running_stack(folder, environment=FEW_COMPANIONS) as other:
        other.produce(story(NUMBER))
        return settled(other, 2 + len(CALLERS) + 1)


@pytest.mark.long
def test_three_names_are_one_person_who_can_be_parted_exactly_and_joined_again(
    stack: Stack, never_met: dict[str, list[dict[str, Any]]]
) -> None:
    joined = settled(stack, 1 + len(CALLERS) + 1)
    found = show(stack, COOKIE)
    assert namespaces(found) == ["customer_no", "email", "cookie"]
    assert [(link["kind"], link["source"], link["id"]) for link in found["links"]] == [
        ("seen", "shop", "login"),
        ("seen", "shop", "call"),
    ]
    assert found["refused"] == []
    assert [show(stack, name) for name in (MAIL, NUMBER, found["person_key"])] == [found] * 3
    assert told(stack, COOKIE) == [f"default/shop/{id_}" for id_ in ("look", "login", "mail", "call")]
    hers = [row["rule_id"] for row in joined["frictions"] if row["person_key"] == found["person_key"]]
    assert sorted(hers) == ["repeat_contact", "unprompted_switch"]
    assert never_met["frictions"] == []
    (journey,) = [row for row in joined["journeys"] if row["person_key"] == found["person_key"]]
    assert journey["channels"] == ["web", "email", "phone"]

    stack.run("identity", "unlink", MAIL, NUMBER, "--yes")
    settle(stack, never_met)
    assert namespaces(show(stack, COOKIE)) == ["email", "cookie"]
    (refused,) = show(stack, NUMBER)["refused"]
    assert refused["reason"] == "unlinked"
    assert [statement["source"] for statement in refused["statements"]] == ["shop", "journeys-cli"]
    assert told(stack, COOKIE) == [f"default/shop/{id_}" for id_ in ("look", "login", "mail")]
    assert told(stack, NUMBER) == ["default/shop/call"]

    stack.run("identity", "link", MAIL, NUMBER)
    settle(stack, joined)
    again = show(stack, NUMBER)
    assert namespaces(again) == ["customer_no", "email", "cookie"]
    assert [link["kind"] for link in again["links"]] == ["seen", "seen", "linked"]


def test_an_identity_of_too_many_joins_nobody_and_waits_for_review(stack: Stack) -> None:
    stack.wait()
    review = json.loads(stack.run("identity", "review", "--json").stdout)
    (incident,) = review["incidents"]
    assert (incident["kind"], incident["identity"].partition(":")[0], incident["size"]) == ("placeholder", "phone", 4)
    assert {(link["reason"], link["source"], link["id"]) for link in review["links"]} == {
        ("placeholder", "shop", f"of {who}") for who in CALLERS
    }
    for who in CALLERS:
        assert namespaces(show(stack, who)) == ["customer_no"]
    shown = stack.run("identity", "show", NOBODYS).stdout
    assert "placeholder: nobody's" in shown


def test_what_came_too_late_is_stored_and_is_in_the_story_once_somebody_asks(stack: Stack) -> None:
    late = [
        event("late call", "contact.started", TODAY - 100 * DAY, BEN, channel="phone", backfill=False),
        event("late mail", "contact.started", TODAY - 99 * DAY, BENS_MAIL, BEN, channel="email", backfill=False),
    ]
    stack.produce(b"".join(json.dumps(one).encode() + b"\n" for one in late))
    counts = (
        "SELECT countIf(id IN ('late call', 'late mail')) AS stored,"
        " (SELECT count() FROM v_journeys WHERE opened_at > '2025-01-01') AS journeys FROM v_touchpoints"
    )
    for _ in range(3):
        stack.wait()
    assert stack.query(counts) == [{"stored": 2, "journeys": 0}]
    assert stack.query("SELECT very_late_touchpoints AS late FROM v_producers WHERE source = 'shop'") == [{"late": 2}]

    done = json.loads(stack.run("identity", "refold", BENS_MAIL, "--json").stdout)
    assert done["kind"] == "history.refold_requested"
    wait_until(lambda: stack.query(counts) == [{"stored": 2, "journeys": 1}])
    assert told(stack, BEN) == ["default/shop/late call", "default/shop/late mail"]


@pytest.mark.parametrize("words", [("show", NUMBER), ("review",)], ids=" ".join)
def test_without_clickhouse_it_is_said_what_to_do(stack: Stack, words: tuple[str, ...]) -> None:
    done = stack.run("identity", *words, "--clickhouse", "127.0.0.1:1", code=1)
    assert "is the stack up (journeys up), or is another address meant (--clickhouse)?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_broker_it_is_said_what_to_do(stack: Stack) -> None:
    done = stack.run("identity", "link", MAIL, NUMBER, "--kafka", "127.0.0.1:1", code=1)
    assert "is the stack up (journeys up), or is another address meant (--kafka)?" in done.stderr
    assert len(done.stderr.splitlines()) == 1

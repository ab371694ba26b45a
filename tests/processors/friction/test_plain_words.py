"""Rules in plain words: every part of a rule file has some."""

from typing import Any

import pytest

from processors.friction.definition import Guard, Minutes, Pattern, VariantRule
from processors.friction.loading import load_definition
from processors.friction.plain_words import classes_of, guard_words, minutes_words, pattern_words, told, variant_words
from tests.support.rule_files import STATUS_CHASING, called_again

ORDER = {"kind": "order.placed", "object": "order"}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (
            {"sequence": {"first": {"kind": "case.resolved", "solves": True}, "then": {"kind": "complaint.raised"},
                          "within": "7d", "relations": ["same_case"],
                          "unless": [{"select": ORDER, "from": "first + 1h", "until": "ever"}]}},
            (
                "case.resolved that solves the matter, then within 7 d complaint.raised of the same case, unless"
                " there is order.placed about an order from 1 h after the first one on"
            ),
        ),
        (
            {"count": {"of": {"kind": ["call.offered"], "opens_contact": True}, "at_least": "5m", "sum": "wait_ms",
                       "within": "1d", "gap": "2h", "per": "journey", "since": ORDER,
                       "reset": {"kind": "case.closed"}}},
            (
                "at least 5 min wait_ms in sum of call.offered that opens a contact on one journey within 24 h, 2 h"
                " at most from one to the next, counted from order.placed about an order on, counted anew from"
                " case.closed on"
            ),
        ),
        (
            {"count": {"of": {"kind": "ui.clicked", "where": {"wait_ms": {"at_least": 7000, "or_absent": True}}},
                       "at_least": 3, "within": "1m", "distinct": "unit"}},
            "at least 3 different unit of ui.clicked with wait_ms at least 7 s or not given by one person within 1 min",
        ),
        (
            {"absence": {"after": {"kind": "message.received"}, "expected": {"kind": "message.sent"},
                         "relations": ["same_thread"], "within_by_channel": {"chat": "3m", "letter": "5wd"},
                         "within": "24h", "clock": "business", "first_in_contact": True,
                         "excused_by": [{"select": {"kind": "case.closed"}, "until": "due"}]}},
            (
                "after message.received, no message.sent in the same conversation in time (chat: 3 min, letter: 5"
                " working days, else 24 h, in opening hours), from the customer's first one since the company's"
                " last, unless there is case.closed from the first one up to the deadline"
            ),
        ),
        (
            {"absence": {"after": {"kind": "promise.made"}, "expected": {"kind": "promise.kept"}, "due": "promise_due",
                         "slack": 0.05, "least_slack": "15m", "renewed_by": {"kind": "promise.renegotiated"}}},
            (
                "after promise.made, no promise.kept in time (by promise_due, with 5% on top, at least 15 min),"
                " renewed by promise.renegotiated"
            ),
        ),
        (
            {"change": {"of": {"kind": "case.assigned"}, "state": "to_team", "at_least": 3, "within": "14d"}},
            "to_team of case.assigned changes at least 3 times and back on one matter within 14 d",
        ),
        (
            {"change": {"of": {"kind": "case.assigned"}, "state": "to_team", "left": "from_team", "per": "case",
                        "within": "14d"}},
            "to_team (before it from_team) of case.assigned changes at least 2 times and back on one case within 14 d",
        ),
        (
            {"count": {"of": {"kind": "contact.transferred"}, "at_least": 2, "within": "4h", "per": "contact",
                       "half": {"kind": "contact.transferred", "where": {"warm": True}}}},
            (
                "at least 2 contact.transferred in one contact within 4 h, where contact.transferred with warm yes"
                " counts half"
            ),
        ),
        (
            {"sequence": {"first": {"kind": "data.provided"}, "then": {"kind": "form.started"}, "within": "30d",
                          "items_in_common": 3}},
            "data.provided, then within 30 d form.started with at least 3 items in common",
        ),
        (
            {"change": {"of": {"kind": "page.viewed"}, "state": "touchpoint", "states": 2, "within": "1m",
                        "per": "person"}},
            (
                "touchpoint of page.viewed changes at least 2 times and back by one person between 2 values at most"
                " within 1 min"
            ),
        ),
        (
            {"count": {"of": {"kind": "bot.turn"}, "at_least": 3, "per": "contact", "since_first": True,
                       "since": {"kind": "human.requested"},
                       "unless": [{"select": {"kind": "case.opened"}, "undone_by": {"kind": "case.closed"},
                                   "own": True, "from": "ever"}]}},
            (
                "at least 3 bot.turn in one contact, counted from the first human.requested on, unless there is"
                " case.opened with no case.closed after it up to the anchor, its own counted"
            ),
        ),
        (
            {"ratio": {"of": {"kind": "payment.declined"}, "among": {"kind": ["payment.declined", "payment.succeeded"]},
                       "within": "30d", "at_least": 0.5, "minimum": 4}},
            (
                "payment.declined are at least 50% of payment.declined or payment.succeeded by one person within 30"
                " d, from 4 on"
            ),
        ),
    ],
)  # fmt: skip
def test_a_pattern_says_when_it_fires(pattern: dict[str, Any], words: str) -> None:
    assert pattern_words(Pattern.model_validate(pattern | {"variants": ["a"]})) == words


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        ({"builtin": "household", "base": 1}, "base 1 when they share nothing but a household"),
        (
            {"anchor": {"reason": ["legal", "fraud*"]}, "first": {"text_ref": {"present": False}}},
            "no friction when the anchor has reason legal or fraud* and the first one has text_ref not given",
        ),
        (
            {"near": [{"select": {"kind": "order.placed"}, "relations": ["same_team"], "of": "first", "at_least": 2,
                       "none": True, "from": "ever", "until": "due - 1d"}]},
            (
                "no friction when there is fewer than 2 order.placed of the same team as the first one up to 24 h"
                " before the deadline"
            ),
        ),
        (
            {"near": [{"select": {"kind": "order.placed", "where": {"team": {"none_of": ["desk"]}}}, "none": True,
                       "from": "ever", "until": "ever"}]},
            "no friction when there is no order.placed with team other than desk at any time",
        ),
    ],
)  # fmt: skip
def test_a_guard_says_when_it_objects(guard: dict[str, Any], words: str) -> None:
    assert guard_words(Guard.model_validate(guard | {"name": "g", "says": "s"})) == words


def test_a_variant_says_when_it_holds() -> None:
    sentences = {"name": "late", "base": 3, "sentence_en": "a", "sentence_de": "b"}
    assert variant_words(VariantRule.model_validate(sentences)) == ""
    assert variant_words(VariantRule.model_validate(sentences | {"at_least": 3, "anchor": {"channel": "chat"}})) == (
        "at least 3 and the anchor has channel chat"
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        ({"measured": "active_ms", "otherwise": "1m", "of": "each"},
         "its active time as measured or else 1 min (retry; of each of them)"),
        ({"otherwise": "30s", "per": "fields_required", "above": 8, "of": "first", "where": {"staff": False}},
         "30 s for each of fields_required above 8, where it has staff no (retry; of the first one)"),
        ({"measured": "late", "factor": 0.02},
         "the time until the answer as measured, times 0.02 (retry; of the anchor)"),
        ({"measured": "late", "at_most": "30m", "where": {"channel": "chat"}},
         "the time until the answer as measured, at most 30 min, where it has channel chat (retry; of the anchor)"),
    ],
)  # fmt: skip
def test_a_posting_says_where_its_time_comes_from(minutes: dict[str, Any], words: str) -> None:
    assert minutes_words(Minutes.model_validate(minutes | {"name": "m", "kind": "retry"})) == words


def test_a_whole_rule_is_told_in_lines() -> None:
    lines = list(told(load_definition(STATUS_CHASING, "x.yaml")))
    assert lines[:2] == [
        "status_chasing: The customer has to ask where it is",
        "  F20, version 1, from 2000-01-01T00:00:00+00:00 on, told to the team that caused it",
    ]
    assert (
        "    guard delivery_day: no friction when there is order.shipped of the same matter from 24 h before the anchor"
        " up to the anchor (must hold: no live tracking on the day of delivery)"
    ) in lines
    assert "  looked_up, base 1" in lines
    assert lines[-2:] == ["  three look-ups in a day: looked_up", "  two do not: nothing"]
    assert "  version 3, from 2026-06-01T00:00:00+00:00 on, told to desk, in shadow: found, told to nobody" in list(
        told(called_again())
    )


def test_a_rule_in_python_says_what_it_was_told() -> None:
    definition = called_again().model_copy(update={"patterns": (), "python": "Loop", "parameters": {"pages": 3}})
    assert classes_of(definition) == ("python",)
    assert "  Loop says so, in Python, with pages 3" in list(told(definition))

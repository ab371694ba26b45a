"""Guards, minutes and words of rules in files, and several patterns in one."""

from typing import Any

import pytest

from tests.support.judging import named
from tests.support.ruling import found_by, judged_by, made, variant
from tests.support.touchpoints import HOUR, MINUTE, MONDAY, happened

AGAIN = {"sequence": {"first": {"kind": "call.offered"}, "then": {"kind": "call.offered"}, "within": "1d"}}
CALLS = [
    happened("call.offered", MONDAY, channel="phone", topic="a", team="one", reason="status"),
    happened("call.offered", MONDAY + HOUR, channel="phone", topic="a", team="two", reason="document"),
]
SHARE = {"measured": "active_ms", "per": "fields_required", "above": 8}


def guarded(**guard: Any) -> Any:
    return made(AGAIN, guards=[{"name": "guard", "says": "not so", **guard}])


@pytest.mark.parametrize(
    ("guard", "count"),
    [
        ({"anchor": {"reason": "document"}}, 0),
        ({"anchor": {"reason": "status"}}, 1),
        ({"first": {"reason": ["sta*"]}}, 0),
        ({"first": {"reason": "document"}}, 1),
        ({"anchor": {"wait_ms": {"at_least": 1}}}, 1),
        ({"anchor": {"wait_ms": {"at_least": 1, "or_absent": True}}}, 0),
        ({"anchor": {"wait_ms": {"at_most": 1}}}, 1),
        ({"anchor": {"wait_ms": {"at_most": 1, "or_absent": True}}}, 0),
        ({"anchor": {"reason": "document"}, "first": {"reason": "document"}}, 1),
        ({"builtin": "invited"}, 0),
        ({"builtin": "scheduled"}, 1),
    ],
)
def test_a_guard_objects_when_all_that_it_says_holds(guard: dict[str, Any], count: int) -> None:
    found = found_by(guarded(**guard), *CALLS)
    assert len(found) == count
    assert all(named(friction.evidence.guards, "guard").passed for friction in found)


def test_a_guard_with_a_base_makes_it_small() -> None:
    (friction,) = found_by(guarded(anchor={"reason": "document"}, base=1), *CALLS, watermark=MONDAY)
    assert friction.severity == 1
    assert not named(friction.evidence.guards, "guard").passed


@pytest.mark.parametrize(("watermark", "count"), [(3 * HOUR - 1, 0), (3 * HOUR, 1)])
def test_a_guard_that_looks_ahead_is_waited_for(watermark: int, count: int) -> None:
    rule = guarded(near=[{"select": {"kind": "case.resolved"}, "until": "anchor + 2h"}])
    assert len(found_by(rule, *CALLS, watermark=MONDAY + watermark)) == count
    resolved = happened("case.resolved", MONDAY + 3 * HOUR, actor="agent", topic="a")
    assert found_by(rule, *CALLS, resolved, watermark=MONDAY + watermark) == []


def test_a_guard_that_cannot_object_any_more_is_not_waited_for() -> None:
    near = [{"select": {"kind": "case.resolved"}, "until": "anchor + 2h"}]
    assert len(found_by(guarded(near=near, anchor={"reason": "status"}), *CALLS, watermark=MONDAY)) == 1


def test_a_guard_that_never_says_when_is_refused() -> None:
    with pytest.raises(ValueError, match="never says when it objects"):
        guarded()


def test_the_first_pattern_that_holds_keeps_the_anchor() -> None:
    ahead = {"select": {"kind": "case.resolved"}, "until": "anchor + 2h"}
    patterns = [
        {"sequence": {**AGAIN["sequence"], "unless": [ahead]}, "variants": ["worse"]},
        {**AGAIN, "variants": ["it"]},
    ]
    rule = made(AGAIN, patterns=patterns, variants=[variant("worse", 4), variant("it")])
    for watermark, name in ((3 * HOUR - 1, "it"), (3 * HOUR, "worse")):
        assert [one.variant for one in found_by(rule, *CALLS, watermark=MONDAY + watermark)] == [name]


@pytest.mark.parametrize(("team", "name"), [("first", "one"), ("anchor", "two")])
def test_the_team_is_that_of_the_first_or_of_the_anchor(team: str, name: str) -> None:
    (friction,) = found_by(made(AGAIN, team=team), *CALLS)
    assert friction.team == name


@pytest.mark.parametrize(
    ("minutes", "fields", "posted"),
    [
        ({"measured": "active_ms", "otherwise": "3m"}, {"active_ms": 7 * MINUTE}, (7.0, True)),
        ({"measured": "active_ms", "otherwise": "3m"}, {}, (3.0, False)),
        ({"measured": "active_ms"}, {}, None),
        ({"otherwise": "30s", "per": "fields_required", "above": 8}, {"fields_required": 12}, (2.0, False)),
        ({"otherwise": "30s", "per": "fields_required", "above": 8}, {"fields_required": 8}, None),
        ({"otherwise": "5m", "per": "items_requested", "factor": 0.5}, {"items_requested": ("a", "b")}, (5.0, False)),
        ({"measured": "contact"}, {"active_ms": 4 * MINUTE}, (4.0, True)),
        ({"otherwise": "5m", "where": {"reason": "a"}}, {"reason": "a"}, (5.0, False)),
        ({"otherwise": "5m", "where": {"reason": "a"}}, {"reason": "b"}, None),
        ({"measured": "active_ms", "factor": 2, "at_most": "7m"}, {"active_ms": 3 * MINUTE}, (6.0, True)),
        ({"measured": "active_ms", "factor": 2, "at_most": "7m"}, {"active_ms": 4 * MINUTE}, (7.0, True)),
        (SHARE, {"active_ms": 6 * MINUTE, "fields_required": 12}, (2.0, True)),
        (SHARE, {"active_ms": 6 * MINUTE, "fields_required": 8}, None),
        (SHARE, {"active_ms": 6 * MINUTE}, None),
        ({"otherwise": "3m", "shown_as": ["it"]}, {}, (3.0, False)),
    ],
)
def test_minutes_are_measured_or_assumed(
    minutes: dict[str, Any], fields: dict[str, Any], posted: tuple[float, bool] | None
) -> None:
    rule = made(AGAIN, minutes=[{"name": "some", "kind": "retry", **minutes}])
    judgement = judged_by(rule, CALLS[0], happened("call.offered", MONDAY + HOUR, channel="phone", **fields))
    (friction,) = judgement.frictions
    assert friction.minutes == (0.0 if posted is None else posted[0])
    assert [one.is_measured for one in judgement.postings] == ([] if posted is None else [posted[1]])


def test_minutes_may_be_for_some_variants_only() -> None:
    told = [{"name": "some", "kind": "retry", "otherwise": "3m", "shown_as": ["other"]}]
    rule = made(AGAIN, variants=[variant("it"), variant("other")], minutes=told)
    (friction,) = judged_by(rule, *CALLS[:2]).frictions
    assert friction.minutes == 0.0
    with pytest.raises(ValueError, match="minutes 'some' are for 'other', but the variants are it"):
        made(AGAIN, minutes=told)


def test_an_unknown_word_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"says \{late\}, but the words here are .*\{gap\}.*\{window\}"):
        made(AGAIN, variants=[variant("it", sentence_en="{late}")])


def test_an_unknown_parameter_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"has no parameter 'speed'; it has .*window"):
        made(AGAIN, id="repeat_contact", patterns=[], python="RepeatContactRule", parameters={"speed": 1})


@pytest.mark.parametrize(("own", "at_least", "count"), [(False, 1, 1), (True, 2, 0), (True, 3, 1)])
def test_what_lies_near_may_be_its_own(own: bool, at_least: int, count: int) -> None:
    near = {"select": {"kind": "call.offered"}, "own": own, "at_least": at_least}
    assert len(found_by(guarded(near=[near]), *CALLS)) == count


@pytest.mark.parametrize(
    ("kinds", "count"),
    [
        (["consent.withdrawn"], 0),
        (["consent.withdrawn", "consent.granted"], 1),
        (["consent.granted", "consent.withdrawn"], 0),
        (["consent.withdrawn", "consent.granted", "consent.withdrawn"], 0),
    ],
)
def test_what_was_undone_does_not_count(kinds: list[str], count: int) -> None:
    near = {"select": {"kind": "consent.withdrawn"}, "undone_by": {"kind": "consent.granted"}, "from": "ever"}
    story = [happened(kind, MONDAY + number, id=str(number)) for number, kind in enumerate(kinds, start=1)]
    assert len(found_by(guarded(near=[near]), *CALLS, *story)) == count


@pytest.mark.parametrize(("watermark", "count"), [(3 * HOUR - 1, 0), (3 * HOUR, 1)])
def test_that_it_is_not_undone_is_certain_when_the_time_is_over(watermark: int, count: int) -> None:
    near = {"select": {"kind": "case.opened"}, "undone_by": {"kind": "case.closed"}, "until": "anchor + 2h"}
    rule = made(AGAIN | {"variants": ["open", "it"]}, variants=[variant("open", 4, near=[near]), variant("it", 1)])
    found = found_by(rule, *CALLS, happened("case.opened", MONDAY + 1), watermark=MONDAY + watermark)
    assert [one.variant == "open" for one in found] == [bool(count)]

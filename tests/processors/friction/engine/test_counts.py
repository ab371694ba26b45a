"""So many touchpoints in a window: literal boundaries of number, window, gap, sum and what begins anew."""

from typing import Any

import pytest

from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import named
from tests.support.ruling import found_by, made, numbered, variant
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, SECOND, happened


def failed(*after: int, **fields: Any) -> list[AppliedTouchpoint]:
    return numbered("login.failed", *(MONDAY + one for one in after), **fields)


def counting(**more: Any) -> Any:
    return made({"count": {"of": {"kind": "login.failed"}, "at_least": 3, "within": "10m", **more}})


@pytest.mark.parametrize(("third", "count"), [(10 * MINUTE - 1, 1), (10 * MINUTE, 1), (10 * MINUTE + 1, 0)])
def test_three_within_ten_minutes(third: int, count: int) -> None:
    assert len(found_by(counting(), *failed(0, MINUTE, third))) == count


def test_two_are_not_three() -> None:
    assert found_by(counting(), *failed(0, 1)) == []


def test_the_anchor_is_the_one_that_reaches_the_number_and_what_follows_belongs_to_it() -> None:
    (friction,) = found_by(counting(), *failed(0, MINUTE, 2 * MINUTE, 12 * MINUTE, 22 * MINUTE))
    assert friction.anchor_at == MONDAY + 2 * MINUTE
    assert len(friction.evidence.touchpoints) == 5
    assert named(friction.evidence.checks, "count").value == "5"


@pytest.mark.parametrize(("pause", "count"), [(10 * MINUTE, 1), (10 * MINUTE + 1, 2)])
def test_a_pause_longer_than_the_window_begins_another_finding(pause: int, count: int) -> None:
    again = 2 * MINUTE + pause
    assert len(found_by(counting(), *failed(0, MINUTE, 2 * MINUTE, again, again + 1, again + 2))) == count


def test_what_is_too_old_does_not_count() -> None:
    (friction,) = found_by(counting(), *failed(0, 9 * MINUTE, 11 * MINUTE, 12 * MINUTE))
    assert friction.anchor_at == MONDAY + 12 * MINUTE
    assert len(friction.evidence.touchpoints) == 3
    assert friction.evidence.nearest_miss == "would not have fired with one of them more than 7 min later"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit einem davon über 7 min später"


@pytest.mark.parametrize(("pause", "count"), [(SECOND, 1), (SECOND + 1, 0)])
def test_from_each_to_the_next_at_most_the_gap(pause: int, count: int) -> None:
    assert len(found_by(counting(gap="1s"), *failed(0, SECOND, SECOND + pause))) == count


def test_different_values_are_counted_once_and_absent_ones_never() -> None:
    rule = counting(distinct="team", at_least=2)
    assert found_by(rule, *failed(0, 1, team="a"), *failed(2)) == []
    assert len(found_by(rule, *failed(0, team="a"), *failed(2, team="b"))) == 1


@pytest.mark.parametrize(("second", "count"), [(MINUTE - 1, 0), (MINUTE, 1)])
def test_a_sum_reaches_its_threshold(second: int, count: int) -> None:
    rule = made(
        {
            "count": {"of": {"kind": "queue.left"}, "sum": "wait_ms", "at_least": "5m", "within": "1d"},
            "variants": ["long", "it"],
        },
        variants=[variant("long", at_least="10m"), variant("it", sentence_en="{sum} of {limit} in {count} waits")],
    )
    story = [
        happened("queue.left", MONDAY, wait_ms=4 * MINUTE),
        happened("queue.left", MONDAY + HOUR, wait_ms=second),
    ]
    found = found_by(rule, *story)
    assert len(found) == count
    assert [friction.sentence_en for friction in found] == ["5 min of 5 min in 2 waits"] * count
    assert [
        friction.variant
        for friction in found_by(rule, *story, happened("queue.left", MONDAY + 2 * HOUR, wait_ms=5 * MINUTE))
    ] == (["long"] if count else ["it"])


@pytest.mark.parametrize(
    ("per", "one", "other"),
    [
        ("matter", {"topic": "a"}, {"topic": "b"}),
        ("journey", {"topic": "a"}, {"topic": "b"}),
        ("case", {"objects": ("case:1",)}, {"objects": ("case:2",)}),
        ("order", {"objects": ("order:1",)}, {"objects": ("order:2",)}),
        ("line", {"objects": ("order:1:1",)}, {"objects": ("order:1:2",)}),
        ("form", {"objects": ("form:1",)}, {"objects": ("form:2",)}),
        ("form", {"touchpoint": "/one"}, {"touchpoint": "/two"}),
        ("contact", {"thread_id": "t"}, {"thread_id": "u"}),
        ("channel", {"channel": "web"}, {"channel": "app"}),
        ("place", {"touchpoint": "/one"}, {"touchpoint": "/two"}),
        ("source", {"source": "a"}, {"source": "b"}),
    ],
)
def test_each_group_counts_for_itself(per: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    rule = counting(per=per)
    assert found_by(rule, *failed(0, 1, **one), *failed(2, **other)) == []
    assert len(found_by(rule, *failed(0, 1, 2, **one), *failed(3, **other))) == 1
    assert len(found_by(counting(), *failed(0, 1, **one), *failed(2, **other))) == 1


@pytest.mark.parametrize("per", ["case", "order", "line", "form", "contact", "place"])
def test_what_belongs_to_no_group_is_not_counted(per: str) -> None:
    assert found_by(counting(per=per), *failed(0, 1, 2)) == []


def test_touchpoints_that_share_any_key_are_one_matter() -> None:
    story = [
        *failed(0, objects=("order:1",)),
        *failed(1, objects=("order:1",), topic="a"),
        *failed(2, topic="a"),
    ]
    assert len(found_by(counting(per="matter"), *story)) == 1


def test_counting_begins_anew_after_a_reset() -> None:
    rule = counting(reset={"kind": "login.succeeded"})
    success = happened("login.succeeded", MONDAY + 90)
    assert found_by(rule, *failed(0, 60, 120), success) == []
    assert len(found_by(rule, *failed(0, 60, 120, 180, 240), success)) == 1


@pytest.mark.parametrize(("after", "count"), [(30 * MINUTE, 1), (30 * MINUTE + 1, 0)])
def test_counting_begins_with_what_it_is_counted_since(after: int, count: int) -> None:
    rule = counting(since={"kind": "password.reset"}, at_least=1, within="30m")
    reset = happened("password.reset", MONDAY + HOUR, id="r")
    assert found_by(rule, *failed(0)) == []
    found = found_by(rule, *failed(0, HOUR + after), reset)
    assert len(found) == count
    assert all(friction.evidence.touchpoints[0] == "default/test/r" for friction in found)


@pytest.mark.parametrize(
    ("success", "watermark", "count"),
    [
        (None, 12 * MINUTE - 1, 0),
        (None, 12 * MINUTE, 1),
        (12 * MINUTE, DAY, 0),
        (12 * MINUTE + 1, DAY, 1),
        (-1, DAY, 1),
    ],
)
def test_what_would_excuse_it_is_waited_for(success: int | None, watermark: int, count: int) -> None:
    rule = counting(unless=[{"select": {"kind": "login.succeeded"}, "until": "anchor + 10m"}])
    story = failed(0, MINUTE, 2 * MINUTE)
    if success is not None:
        story.append(happened("login.succeeded", MONDAY + success))
    assert len(found_by(rule, *story, watermark=MONDAY + watermark)) == count


def test_ignored_places_do_not_count() -> None:
    rule = made({"count": {"of": {"kind": "login.failed"}, "at_least": 3, "within": "10m"}}, ignore_places=["/health"])
    assert found_by(rule, *failed(0, 1), *failed(2, touchpoint="/health")) == []
    assert len(found_by(rule, *failed(0, 1), *failed(2, touchpoint="/login"))) == 1


@pytest.mark.parametrize(("after", "count"), [(-1, 0), (0, 1)])
def test_anchors_before_it_takes_effect_are_none(after: int, count: int) -> None:
    rule = made(
        {"count": {"of": {"kind": "login.failed"}, "at_least": 3, "within": "10m"}},
        effective_from="2024-01-01T01:00:00Z",
    )
    assert len(found_by(rule, *failed(0, HOUR - 2, HOUR + after - 1, HOUR + after))) == count


def test_levels_go_by_the_number() -> None:
    rule = made(
        {"count": {"of": {"kind": "login.failed"}, "at_least": 3, "within": "10m"}, "variants": ["five", "three"]},
        variants=[variant("five", 4, at_least=5), variant("three", 2)],
    )
    assert [friction.variant for friction in found_by(rule, *failed(0, 1, 2, 3))] == ["three"]
    assert [friction.variant for friction in found_by(rule, *failed(0, 1, 2, 3, 4))] == ["five"]


def test_different_values_of_several_fields_are_counted_together() -> None:
    rule = counting(distinct=["from_team", "to_team"], at_least=3)
    assert found_by(rule, *failed(0, from_team="a", to_team="b"), *failed(1, to_team="a"), *failed(2)) == []
    (friction,) = found_by(rule, *failed(0, from_team="a", to_team="b"), *failed(1, to_team="c"))
    assert named(friction.evidence.checks, "count").value == "3"


@pytest.mark.parametrize(
    ("warm", "cold", "counted"), [(4, 0, "2"), (3, 0, None), (2, 1, "2"), (1, 1, None), (1, 2, "2.5")]
)
def test_some_count_half(warm: int, cold: int, counted: str | None) -> None:
    rule = counting(half={"kind": "login.failed", "where": {"warm": True}}, at_least=2)
    story = [*failed(*range(cold)), *failed(*range(cold, cold + warm), warm=True)]
    found = found_by(rule, *story)
    assert [named(friction.evidence.checks, "count").value for friction in found] == ([counted] if counted else [])


@pytest.mark.parametrize(("third", "count"), [(300 * DAY, 1), (300 * DAY + 1, 0)])
def test_without_a_window_only_the_gap_counts(third: int, count: int) -> None:
    rule = made({"count": {"of": {"kind": "login.failed"}, "at_least": 3, "gap": "200d"}})
    found = found_by(rule, *failed(0, 100 * DAY, third))
    assert len(found) == count
    assert [named(one.evidence.checks, "window").threshold for one in found] == ["at most 200 d each"] * count
    assert [one.evidence.nearest_miss for one in found] == ["would not have fired with 1 of them fewer"] * count


def test_without_window_and_gap_all_is_one_finding() -> None:
    rule = made(
        {"count": {"of": {"kind": "login.failed"}, "at_least": 2}},
        variants=[variant("it", sentence_en="{count} in {window}")],
    )
    (friction,) = found_by(rule, *failed(0, 100 * DAY, 300 * DAY))
    assert friction.sentence_en == "3 in any time"


@pytest.mark.parametrize(("since_first", "count"), [(True, 1), (False, 0)])
def test_counting_may_go_on_over_another_beginning(since_first: bool, count: int) -> None:
    rule = counting(within=None, since={"kind": "human.requested"}, since_first=since_first)
    asked = numbered("human.requested", MONDAY, MONDAY + 3 * MINUTE)
    (*found,) = found_by(rule, *asked, *failed(MINUTE, 2 * MINUTE, 4 * MINUTE))
    assert len(found) == count
    assert [len(one.evidence.touchpoints) for one in found] == [4] * count


def test_a_reset_lets_it_begin_with_the_next_one() -> None:
    rule = counting(within=None, since={"kind": "human.requested"}, since_first=True, reset={"kind": "human.reached"})
    asked = numbered("human.requested", MONDAY, MONDAY + 4 * MINUTE)
    reached = happened("human.reached", MONDAY + 3 * MINUTE, actor="agent")
    assert found_by(rule, *asked, reached, *failed(1, 2, 5 * MINUTE, 6 * MINUTE)) == []
    (friction,) = found_by(rule, *asked, reached, *failed(1, 2, 5 * MINUTE, 6 * MINUTE, 7 * MINUTE))
    assert friction.anchor_at == MONDAY + 7 * MINUTE

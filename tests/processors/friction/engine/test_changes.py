"""A state that goes forth and back: hops, return and window."""

from typing import Any

import pytest

from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import named
from tests.support.ruling import found_by, made, variant
from tests.support.touchpoints import DAY, MONDAY, happened


def changing(**more: Any) -> Any:
    return made(
        {
            "change": {"of": {"kind": "case.assigned"}, "state": "to_team", "within": "14d", "per": "case", **more},
            "variants": ["five", "it"],
        },
        variants=[variant("five", 4, at_least=5), variant("it", sentence_en="{count} hops: {states}")],
    )


def assigned(*teams: str | None, days: int = 1, **fields: Any) -> list[AppliedTouchpoint]:
    told = {"objects": ("case:1",), "actor": "system"} | fields
    return [
        happened("case.assigned", MONDAY + number * days * DAY, id=f"{number}{told['objects']}", to_team=team, **told)
        for number, team in enumerate(teams)
    ]


@pytest.mark.parametrize(
    ("teams", "count"),
    [("ABA", 1), ("AB", 0), ("ABC", 0), ("AAB", 0), ("AABBA", 1), ("ABCA", 1), ("ABCBA", 1), ("ABCDE", 0)],
)
def test_it_has_to_come_back(teams: str, count: int) -> None:
    assert len(found_by(changing(), *assigned(*teams))) == count


@pytest.mark.parametrize(("at_least", "returns", "count"), [(3, True, 0), (2, True, 1), (2, False, 1)])
def test_so_many_hops(at_least: int, returns: bool, count: int) -> None:
    assert len(found_by(changing(at_least=at_least, returns=returns), *assigned(*"ABA"))) == count
    assert len(found_by(changing(at_least=at_least, returns=returns), *assigned(*"ABC"))) == (not returns)


@pytest.mark.parametrize(
    ("teams", "count"), [("ABAB", 1), ("ABCA", 0), ("ABCB", 0), ("XABAB", 1), ("ABAC", 0), ("ABACAB", 0)]
)
def test_between_so_many_states_only(teams: str, count: int) -> None:
    assert len(found_by(changing(at_least=3, states=2), *assigned(*teams))) == count


def test_what_follows_between_the_same_states_belongs_to_it() -> None:
    (friction,) = found_by(changing(at_least=3, states=2), *assigned(*"XABABACAD"))
    assert friction.sentence_en == "4 hops: A, B, A, B, A"
    assert named(friction.evidence.checks, "states").value == "A, B, A, B, A"
    assert len(found_by(changing(at_least=3, states=2), *assigned(*"ABABXYXY"))) == 2


@pytest.mark.parametrize(("days", "count"), [(7, 1), (8, 0)])
def test_the_window_runs_from_the_first_state_to_the_return(days: int, count: int) -> None:
    assert len(found_by(changing(), *assigned(*"ABA", days=days))) == count


def test_a_state_lasts_until_the_last_touchpoint_that_says_it() -> None:
    assert len(found_by(changing(), *assigned(*"AABA", days=7))) == 1


def test_the_anchor_is_the_return_and_further_hops_belong_to_it() -> None:
    (friction,) = found_by(changing(), *assigned(*"ABAB"))
    assert (friction.anchor_at, friction.variant) == (MONDAY + 2 * DAY, "it")
    assert friction.sentence_en == "3 hops: A, B, A, B"
    assert named(friction.evidence.checks, "states").value == "A, B, A, B"
    assert friction.evidence.nearest_miss == "would not have fired with the change back more than 12 d later"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit dem Wechsel zurück über 12 d später"
    (friction,) = found_by(changing(), *assigned(*"ABABAB"))
    assert friction.variant == "five"


def test_each_case_has_its_own_state_and_absent_ones_do_not_count() -> None:
    assert found_by(changing(), *assigned("A", "B"), *assigned("A", objects=("case:2",))) == []
    assert len(found_by(changing(), *assigned("A", None, "B", None, "A"))) == 1


def handed(*teams: tuple[str | None, str]) -> list[AppliedTouchpoint]:
    return [
        happened(
            "case.assigned", MONDAY + number * DAY, id=str(number), from_team=left, to_team=team, objects=("case:1",)
        )
        for number, (left, team) in enumerate(teams)
    ]


@pytest.mark.parametrize(
    ("teams", "states"),
    [
        ([("A", "B"), ("B", "A")], "A, B, A"),
        ([("A", "B"), (None, "A")], "A, B, A"),
        ([(None, "B"), ("A", "B")], None),
        ([(None, "A"), ("C", "B"), ("B", "A")], None),
        ([("B", "B"), ("B", "A")], None),
        ([(None, "A"), ("B", "B"), (None, "A")], "A, B, A"),
        ([("A", "B"), ("B", "B"), ("B", "A")], "A, B, A"),
    ],
)
def test_the_state_before_counts_where_it_is_told(teams: list[tuple[str | None, str]], states: str | None) -> None:
    found = found_by(changing(left="from_team"), *handed(*teams))
    assert [named(friction.evidence.checks, "states").value for friction in found] == ([states] if states else [])


def test_a_first_touchpoint_that_is_a_hop_is_one_of_the_evidence_and_begins_the_window() -> None:
    (friction,) = found_by(changing(left="from_team", within="1d"), *handed(("A", "B"), ("B", "A")))
    assert friction.sentence_en == "2 hops: A, B, A"
    assert len(friction.evidence.touchpoints) == 2

"""Which version of a rule judges what, and what follows from a change for a person's rows."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diff import Judgement
from processors.friction.book import Book, RuleRefused, accepted, effective, rule_book
from processors.friction.catalogue import default_calendars, definitions
from processors.friction.definition import RuleDefinition
from processors.friction.engine import compiled
from processors.friction.finding import FrictionRule
from processors.identifiers import RULE_CHANGE, unpack_version
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.outputs import Friction
from schemas.rule_changes import RuleChange
from schemas.touchpoint import AppliedTouchpoint
from tests.support.rule_files import CALLED_AGAIN, called_again, changed
from tests.support.stories import stories, watermarks
from tests.support.touchpoints import ANNA, DAY, HOUR, MONDAY, TENANT, happened

RULE = "called_again"
#: As shipped: a second call within seven days.
SHIPPED = (called_again(("version: 3", "version: 1"), ("2026-06-01", "2000-01-01")),)
#: Chosen for how they differ: a class of its own, the effort ledger, absence, count, change, sequence.
FEW = tuple(
    one
    for one in definitions()
    if one.id
    in {"channel_redirect", "effort_budget_exceeded", "unanswered_contact", "asked_again", "ping_pong", "loop"}
)


def build(definition: RuleDefinition, until: int | None) -> FrictionRule:
    return compiled(definition, default_calendars(), until)


def change(version: int, effective_from: int, *changes: tuple[str, str], published_at: int = 0) -> RuleChange:
    text = changed(CALLED_AGAIN, ("version: 3", f"version: {version}"), *changes)
    return RuleChange(
        rule_id=RULE, version=version, effective_from=effective_from, published_at=published_at, text=text
    )


def retired(version: int, effective_from: int) -> RuleChange:
    return RuleChange(rule_id=RULE, version=version, effective_from=effective_from, published_at=0, text=None)


def book(*changes: RuleChange) -> Book:
    return rule_book(SHIPPED, {one: accepted(one, build) for one in changes}, build)


def found(book: Book, *touchpoints: AppliedTouchpoint) -> list[tuple[int, int]]:
    """Anchor and version of each friction."""
    return [(one.anchor_at - MONDAY, one.rule_version) for one in judgement(book, touchpoints).frictions]


def judgement(book: Book, touchpoints: Iterable[AppliedTouchpoint], watermark: int = MONDAY + 60 * DAY) -> Judgement:
    return judge(restore(TENANT, ANNA, touchpoints), book.rules, watermark, CoreSettings(), book.moments)


def calls(*times: int) -> list[AppliedTouchpoint]:
    return [happened("contact.started", MONDAY + at, thread_id=str(at), channel="phone") for at in times]


def test_a_version_judges_what_begins_at_its_moment_and_the_one_before_what_began_earlier() -> None:
    live = book(change(2, MONDAY + 30 * HOUR, ("within: 7d", "within: 24h")))
    assert found(live, *calls(0, 30 * HOUR - 1)) == [(30 * HOUR - 1, 1)]
    assert found(live, *calls(0, 30 * HOUR)) == []
    assert found(live, *calls(6 * HOUR, 30 * HOUR)) == [(30 * HOUR, 2)]


def test_a_retired_rule_finds_nothing_from_its_moment_on_until_a_version_brings_it_back() -> None:
    live = book(retired(2, MONDAY + 2 * HOUR), change(3, MONDAY + 5 * HOUR))
    assert found(live, *calls(0, 2 * HOUR - 1, 2 * HOUR, 5 * HOUR - 1, 5 * HOUR)) == [
        (2 * HOUR - 1, 1),
        (5 * HOUR, 3),
    ]


def test_a_higher_version_counts_from_its_moment_on_even_if_a_lower_one_begins_later() -> None:
    live = book(change(2, MONDAY + 5 * HOUR), change(3, MONDAY + 2 * HOUR))
    assert found(live, *calls(0, HOUR, 2 * HOUR, 6 * HOUR)) == [(HOUR, 1), (2 * HOUR, 3), (6 * HOUR, 3)]


def test_the_order_in_which_changes_are_learned_does_not_matter() -> None:
    changes = [change(2, MONDAY + 3 * HOUR), retired(3, MONDAY + 4 * HOUR), change(4, MONDAY + HOUR)]
    touchpoints = calls(*range(0, 8 * HOUR, HOUR // 2))
    (told,) = {tuple(found(book(*order), *touchpoints)) for order in permutations(changes)}
    assert {version for _, version in told} == {1, 4}


def test_a_new_rule_is_one_that_nobody_shipped() -> None:
    live = rule_book((), {one: accepted(one, build) for one in [change(3, MONDAY + HOUR)]}, build)
    assert found(live, *calls(0, HOUR - 1, HOUR)) == [(HOUR, 3)]


def test_evidence_names_the_content_of_the_version_whatever_comes_later() -> None:
    def evidence(live: Book) -> list[str]:
        return [one.evidence.rule_hash for one in judgement(live, calls(0, HOUR)).frictions]

    first = change(2, MONDAY)
    assert evidence(book(first)) == evidence(book(first, change(3, MONDAY + DAY))) != evidence(book())


def test_a_friction_repeats_one_that_an_earlier_version_found() -> None:
    def parts(live: Book) -> list[Friction]:
        return list(judgement(live, calls(0, HOUR, 2 * HOUR)).frictions)

    old, new = parts(book(change(2, MONDAY + 2 * HOUR)))
    assert (old.rule_version, new.rule_version) == (1, 2)
    assert (old.severity, new.severity) == tuple(one.severity for one in parts(book()))
    assert new.severity > old.severity


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (change(2, 0, ("7d", "23h")), "1 of its 2 examples fail: a second call: expected again, fired nothing"),
        (change(2, 0, ("version: 2", "version: 4")), "published as called_again@2, its text says called_again@4"),
        (change(2, 0, ("within: 7d", "within: soon")), "'soon' is no duration"),
        (change(2, 0, ("A second call.", '"A call {nobody}."')), "nobody"),
    ],
)
def test_what_is_refused_says_why(refused: RuleChange, why: str) -> None:
    with pytest.raises(RuleRefused, match=why):
        accepted(refused, build)


@st.composite
def changes_to_few(draw: st.DrawFn) -> dict[RuleChange, RuleDefinition | None]:
    """Up to five changes to the few: the same rule again, in a shadow, with another threshold of severity, or none."""
    changes: dict[RuleChange, RuleDefinition | None] = {}
    for version in range(2, draw(st.integers(2, 6)) + 1):
        definition = draw(st.sampled_from(FEW))
        moment = MONDAY + draw(st.integers(-1, 40 * 24)) * HOUR
        one = RuleChange(
            rule_id=definition.id, version=version, effective_from=moment, published_at=version, text=definition.id
        )
        other: RuleDefinition | None = definition.model_copy(update={"version": version})
        match draw(st.sampled_from(["same", "shadow", "retired", "base"])):
            case "shadow":
                other = definition.model_copy(update={"version": version, "shadow": True})
            case "retired":
                other = None
            case "base":
                variants = tuple(variant.model_copy(update={"base": 5}) for variant in definition.variants)
                other = definition.model_copy(update={"version": version, "variants": variants})
        changes[one] = None if other is None else effective(other, moment)
    return changes


@given(stories(), changes_to_few(), watermarks, st.data())
@settings(max_examples=150, deadline=None)
def test_rows_have_growing_versions_when_a_change_is_learned(
    story: list[AppliedTouchpoint],
    changes: dict[RuleChange, RuleDefinition | None],
    watermark: int,
    data: st.DataObject,
) -> None:
    news = data.draw(st.sampled_from(list(changes)))
    before = {one: definition for one, definition in changes.items() if one != news}
    earlier = judgement(rule_book(FEW, before, build), story, watermark)
    later = judgement(rule_book(FEW, changes, build), story, watermark)
    last = max(one.event_time for one in story)
    if news.effective_from > last:
        assert later == earlier
        return
    assert later.version > earlier.version
    assert unpack_version(later.version)[1] == unpack_version(earlier.version)[1] + RULE_CHANGE
    assert later.person.rule_changes == earlier.person.rule_changes + 1
    assert later.person.rule_changes == bisect_right(sorted(one.effective_from for one in changes), last)


@given(stories(), changes_to_few(), watermarks)
@settings(max_examples=150, deadline=None)
def test_each_friction_is_of_the_version_of_its_time(
    story: list[AppliedTouchpoint], changes: dict[RuleChange, RuleDefinition | None], watermark: int
) -> None:
    for friction in judgement(rule_book(FEW, changes, build), story, watermark).frictions:
        due = [one for one in changes if one.rule_id == friction.rule_id and one.effective_from <= friction.anchor_at]
        assert friction.rule_version == max((one.version for one in due), default=1)
        latest = max(due, key=lambda one: one.version, default=None)
        assert latest is None or changes[latest] is not None


@given(stories(), changes_to_few(), watermarks, watermarks)
@settings(max_examples=100, deadline=None)
def test_versions_grow_with_time_under_any_book(
    story: list[AppliedTouchpoint],
    changes: dict[RuleChange, RuleDefinition | None],
    one: int,
    other: int,
) -> None:
    live = rule_book(FEW, changes, build)
    first, second = (judgement(live, story, watermark) for watermark in sorted((one, other)))
    assert first.version <= second.version
    if first.version == second.version:
        assert first == second

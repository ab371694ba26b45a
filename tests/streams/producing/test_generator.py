"""Generated companies: the numbers hold, the same seed gives the same data, and the truth is about what is there."""

from collections import Counter
from itertools import pairwise

import pytest

from schemas.identities import strongest_identity
from schemas.json_form import milliseconds, touchpoint_from_json, touchpoint_to_json
from schemas.touchpoint import Touchpoint
from schemas.vocabulary import ACTORS, CHANNELS, DIRECTIONS, KINDS, OUTCOMES
from streams.producing.generator import GeneratedCompany, Truth
from streams.producing.scenarios import LONGEST_STORY, SCENARIOS
from tests.support.touchpoints import DAY, HOUR, MONDAY


def company(persons: int = 150, events: int = 6_000, seed: int = 1, start: int = MONDAY) -> GeneratedCompany:
    return GeneratedCompany(persons=persons, events=events, seed=seed, start=start)


def planted_persons(truth: Truth) -> set[str]:
    return {friction.person for friction in truth.frictions} | {case.person for case in truth.silent}


def planted_scenarios(truth: Truth) -> set[str]:
    return {friction.scenario for friction in truth.frictions} | {case.scenario for case in truth.silent}


@pytest.fixture(scope="module")
def touchpoints() -> list[Touchpoint]:
    return list(company().touchpoints())


@pytest.mark.parametrize(("persons", "events"), [(1, 1), (2, 40), (3, 3), (150, 6_000), (700, 9_999)])
def test_the_numbers_hold_exactly(persons: int, events: int) -> None:
    made = company(persons, events)
    sent = list(made.touchpoints())
    totals = made.truth.totals
    assert len({touchpoint.key for touchpoint in sent}) == events == totals.touchpoints
    assert len({strongest_identity(touchpoint.identities) for touchpoint in sent}) == persons == totals.persons
    assert len(sent) == events + events // 200 == totals.lines


def test_the_same_numbers_give_the_same_data_at_every_call() -> None:
    made = company()
    assert list(made.touchpoints()) == list(made.touchpoints()) == list(company().touchpoints())
    assert made.truth == company().truth


def test_other_numbers_give_data_that_share_no_key_and_no_person(touchpoints: list[Touchpoint]) -> None:
    keys = {touchpoint.key for touchpoint in touchpoints}
    persons = {touchpoint.identities for touchpoint in touchpoints}
    for other in (company(seed=2), company(start=MONDAY + DAY), company(events=6_001)):
        sent = list(other.touchpoints())
        assert keys.isdisjoint(touchpoint.key for touchpoint in sent)
        assert persons.isdisjoint(touchpoint.identities for touchpoint in sent)


def test_duplicates_are_exact(touchpoints: list[Touchpoint]) -> None:
    counts = Counter(touchpoints)
    assert sorted(counts.values(), reverse=True)[:30] == [2] * 30
    assert sum(count == 2 for count in counts.values()) == 30
    assert len(counts) == len({touchpoint.key for touchpoint in touchpoints})


def test_most_arrive_in_order_and_some_do_not(touchpoints: list[Touchpoint]) -> None:
    latest = 0
    late = 0
    for touchpoint in touchpoints:
        latest = max(latest, touchpoint.occurred_at)
        behind = latest - touchpoint.occurred_at
        late += behind > 10_000
        assert behind <= 7 * HOUR
    assert 0.002 < late / len(touchpoints) < 0.05


def test_everything_lies_in_the_span_and_life_goes_on_to_its_end(touchpoints: list[Touchpoint]) -> None:
    truth = company().truth
    start, end = milliseconds(truth.start), milliseconds(truth.end)
    assert (start, end) == (MONDAY, MONDAY + 28 * DAY)
    times = [touchpoint.occurred_at for touchpoint in touchpoints]
    assert start <= min(times)
    assert max(times) < end
    lately = {touchpoint.identities for touchpoint in touchpoints if touchpoint.occurred_at >= end - HOUR}
    assert len(lately) >= 64


def test_stories_end_long_enough_before_the_data_does() -> None:
    truth = company(persons=600, events=20_000).truth
    assert max(friction.anchor_at for friction in truth.frictions) + 4 * DAY < milliseconds(truth.end)


def test_touchpoints_survive_the_way_over_json(touchpoints: list[Touchpoint]) -> None:
    for touchpoint in touchpoints[:2_000]:
        assert touchpoint_from_json(touchpoint_to_json(touchpoint)) == touchpoint


def test_only_words_of_the_contract_are_used(touchpoints: list[Touchpoint]) -> None:
    assert {touchpoint.kind for touchpoint in touchpoints} <= KINDS
    assert {touchpoint.channel for touchpoint in touchpoints} <= CHANNELS
    assert {touchpoint.actor for touchpoint in touchpoints} <= ACTORS
    assert {touchpoint.direction for touchpoint in touchpoints} <= DIRECTIONS
    assert {touchpoint.outcome for touchpoint in touchpoints} - {None} <= OUTCOMES


def test_the_channels_of_a_company_are_there(touchpoints: list[Touchpoint]) -> None:
    channels = Counter(touchpoint.channel for touchpoint in touchpoints)
    assert {"web", "app", "phone", "email", "chat", "store", "social"} <= channels.keys()
    assert channels["web"] + channels["app"] > len(touchpoints) / 2


def test_every_scenario_is_planted_where_there_are_persons_enough() -> None:
    truth = company(persons=2 * len(SCENARIOS), events=6_000).truth
    assert planted_scenarios(truth) == {scenario.__name__ for scenario in SCENARIOS}


def test_a_small_company_gets_the_first_scenarios() -> None:
    truth = company(persons=8, events=200).truth
    assert planted_scenarios(truth) == {scenario.__name__ for scenario in SCENARIOS[:4]}


def test_what_the_truth_names_is_in_the_data_under_its_person() -> None:
    made = company()
    sent = {(touchpoint.source, touchpoint.id): touchpoint for touchpoint in made.touchpoints()}
    for friction in made.truth.frictions:
        anchor = sent[friction.anchor.source, friction.anchor.id]
        assert (anchor.occurred_at, anchor.identities) == (friction.anchor_at, (friction.person,))
    for case in made.truth.silent:
        assert sent[case.touchpoint.source, case.touchpoint.id].identities == (case.person,)


def test_no_story_is_longer_than_the_longest() -> None:
    made = company(persons=4 * len(SCENARIOS), events=9_000)
    planted = planted_persons(made.truth)
    times: dict[str, list[int]] = {person: [] for person in planted}
    for touchpoint in made.touchpoints():
        if touchpoint.identities[0] in planted:
            times[touchpoint.identities[0]].append(touchpoint.occurred_at)
    assert max(max(story) - min(story) for story in times.values()) <= LONGEST_STORY


def test_nobody_without_a_story_talks_about_one_topic_twice_in_eight_days() -> None:
    made = company(persons=20, events=20_000)
    planted = planted_persons(made.truth)
    begun: dict[tuple[str, str], dict[str, int]] = {}
    for touchpoint in made.touchpoints():
        if touchpoint.topic and touchpoint.thread_id and touchpoint.identities[0] not in planted:
            threads = begun.setdefault((touchpoint.identities[0], touchpoint.topic), {})
            threads.setdefault(touchpoint.thread_id, touchpoint.occurred_at)
    gaps = [later - earlier for threads in begun.values() for earlier, later in pairwise(sorted(threads.values()))]
    assert gaps
    assert min(gaps) > 8 * DAY


@pytest.mark.parametrize(
    ("persons", "events", "days", "message"),
    [
        (0, 10, 28, "at least one person"),
        (11, 10, 28, "11 persons, but only 10 events"),
        (5, 10, 23, "24 days, got 23"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(persons: int, events: int, days: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeneratedCompany(persons=persons, events=events, seed=1, start=MONDAY, span_days=days)

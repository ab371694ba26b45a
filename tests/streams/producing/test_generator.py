"""Generated companies: the numbers hold, the same seed gives the same data, and the truth is about what is there."""

from collections import Counter
from itertools import pairwise

import pytest

from schemas.identities import strongest_identity
from schemas.json_form import milliseconds, touchpoint_from_json, touchpoint_to_json
from schemas.touchpoint import Touchpoint
from schemas.vocabulary import ACTORS, CHANNELS, DIRECTIONS, KINDS, OUTCOMES
from streams.producing.generator import GeneratedCompany, Truth
from streams.producing.identity_scenarios import IDENTITY_SCENARIOS, LONGEST_IDENTITY_STORY, PLACEHOLDER
from streams.producing.scenarios import LONGEST_STORY, SCENARIOS
from tests.support.generated import TrueOwners
from tests.support.touchpoints import DAY, HOUR, MONDAY


def company(
    persons: int = 150,
    events: int = 6_000,
    seed: int = 1,
    start: int = MONDAY,
    *,
    identities: bool = False,
    catalogue: bool = False,
) -> GeneratedCompany:
    return GeneratedCompany(
        persons=persons, events=events, seed=seed, start=start, identities=identities, catalogue=catalogue
    )


def planted_persons(truth: Truth) -> set[str]:
    return {friction.person for friction in truth.frictions} | {case.person for case in truth.silent}


def planted_scenarios(truth: Truth) -> set[str]:
    return {friction.scenario for friction in truth.frictions} | {case.scenario for case in truth.silent}


@pytest.fixture(scope="module")
def touchpoints() -> list[Touchpoint]:
    return list(company().touchpoints())


@pytest.fixture(scope="module")
def of_many_names() -> list[Touchpoint]:
    """What people with several identities add."""
    own = {person for people in company(identities=True).truth.people for person in people.identities}
    return [touchpoint for touchpoint in company(identities=True).touchpoints() if own & set(touchpoint.identities)]


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
    others = (
        company(seed=2),
        company(start=MONDAY + DAY),
        company(events=6_001),
        company(identities=True),
        company(catalogue=True),
    )
    for other in others:
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


@pytest.mark.parametrize("catalogue", [False, True])
def test_what_the_truth_names_is_in_the_data_under_its_person(*, catalogue: bool) -> None:
    made = company(persons=420, identities=True, catalogue=catalogue)
    owners = TrueOwners((person.identities for person in made.truth.people), made.truth.placeholders)
    sent = {(touchpoint.source, touchpoint.id): touchpoint for touchpoint in made.touchpoints()}
    for friction in made.truth.frictions:
        anchor = sent[friction.anchor.source, friction.anchor.id]
        assert (anchor.occurred_at, owners.of(anchor.identities)) == (friction.anchor_at, friction.person)
    for case in made.truth.silent:
        assert owners.of(sent[case.touchpoint.source, case.touchpoint.id].identities) == case.person


def test_examples_of_the_rules_come_after_the_scenarios_and_only_when_asked_for() -> None:
    assert company(persons=420).truth.examples == ()
    assert company(persons=2 * len(SCENARIOS), catalogue=True).truth.examples == ()
    truth = company(persons=420, catalogue=True).truth
    assert len(truth.examples) == 420 // 2 - len(SCENARIOS) == 153
    assert {scenario.__name__ for scenario in SCENARIOS} < planted_scenarios(truth)
    assert len({example.person for example in truth.examples}) == 153
    told = {(example.person, f"{example.rule_id}: {example.says}") for example in truth.examples}
    of_people = {example.person for example in truth.examples}
    fired = {(friction.person, friction.scenario) for friction in truth.frictions}
    silent = {(case.person, case.scenario) for case in truth.silent}
    assert {entry for entry in fired | silent if entry[0] in of_people} == told


def test_numbers_words_and_data_hold_with_examples_too() -> None:
    made = company(persons=1_200, catalogue=True)
    sent = list(made.touchpoints())
    assert sent == list(company(persons=1_200, catalogue=True).touchpoints())
    assert made.truth == company(persons=1_200, catalogue=True).truth != company(1_200, seed=2, catalogue=True).truth
    assert len({touchpoint.key for touchpoint in sent}) == 6_000
    assert len({strongest_identity(touchpoint.identities) for touchpoint in sent}) == 1_200
    assert {touchpoint.kind for touchpoint in sent} <= KINDS
    assert {touchpoint.channel for touchpoint in sent} <= CHANNELS
    assert min(touchpoint.occurred_at for touchpoint in sent) >= MONDAY
    owners: dict[str, set[str]] = {}
    for touchpoint in sent:
        for name in (*touchpoint.objects, touchpoint.thread_id, touchpoint.promise_id):
            if name is not None:
                owners.setdefault(name, set()).update(touchpoint.identities)
    assert {len(persons) for persons in owners.values()} == {1}
    for touchpoint in sent:
        assert touchpoint_from_json(touchpoint_to_json(touchpoint)) == touchpoint


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


def test_people_of_many_names_come_on_top_of_the_numbers_and_are_counted_exactly() -> None:
    made = company(identities=True)
    truth = made.truth
    sent = list(made.touchpoints())
    owners = TrueOwners((person.identities for person in truth.people), truth.placeholders)
    assert (truth.persons, truth.events) == (150, 6_000)
    assert len({touchpoint.key for touchpoint in sent}) == truth.totals.touchpoints > 6_900
    assert len(sent) == truth.totals.lines == truth.totals.touchpoints + truth.totals.duplicates
    assert truth.totals.duplicates > 30 + 10
    assert len({owners.of(touchpoint.identities) for touchpoint in sent}) == truth.totals.persons
    assert truth.totals.persons == 150 + len(truth.people)
    assert sent == list(made.touchpoints()) == list(company(identities=True).touchpoints())
    assert truth == company(identities=True).truth


def test_without_people_of_many_names_the_truth_names_none() -> None:
    truth = company().truth
    assert (truth.people, truth.placeholders) == ((), ())


def test_no_identity_has_two_owners_and_none_goes_unseen(of_many_names: list[Touchpoint]) -> None:
    truth = company(identities=True).truth
    owned = [identity for person in truth.people for identity in person.identities]
    assert len(owned) == len(set(owned))
    assert PLACEHOLDER not in owned
    assert {identity for touchpoint in of_many_names for identity in touchpoint.identities} == {*owned, PLACEHOLDER}
    for touchpoint in of_many_names:
        assert strongest_identity(touchpoint.identities) == touchpoint.identities[0]


@pytest.mark.parametrize("scenario", [scenario.__name__ for scenario in IDENTITY_SCENARIOS])
def test_every_identity_scenario_comes_in_order_with_some_late_and_last_first(
    scenario: str, of_many_names: list[Touchpoint]
) -> None:
    people = [person for person in company(identities=True).truth.people if person.scenario == scenario]
    size = len(people) // 3
    times = []
    for cast in range(3):
        own = {identity for person in people[cast * size : (cast + 1) * size] for identity in person.identities}
        story = [touchpoint for touchpoint in of_many_names if own & set(touchpoint.identities)]
        times.append(list(dict.fromkeys(touchpoint.occurred_at for touchpoint in story)))
        assert max(times[-1]) - min(times[-1]) <= LONGEST_IDENTITY_STORY
    assert times[0] == sorted(times[0])
    assert times[2] == sorted(times[2], reverse=True)


def test_some_touchpoints_of_many_names_are_hours_late(of_many_names: list[Touchpoint]) -> None:
    latest = 0
    late = 0
    for touchpoint in of_many_names:
        latest = max(latest, touchpoint.occurred_at)
        late += latest - touchpoint.occurred_at > HOUR
    assert late > 50


def test_the_placeholder_hides_more_people_than_an_identity_may_be_seen_with(of_many_names: list[Touchpoint]) -> None:
    companions = Counter(
        touchpoint.identities[1] for touchpoint in of_many_names if touchpoint.identities[0] == PLACEHOLDER
    )
    assert {identity.partition(":")[0] for identity in companions} == {"case_contact", "email"}
    assert len(companions) > 300
    behind = [person for person in company(identities=True).truth.people if person.scenario == "placeholder_customer"]
    assert {person.identities for person in behind} == {(identity,) for identity in companions}


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

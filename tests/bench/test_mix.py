"""The mix that is measured: as much looking around as real logs have, and a truth that still holds."""

import pytest

from bench.load import shares_of
from bench.mix import make_mix
from bench.steps import admitted
from processors.friction.catalogue import default_rules
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.codec import encode
from schemas.touchpoint import AppliedTouchpoint
from tests.support.touchpoints import HOUR, MINUTE, MONDAY

EVENTS, PERSONS = 20_000, 800


def test_seven_of_ten_are_page_views_and_one_in_fifty_is_late() -> None:
    # In fewer, what is late more often finds that nothing was sent meanwhile.
    shares = shares_of(make_mix(100_000, 4_000, seed=3, start=MONDAY).touchpoints)
    assert shares.page_views == pytest.approx(0.7, abs=0.01)
    assert shares.late == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize(("events", "persons"), [(EVENTS, PERSONS), (200, 150), (10, 10), (5, 1), (1, 1)])
def test_it_has_as_many_touchpoints_and_persons_as_were_asked_for(events: int, persons: int) -> None:
    touchpoints, truth = make_mix(events, persons, seed=3, start=MONDAY)
    totals = truth.totals
    assert (totals.touchpoints, totals.persons) == (events, persons)
    assert len({touchpoint.key for touchpoint in touchpoints}) == events
    assert len({touchpoint.identities for touchpoint in touchpoints}) == persons
    assert len(touchpoints) == totals.lines == events + events // 200 == events + totals.duplicates


def test_views_of_visitors_come_ten_minutes_late_at_most_but_for_those_sent_twice() -> None:
    touchpoints = make_mix(EVENTS, PERSONS, seed=3, start=MONDAY).touchpoints
    newest, seen = 0, set()
    late = []
    for touchpoint in touchpoints:
        if touchpoint.key not in seen and "-v" in touchpoint.id:
            late.append(newest - touchpoint.occurred_at)
        seen.add(touchpoint.key)
        newest = max(newest, touchpoint.occurred_at)
    assert 9 * MINUTE < max(late) <= 10 * MINUTE


def test_no_planted_rule_finds_anything_of_visitors() -> None:
    touchpoints, truth = make_mix(EVENTS, PERSONS, seed=3, start=MONDAY)
    stories: dict[str, list[AppliedTouchpoint]] = {}
    for one in admitted([encode(touchpoint) for touchpoint in touchpoints if "-v" in touchpoint.id]):
        stories.setdefault(one.identity_hash, []).append(one)
    found = {
        friction.rule_id
        for key, story in stories.items()
        for friction in judge(
            restore("default", key, story), default_rules(), story[-1].event_time + 30 * 24 * HOUR, CoreSettings()
        ).frictions
    }
    assert len(stories) == round(PERSONS * 0.42)
    assert not found & {friction.rule_id for friction in truth.frictions}

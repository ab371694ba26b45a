"""What is written and what is taken back."""

from processors.diff import NOTHING_PUBLISHED, FactKind, Published, Retraction, diff, fact_id, published_after
from tests.support.judging import judged
from tests.support.touchpoints import ANNA, DAY, MONDAY, happened

STORY = [happened("contact.started", MONDAY, channel="web", topic="a"), happened("page.viewed", MONDAY + DAY)]


def test_everything_is_new_when_nothing_was_published() -> None:
    judgement = judged(*STORY)
    changes = diff(NOTHING_PUBLISHED, judgement)
    assert [type(fact).__name__ for fact in changes.upserts] == ["Session", "Session", "Journey", "Person"]
    assert changes.retractions == []


def test_only_what_changed_is_written() -> None:
    before = judged(STORY[0], watermark=MONDAY + DAY)
    after = judged(*STORY, watermark=MONDAY + DAY)
    changes = diff(published_after(before), after)
    assert [type(fact).__name__ for fact in changes.upserts] == ["Session", "Person"]


def test_what_is_known_by_id_only_is_written_again() -> None:
    judgement = judged(*STORY)
    loaded: Published = {kind: dict.fromkeys(hashes) for kind, hashes in published_after(judgement).items()}
    assert len(diff(loaded, judgement).upserts) == 4


def test_what_no_longer_holds_is_retracted() -> None:
    published: Published = {FactKind.FRICTION: {"gone": 1}, FactKind.SESSION: {"old": None}}
    assert diff(published, judged(*STORY)).retractions == [
        Retraction(FactKind.SESSION, "old", "default", ANNA),
        Retraction(FactKind.FRICTION, "gone", "default", ANNA),
    ]


def test_a_late_touchpoint_that_joins_two_sessions_retracts_the_second() -> None:
    minutes = 60_000
    first, last = happened("page.viewed", MONDAY), happened("page.viewed", MONDAY + 40 * minutes)
    before = judged(first, last)
    after = judged(first, last, happened("page.viewed", MONDAY + 20 * minutes), watermark=MONDAY + 40 * minutes)
    changes = diff(published_after(before), after)
    assert [fact_id(fact) for fact in changes.upserts] == [before.sessions[0].session_id, ANNA]
    assert [gone.id for gone in changes.retractions] == [before.sessions[1].session_id]

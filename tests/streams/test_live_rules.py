"""What workers make of published rules: what is refused changes nothing, and says why."""

from msgspec.structs import replace

from schemas.rule_changes import RuleChange
from streams.live_rules import LiveRules
from tests.support.rule_files import CALLED_AGAIN, changed

GOOD = RuleChange(rule_id="called_again", version=3, effective_from=0, published_at=1, text=CALLED_AGAIN)
FAILS = RuleChange(
    rule_id="called_again",
    version=4,
    effective_from=0,
    published_at=2,
    text=changed(CALLED_AGAIN, ("version: 3", "version: 4"), ("within: 7d", "within: 23h")),
)


def versions(rules: LiveRules) -> list[int]:
    return [one.parameters.version for one in rules.book.rules if one.parameters.rule_id == "called_again"]


def test_a_rule_whose_examples_fail_is_refused_and_the_old_one_kept() -> None:
    rules = LiveRules()
    assert rules.learn([GOOD]).taken == [GOOD]
    before = rules.book
    learned = rules.learn([FAILS])
    assert learned.taken == []
    ((change, why),) = learned.refused
    assert (change, "1 of its 2 examples fail" in why) == (FAILS, True)
    assert rules.book is before
    assert versions(rules) == [3]


def test_what_comes_again_is_no_news_and_of_two_copies_the_later_one_counts() -> None:
    rules = LiveRules()
    rules.learn([GOOD])
    assert rules.learn([GOOD, GOOD]) == ([], [])
    later = replace(GOOD, effective_from=5, published_at=9)
    assert rules.learn([later]).taken == [later]
    assert rules.learn([GOOD]) == ([], [])
    assert rules.changes == (later,)
    assert rules.book.moments == (5,)

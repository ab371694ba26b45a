"""What holds for every rule that a file can say: a function of touchpoints and watermark, and known deadlines."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.fold import Fold
from processors.friction.definition import RuleDefinition
from processors.friction.finding import FrictionRule
from processors.friction.story import Story
from processors.person import PersonState, judge, restore, step
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from tests.support.asked_always import asked_always
from tests.support.ruling import definition, rule_of, variant
from tests.support.stories import stories, watermarks
from tests.support.touchpoints import ANNA, TENANT

SETTINGS = CoreSettings()
KINDS = [
    "page.viewed",
    "form.submitted",
    "contact.started",
    "call.offered",
    "message.sent",
    "contact.redirected",
    "case.resolved",
    "data.requested",
]
kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True)
spans = st.sampled_from(["0m", "1m", "30m", "1h", "24h", "48h", "7d"])
relations = st.lists(
    st.sampled_from(["same_matter", "same_topic", "same_journey", "same_thread", "other_channel", "same_object"]),
    max_size=1,
)
bounds = st.builds(
    lambda of, sign, span: of if of == "ever" else f"{of} {sign} {span}",
    st.sampled_from(["first", "anchor", "due", "anchor", "ever"]),
    st.sampled_from("+-"),
    spans,
)
selectors = st.fixed_dictionaries(
    {"kind": kinds},
    optional={
        "where": st.sampled_from([{"channel": ["web", "e*"]}, {"outcome": {"none_of": ["ok"]}}, {"topic": "a"}]),
        "opens_contact": st.booleans(),
        "object": st.sampled_from(["case", "order"]),
    },
)
nears = st.lists(
    st.fixed_dictionaries(
        {"select": selectors},
        optional={
            "relations": relations,
            "of": st.sampled_from(["first", "anchor"]),
            "from": bounds,
            "until": bounds,
            "none": st.booleans(),
            "own": st.booleans(),
            "undone_by": selectors,
            "at_least": st.integers(1, 2),
        },
    ),
    max_size=1,
)
pers = st.sampled_from(["person", "matter", "journey", "case", "contact", "channel"])
sequences = st.fixed_dictionaries(
    {"first": selectors, "then": selectors, "within": spans, "relations": relations, "unless": nears}
)
counts = st.fixed_dictionaries(
    {"of": selectors, "at_least": st.integers(1, 3), "per": pers, "unless": nears},
    optional={
        "within": spans,
        "since": selectors,
        "since_first": st.booleans(),
        "reset": selectors,
        "gap": spans,
        "distinct": st.just("channel"),
        "half": selectors,
    },
)
absences = st.fixed_dictionaries(
    {"after": selectors, "expected": selectors, "within": spans, "relations": relations, "excused_by": nears},
    optional={"renewed_by": selectors, "first_in_contact": st.booleans(), "grace": spans},
)
changes = st.fixed_dictionaries(
    {"of": selectors, "state": st.sampled_from(["channel", "outcome"]), "within": spans, "per": pers, "unless": nears},
    optional={"returns": st.booleans(), "states": st.integers(2, 3)},
)
ratios = st.fixed_dictionaries(
    {"of": selectors, "among": selectors, "within": spans, "per": pers, "at_least": st.sampled_from([0.3, 0.5, 1])},
    optional={"minimum": st.integers(1, 3), "before": spans},
)
CLASSES = {"sequence": sequences, "count": counts, "absence": absences, "change": changes, "ratio": ratios}


@st.composite
def definitions(draw: st.DrawFn, *classes: str) -> RuleDefinition:
    """Any definition of a pattern of each of these classes."""
    patterns = [
        {
            name: draw(CLASSES[name]),
            "guards": [
                {"name": "guard", "says": "not so", "near": near, **draw(st.sampled_from([{}, {"base": 1}]))}
                for near in [draw(nears)]
                if near
            ],
            "variants": ["worse", "it"],
        }
        for name in classes
    ]
    worse = variant("worse", 4, near=draw(nears), **draw(st.sampled_from([{}, {"at_least": 3}])))
    minutes: list[dict[str, Any]] = [
        {"name": "some", "kind": "retry", "of": "each", "measured": "active_ms", "otherwise": "1m"},
        {"name": "contact", "kind": "rework", "of": "first", "measured": "contact"},
        {"name": "late", "kind": "wait", "measured": "late", "factor": 0.02},
    ]
    words = "{about} {from_channel} {to_channel} {team}"
    return definition(
        patterns[0],
        patterns=patterns,
        variants=[worse, variant("it", sentence_en=words)],
        minutes=draw(st.lists(st.sampled_from(minutes), max_size=3, unique_by=lambda one: one["name"])),
    )


def rules_of(*classes: str) -> st.SearchStrategy[FrictionRule]:
    return definitions(*classes).map(rule_of)


each_class = pytest.mark.parametrize("classes", [(name,) for name in CLASSES] + [("absence", "count")], ids="_".join)


@each_class
@settings(max_examples=25)
@given(data=st.data())
def test_judging_on_and_in_any_order_equals_judging_from_scratch(classes: tuple[str, ...], data: st.DataObject) -> None:
    rules = (data.draw(rules_of(*classes)), data.draw(rules_of("sequence")))
    # In order mostly: what comes late folds anew, and nothing that was kept is put to the test.
    story = data.draw(stories(max_size=10))
    if data.draw(st.integers(0, 3)) == 0:
        story = data.draw(st.permutations(story))
    state = PersonState(TENANT, ANNA)
    for count, arrival in enumerate(story, start=1):
        step(state, arrival)
        watermark = data.draw(watermarks)
        scratch = judge(restore(TENANT, ANNA, story[:count]), asked_always(rules), watermark, SETTINGS)
        assert judge(state, rules, watermark, SETTINGS) == scratch


@each_class
@settings(max_examples=25)
@given(data=st.data())
def test_deadlines_do_not_depend_on_the_watermark_and_nothing_changes_between_them(
    classes: tuple[str, ...], data: st.DataObject
) -> None:
    rule = data.draw(rules_of(*classes))
    story: list[AppliedTouchpoint] = data.draw(stories(max_size=10))
    early, late = sorted((data.draw(watermarks), data.draw(watermarks)))
    fold = Fold(SETTINGS)
    state = restore(TENANT, ANNA, story)
    for entry in state._entries:
        fold.add(entry)
    assert sorted(rule.find(Story(fold), early).deadlines) == sorted(rule.find(Story(fold), late).deadlines)
    before, after = (judge(restore(TENANT, ANNA, story), (rule,), one, SETTINGS) for one in (early, late))
    assert after.version >= before.version
    assert (after.version == before.version) == (after == before)
    if before.wake_at is None or late < before.wake_at:
        assert after == before

"""Rule files: what is wrong, and where exactly."""

from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from processors.friction.catalogue import definitions
from processors.friction.definition import Bound, Per, Span
from processors.friction.loading import (
    MOST_CHARACTERS,
    MOST_NODES,
    RuleFileError,
    load_calendars,
    load_definition,
    load_definitions,
)
from tests.support.rule_files import CALLED_AGAIN, STATUS_CHASING, called_again, changed


def test_shipped_rules_are_the_same_however_they_are_read() -> None:
    folder = files("processors.friction.rules")
    texts = [(one.name, one.read_text(encoding="utf-8")) for one in folder.iterdir() if one.name.endswith(".yaml")]
    assert len(texts) == len(definitions())
    assert load_definitions(texts) == definitions()


def problems(text: str) -> list[str]:
    """What is said of a rule file `x.yaml`, without its name."""
    with pytest.raises(RuleFileError) as caught:
        load_definition(text, "x.yaml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("x.yaml:") for line in lines)
    return [line.removeprefix("x.yaml:") for line in lines]


def broken(*changes: tuple[str, str]) -> list[str]:
    return problems(changed(STATUS_CHASING, *changes))


def test_a_rule_file_becomes_a_definition() -> None:
    definition = load_definition(STATUS_CHASING, "x.yaml")
    assert (definition.id, definition.version, definition.effective_from) == (
        "status_chasing",
        1,
        datetime(2000, 1, 1, tzinfo=UTC),
    )
    count = definition.patterns[0].count
    assert count is not None
    assert (count.at_least, count.within, count.per) == (3, 86_400_000, Per.MATTER)
    assert definition.patterns[0].guards[0].near[0].since == Bound("anchor", -86_400_000)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "per: matter",
            "per: ordre",
            "12:12: patterns[0].count.per: 'ordre' is none of person, matter, journey, case, order, line, form, ",
        ),
        (
            "within: 24h",
            "within: 24x",
            "11:15: patterns[0].count.within: '24x' is no duration; write a number and ms, s, m, h, d or wd, such as ",
        ),
        (
            "at_least: 3",
            "at_least: many",
            "10:17: patterns[0].count.at_least: must be a number or 'many' is no duration; write a number and ms, s, ",
        ),
        (
            "reason: [status]",
            "reson: [status]",
            "9:56: patterns[0].count.of.where.reson: a touchpoint has no field 'reson' (did you mean reason?)",
        ),
        (
            "reason: [status]",
            "reason: {any_off: [status]}",
            "9:65: patterns[0].count.of.where.reason.any_off: is not known here (did you mean any_of?); known are any",
        ),
        (
            "from: anchor - 24h",
            "since: anchor - 24h",
            "15:74: patterns[0].guards[0].near[0].since: is not known here; known are select, relations, of, from, un",
        ),
        (
            "from: anchor - 24h",
            "from: ancor - 24h",
            "15:80: patterns[0].guards[0].near[0].from: 'ancor - 24h' is no moment; write first, anchor, due or ever,",
        ),
        (
            "page.viewed, screen",
            "page.vewed, screen",
            "9:19: 'page.vewed' is no verb of the contract (did you mean page.viewed?); if it is one of yours, list i",
        ),
        ("version: 1\n", "", "1:1: version: is missing"),
        ("version: 1", "version: one", "4:10: version: must be a whole number"),
        ("version: 1", "version: 0", "4:10: version: must be at least 1"),
        ("base: 1", "base: 6", "20:11: variants[0].base: must be at most 5"),
        (
            "id: status_chasing",
            "id: Status-Chasing",
            "1:5: id: 'Status-Chasing' is not spelt as it must be: ^[a-z][a-z0-9_]*$",
        ),
        ("catalogue: F20", "catalogue: F200", "2:12: catalogue: 'F200' is not spelt as it must be: ^(F\\d\\d)?$"),
        ("version: 1", "version: 1\nversion: 2", "5:1: version: was given before, in line 4"),
        ("base: 1", "base: 1\n    base: 1", "21:5: variants[0].base: was given before, in line 20"),
        ("of: {kind", "off: {kind", "9:7: patterns[0].count: a key is text; put it into quotes"),  # YAML's off is false
        (
            "effective_from: 2000-01-01T00:00:00Z",
            "effective_from: 2000-01-01",
            "5:17: effective_from: must be a moment with a zone, such as 2026-01-01T00:00:00Z",
        ),
        (
            "effective_from: 2000-01-01T00:00:00Z",
            "effective_from: 2000-02-30",
            "5:17: effective_from: '2000-02-30' means nothing: day is out of range for month",
        ),
        ("variants: [looked_up]", "variants: []", "17:15: patterns[0].variants: must not be empty"),
        (
            "variants: [looked_up]",
            "variants: [looked]",
            "17:16: a pattern shows as 'looked', but the variants are looked_up",
        ),
        (
            "variants: [looked_up]",
            "change: {of: {kind: case.assigned}, state: team, within: 1d}\n    variants: [looked_up]",
            "8:5: patterns[0]: a pattern is of one class, of sequence, count, absence, change, ratio; given: count, c",
        ),
        (
            "{about} {count}",
            "{about.__class__} {count}",
            "21:18: variants[0].sentence_en: 'A customer looked up the status{about.__class__} {count} times within {",
        ),
        (
            "{count} times",
            "{count:>9} times",
            "21:18: variants[0].sentence_en: 'A customer looked up the status{about} {count:>9} times within {window}",
        ),
        ("{at: 2h, ", "{", "30:9: examples[0].touchpoints[1].at: is missing"),
        (
            "{at: 2h, kind: page.viewed",
            "{at: 2h, kind: page.vewed",
            "30:24: examples[0].touchpoints[1].kind: 'page.vewed' is no verb of the contract (did you mean page.viewe",
        ),
        (
            "{at: 2h, ",
            "{at: 2h, chanel: web, ",
            "30:18: examples[0].touchpoints[1].chanel: a touchpoint of an example has no such field (did you mean cha",
        ),
        (
            "{at: 2h, ",
            "{occurred_at: 7, at: 2h, ",
            "30:10: examples[0].touchpoints[1].occurred_at: a touchpoint of an example has no such field (say at inst",
        ),
        (
            "{at: 2h, ",
            "{at: 2h, identities: [anna], ",
            "30:30: examples[0].touchpoints[1].identities: identities are written namespace:value, such as customer_n",
        ),
        (
            "{at: 2h, ",
            "{at: 2h, topic: 7, ",
            "30:25: examples[0].touchpoints[1].topic: Expected `str | null`, got `int`",
        ),
        (
            "{at: 2h, ",
            "{at: 2h, ended_at: 2026-03-02, ",
            "30:28: examples[0].touchpoints[1].ended_at: '2026-03-02' is no duration",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, said: str) -> None:
    (problem,) = broken((old, new))
    assert problem.startswith(said)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    said = broken(
        ("title:", "titel:"), ("version: 1", "version: 0"), ("per: matter", "per: ordre"), ("base: 1", "base: x"),
        ("kind: retry", "kind: retri"), ("fires: [looked_up]", "fires: looked_up"),
    )  # fmt: skip
    assert [line.split(" ")[0] for line in said] == ["1:1:", "3:1:", "4:10:", "12:12:", "20:11:", "24:27:", "27:12:"]


def test_mistakes_between_parts_are_told_at_once() -> None:
    said = broken(
        ("page.viewed", "page.vewed"), ("order.shipped", "order.shiped"),
        ("variants: [looked_up]", "variants: [looked]"), ("fires: [looked_up]", "fires: [loked]"),
    )  # fmt: skip
    assert [line.split(" ")[0] for line in said] == ["1:1:", "9:19:", "15:32:", "17:16:", "27:13:"]
    assert said[0] == "1:1: no example fires looked_up"


def test_a_verb_of_ones_own_is_allowed_when_it_is_listed() -> None:
    text = changed(STATUS_CHASING, ("page.viewed, screen", "tracking.opened, screen"))
    listed = changed(text, ("version: 1", "version: 1\nown_kinds: [tracking.opened]"))
    assert load_definition(listed, "x.yaml").own_kinds == ("tracking.opened",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: must be keys with values"),
        ("\n- a", "2:1: must be keys with values"),
        ("id: [a", "1:7: is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("id: x\n\ttitle: y", "2:1: is not YAML: found character '\\t' that cannot start any token"),
        ("id: x\ntitle: \x07", "2:8: is not YAML: the character U+0007 is not allowed"),
        (
            "id: !!python/name:os.system",
            "1:5: is not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'",
        ),
        ("id: x\n---\nid: y", "2:1: is not YAML: but found another document"),
        ("id: *a", "1:5: is not YAML: found undefined alias 'a'"),
        ("&a id: &b [*b]", "1:1: is nested too deeply, or holds itself"),
        ("[" * 500, "1:1: is nested too deeply, or holds itself"),
        ("? [a]\n: b", "1:3: a key is text; put it into quotes"),
        ("#" * (MOST_CHARACTERS + 1), f"1:1: is over {MOST_CHARACTERS} characters"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
            f"1:1: has over {MOST_NODES} nodes, its aliases written out",
        ),
    ],
)
def test_what_is_no_rule_at_all_is_told_without_a_stack_trace(text: str, said: str) -> None:
    assert problems(text) == [said]


def test_an_alias_stands_for_what_it_names_and_its_mistakes_are_told_where_they_are() -> None:
    text = changed(
        STATUS_CHASING,
        ("      at_least: 3", "      since: &look {kind: order.placed}\n      reset: *look\n      at_least: 3"),
    )
    count = load_definition(text, "x.yaml").patterns[0].count
    assert count is not None
    assert count.since == count.reset
    assert [line.split(" ")[0] for line in problems(text.replace("order.placed", "order.plcd"))] == ["10:27:"]


@given(
    st.text(max_size=200)
    | st.integers(0, len(STATUS_CHASING)).map(lambda n: STATUS_CHASING[:n] + STATUS_CHASING[n + 1 :])
)
def test_whatever_a_file_holds_it_loads_or_says_what_is_wrong(text: str) -> None:
    with suppress(RuleFileError):
        load_definition(text, "x.yaml")


def test_what_overrides_a_merged_key_is_where_its_mistake_is() -> None:
    first = '{at: 0h, kind: page.viewed, channel: web, reason: status, objects: ["order:1"]}'
    second = first.replace("0h", "2h")
    (problem,) = broken((first, "&look " + first), (second, "{<<: *look, at: 2x}"))
    assert problem.startswith("30:25: examples[0].touchpoints[1].at: '2x' is no duration")


def test_the_problems_of_all_files_are_told_and_an_id_is_given_once() -> None:
    with pytest.raises(RuleFileError) as caught:
        load_definitions(
            [
                ("a.yaml", STATUS_CHASING),
                ("b.yaml", changed(STATUS_CHASING, ("version: 1", "version: 0"))),
                ("c.yaml", CALLED_AGAIN),
                ("d.yaml", STATUS_CHASING),
            ]
        )
    assert str(caught.value).splitlines() == [
        "b.yaml:4:10: version: must be at least 1",
        "d.yaml:1:5: id: status_chasing is the id of the rule in a.yaml as well",
    ]


def test_rules_come_in_the_order_of_the_catalogue() -> None:
    earlier = changed(STATUS_CHASING, ("F20", "F03"), ("status_chasing", "asked"))
    loaded = load_definitions([("c", CALLED_AGAIN), ("a", STATUS_CHASING), ("b", earlier)])
    assert [definition.id for definition in loaded] == ["asked", "status_chasing", "called_again"]


def test_calendars_are_told_of_alike() -> None:
    with pytest.raises(RuleFileError) as caught:
        load_calendars(
            "calendars:\n  desk: {hours: {mon-fri: 8-20}, contry: DE}\nchannels: {web: dsk}\notherwise: desk\n",
            "c.yaml",
        )
    hours, country = str(caught.value).splitlines()
    assert hours.startswith("c.yaml:2:27: calendars.desk.hours: '8-20' are no opening hours; write them in quotes")
    assert country.startswith(
        "c.yaml:2:34: calendars.desk.contry: is not known here (did you mean country?); known are"
    )
    with pytest.raises(RuleFileError) as caught:
        load_calendars("calendars:\n  desk: {}\nchannels: {web: dsk}\notherwise: desk\n", "c.yaml")
    assert str(caught.value) == "c.yaml:3:17: there is no calendar 'dsk' (did you mean desk?); there are desk"


def test_working_days_are_for_deadlines_only() -> None:
    (problem,) = broken(("within: 24h", "within: 2wd"))
    assert "working days are for deadlines on a business calendar only" in problem
    assert Span(working_days=2) != Span(ms=2)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"guards": [{"name": "g", "anchor": {"reason": ["x"]}, "says": "s"}]},
            "guards is for patterns; the class",
        ),
        ({"ignore_places": ["kiosk"]}, "ignore_places is for patterns; the class Own decides that itself"),
        ({"team": "anchor"}, "team is for patterns; the class Own decides that itself"),
    ],
)
def test_what_a_class_of_its_own_would_ignore_is_refused(more: dict[str, Any], said: str) -> None:
    told = yaml.safe_load(CALLED_AGAIN)
    told = {name: value for name, value in told.items() if name not in {"patterns", "guards"}}
    with pytest.raises(RuleFileError, match=said):
        load_definition(yaml.safe_dump(told | {"python": "Own"} | more), "x.yaml")


def test_parameters_without_a_class_are_refused() -> None:
    with pytest.raises(RuleFileError, match="parameters are for a python class"):
        called_again(("title:", "parameters: {window: 7d}\ntitle:"))

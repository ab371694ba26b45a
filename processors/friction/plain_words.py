"""What a rule file says, in the words of people who do not write one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from processors.durations import spell_duration
from processors.friction.definition import (
    CLASSES,
    Absence,
    Bound,
    Change,
    Count,
    Guard,
    Minutes,
    Near,
    Pattern,
    Per,
    Ratio,
    Relation,
    RuleDefinition,
    Selector,
    Sequence,
    Span,
    Test,
    VariantRule,
)
from schemas.touchpoint import TIME_FIELDS

_RELATIONS: Final = {
    Relation.SAME_MATTER: "of the same matter",
    Relation.SAME_TOPIC: "of the same topic",
    Relation.SAME_JOURNEY: "on the same journey",
    Relation.SAME_CASE: "of the same case",
    Relation.SAME_OBJECT: "about the same object",
    Relation.SAME_THREAD: "in the same conversation",
    Relation.SAME_CHANNEL: "on the same channel",
    Relation.OTHER_CHANNEL: "on another channel",
    Relation.SAME_PLACE: "at the same place",
    Relation.SAME_TEAM: "of the same team",
    Relation.OTHER_TEAM: "of another team",
    Relation.OTHER_UNIT: "of another unit",
    Relation.SAME_ITEM: "about the same item",
    Relation.SAME_FORM: "of the same form",
    Relation.OVERDUE: "that was due by then",
    Relation.SAME_PROMISE: "of the same promise",
    Relation.SAME_CAMPAIGN: "of the same campaign",
    Relation.OTHER_CAMPAIGN: "of another campaign",
    Relation.REPLIES: "in answer to it",
    Relation.MAY_ANSWER: "that may answer it",
}
_PER: Final = {
    Per.PERSON: "by one person",
    Per.MATTER: "on one matter",
    Per.JOURNEY: "on one journey",
    Per.CASE: "on one case",
    Per.ORDER: "on one order",
    Per.LINE: "on one order line",
    Per.FORM: "in one form",
    Per.CONTACT: "in one contact",
    Per.CHANNEL: "on one channel",
    Per.PLACE: "at one place",
    Per.SOURCE: "from one source",
}
_MOMENTS: Final = {"first": "the first one", "anchor": "the anchor", "due": "the deadline"}
_MEASURED: Final = {
    "active_ms": "its active time",
    "wait_ms": "its wait",
    "contact": "the active time of its contact",
    "late": "the time until the answer",
}
_VOUCHERS: Final = {"anchor": "the anchor", "first": "the first one", "each": "each of them"}
_BUILTIN: Final = {
    "invited": "the company asked for it",
    "household": "they share nothing but a household",
    "new_object": "it is about another object of the same type",
    "scheduled": "it was agreed beforehand",
}


def classes_of(definition: RuleDefinition) -> tuple[str, ...]:
    """Classes of its patterns, each once; of a rule in Python that word."""
    if definition.python is not None:
        return ("python",)
    return tuple(dict.fromkeys(_class(pattern) for pattern in definition.patterns))


def pattern_words(pattern: Pattern) -> str:
    """When a pattern fires."""
    match getattr(pattern, _class(pattern)):
        case Sequence() as part:
            said = _sequence(part)
        case Count() as part:
            said = _count(part)
        case Absence() as part:
            said = _absence(part)
        case Change() as part:
            said = _change(part)
        case Ratio() as part:
            said = _ratio(part)
        case _:
            raise AssertionError("a pattern is of one class")
    return said


def variant_words(variant: VariantRule, end: str = "the anchor") -> str:
    """When a variant holds, empty where it always does; `end` is up to when it looks around without an end."""
    return _listed(
        [
            *([] if variant.at_least is None else [f"at least {_amount(variant.at_least)}"]),
            *([f"the anchor has {_tests(variant.anchor)}"] if variant.anchor else []),
            *(_near(near, end) for near in variant.near),
        ]
    )


def guard_words(guard: Guard, end: str = "the anchor") -> str:
    """When a guard objects, and what follows; `end` is up to when it looks around without an end."""
    conditions = [
        *([_BUILTIN[guard.builtin]] if guard.builtin else []),
        *([f"the anchor has {_tests(guard.anchor)}"] if guard.anchor else []),
        *([f"the first one has {_tests(guard.first)}"] if guard.first else []),
        *(_near(near, end) for near in guard.near),
    ]
    follows = "no friction" if guard.base is None else f"base {guard.base}"
    return f"{follows} when {_listed(conditions)}"


def minutes_words(minutes: Minutes) -> str:
    """What a posting says, and where its time comes from."""
    sources = [
        *([f"{_MEASURED[minutes.measured]} as measured"] if minutes.measured else []),
        *([spell_duration(minutes.otherwise)] if minutes.otherwise is not None else []),
    ]
    text = " or else ".join(sources)
    if minutes.per:
        above = f" above {minutes.above:g}" if minutes.above else ""
        text += f" for each of {minutes.per}{above}"
    if minutes.factor != 1:
        text += f", times {minutes.factor:g}"
    if minutes.at_most is not None:
        text += f", at most {spell_duration(minutes.at_most)}"
    if minutes.where:
        text += f", where it has {_tests(minutes.where)}"
    shown = f"; as {' or '.join(minutes.shown_as)}" if minutes.shown_as else ""
    return f"{text} ({minutes.kind}{shown}; of {_VOUCHERS[minutes.of]})"


def told(definition: RuleDefinition) -> Iterator[str]:
    """All that a rule says, in lines; what belongs to the line before is indented."""
    yield f"{definition.id}: {definition.title}"
    notes = [
        *([definition.catalogue] if definition.catalogue else []),
        f"version {definition.version}",
        f"from {definition.effective_from.isoformat()} on",
        f"told to {definition.owner_team or 'the team that caused it'}",
        *(["also in an incident"] if definition.despite_incident else []),
        *(["in shadow: found, told to nobody"] if definition.shadow else []),
    ]
    yield f"  {', '.join(notes)}"
    yield f"  source: {definition.source.strip()}"
    yield "fires when"
    for pattern in definition.patterns:
        end = _end(pattern)
        yield f"  {_class(pattern)}: {pattern_words(pattern)}"
        yield f"    shows as {', else '.join(pattern.variants)}"
        for guard in pattern.guards:
            yield f"    {_guard_line(guard, end)}"
    if definition.python is not None:
        settings = ", ".join(f"{name} {value}" for name, value in definition.parameters.items())
        yield f"  {definition.python} says so, in Python{f', with {settings}' if settings else ''}"
    ends = {_end(pattern) for pattern in definition.patterns}
    end = ends.pop() if len(ends) == 1 else "the anchor"
    for guard in definition.guards:
        yield f"  {_guard_line(guard, end)}"
    if definition.ignore_places:
        yield f"  never at {', '.join(definition.ignore_places)}"
    yield "shows as"
    for variant in definition.variants:
        condition = variant_words(variant, end)
        yield f"  {variant.name}, base {variant.base}{f', when {condition}' if condition else ''}"
        yield f"    en: {variant.sentence_en}"
        yield f"    de: {variant.sentence_de}"
    scale = definition.severity
    yield "severity"
    yield f"  +1 from {spell_duration(scale.effort)} of effort, +2 from {spell_duration(scale.great_effort)}"
    yield f"  +1 when it came up to {spell_duration(scale.repeat_within)} before as well"
    yield f"  +1 when still open after {spell_duration(scale.age)}"
    yield f"  -1 when the company came with a solution within {spell_duration(scale.recovery_within)}"
    if definition.minutes:
        yield "minutes"
        yield from (f"  {posting.name}: {minutes_words(posting)}" for posting in definition.minutes)
    yield "examples"
    for example in definition.examples:
        yield f"  {example.says}: {', '.join(example.fires) or 'nothing'}"


def _guard_line(guard: Guard, end: str) -> str:
    return f"guard {guard.name}: {guard_words(guard, end)} (must hold: {guard.says})"


def _end(pattern: Pattern) -> str:
    return "the anchor" if pattern.absence is None else "the deadline"


def _class(pattern: Pattern) -> str:
    return next(name for name in CLASSES if getattr(pattern, name) is not None)


def _sequence(part: Sequence) -> str:
    said = [
        f"{_selector(part.first)}, then within {spell_duration(part.within)} {_selector(part.then)}",
        *_relations(part.relations),
        *([f"with at least {part.items_in_common} items in common"] if part.items_in_common else []),
    ]
    return " ".join(said) + _unless(part.unless)


def _count(part: Count) -> str:
    what = _selector(part.of)
    if part.distinct:
        what = f"different {' or '.join(part.distinct)} of {what}"
    if part.sum:
        what = f"{part.sum} in sum of {what}"
    said = f"at least {_amount(part.at_least)} {what} {_PER[part.per]}"
    if part.within is not None:
        said += f" within {spell_duration(part.within)}"
    if part.half is not None:
        said += f", where {_selector(part.half)} counts half"
    if part.gap is not None:
        said += f", {spell_duration(part.gap)} at most from one to the next"
    if part.since:
        said += f", counted from {'the first ' if part.since_first else ''}{_selector(part.since)} on"
    if part.reset:
        said += f", counted anew from {_selector(part.reset)} on"
    return said + _unless(part.unless)


def _absence(part: Absence) -> str:
    expected = " ".join([_selector(part.expected), *_relations(part.relations)])
    limits = [f"{channel}: {_amount(span)}" for channel, span in part.within_by_channel.items()]
    if part.within is not None:
        limits.append(f"{'else ' if limits else ''}{_amount(part.within)}")
    if part.due:
        limits.append(f"by {part.due}")
    if part.slack or part.least_slack:
        limits.append(f"with {part.slack:.0%} on top, at least {spell_duration(part.least_slack)}")
    said = f"after {_selector(part.after)}, no {expected} in time ({', '.join(limits)}"
    said += ", in opening hours)" if part.clock == "business" else ")"
    if part.renewed_by:
        said += f", renewed by {_selector(part.renewed_by)}"
    if part.first_in_contact:
        said += ", from the customer's first one since the company's last"
    return said + _unless(part.excused_by, "the deadline")


def _change(part: Change) -> str:
    back = " and back" if part.returns else ""
    state = part.state if part.left is None else f"{part.state} (before it {part.left})"
    said = f"{state} of {_selector(part.of)} changes at least {part.at_least} times{back} {_PER[part.per]}"
    if part.states is not None:
        said += f" between {part.states} values at most"
    return f"{said} within {spell_duration(part.within)}{_unless(part.unless)}"


def _ratio(part: Ratio) -> str:
    limits = [
        *([f"at least {part.at_least:.0%}"] if part.at_least is not None else []),
        *([f"at most {part.at_most:.0%}"] if part.at_most is not None else []),
    ]
    said = f"{_selector(part.of)} are {_listed(limits)} of {_selector(part.among)} {_PER[part.per]}"
    said += f" within {spell_duration(part.within)}"
    if part.before is not None:
        said += f", by time, compared with the {spell_duration(part.before)} before"
    return f"{said}, from {part.minimum} on" if part.minimum > 1 else said


def _unless(unless: Iterable[Near], end: str = "the anchor") -> str:
    return "".join(f", unless {_near(near, end)}" for near in unless)


def _near(near: Near, end: str) -> str:
    words = [_selector(near.select), *_relations(near.relations)]
    if near.relations and near.of == "first":
        words.append("as the first one")
    number = f"{near.at_least} " if near.at_least > 1 else ""
    amount = f"fewer than {number}" if near.none and number else "no " if near.none else number
    if near.undone_by:
        words.append(f"with no {_selector(near.undone_by)} after it")
    whole = ", its own counted" if near.own else ""
    return f"there is {amount}{' '.join(words)} {_window(near.since, near.until, end)}{whole}"


def _window(since: Bound, until: Bound | None, end: str) -> str:
    if since.of == "ever" and until is not None and until.of == "ever":
        return "at any time"
    begin = "" if since.of == "ever" else f"from {_moment(since)} "
    if until is None:
        return f"{begin}up to {end}"
    return f"{begin}on" if until.of == "ever" else f"{begin}up to {_moment(until)}"


def _moment(bound: Bound) -> str:
    name = _MOMENTS[bound.of]
    if not bound.shift_ms:
        return name
    return f"{spell_duration(bound.shift_ms)} {'before' if bound.shift_ms < 0 else 'after'} {name}"


def _selector(selector: Selector) -> str:
    words = [" or ".join(selector.kind)]
    if selector.object:
        words.append(f"about {_article(selector.object)} {selector.object}")
    if selector.opens_contact:
        words.append("that opens a contact")
    if selector.solves:
        words.append("that solves the matter")
    if selector.where:
        words.append(f"with {_tests(selector.where)}")
    return " ".join(words)


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def _tests(tests: Mapping[str, Test]) -> str:
    return _listed([" ".join([field, _listed(list(_test(field, test)))]) for field, test in tests.items()])


def _test(field: str, test: Test) -> Iterator[str]:
    or_absent = " or not given" if test.or_absent else ""
    if test.any_of:
        yield " or ".join(_value(value) for value in test.any_of)
    if test.none_of:
        yield f"other than {' or '.join(_value(value) for value in test.none_of)}"
    if test.at_least is not None:
        yield f"at least {_number(field, test.at_least)}{or_absent}"
    if test.at_most is not None:
        yield f"at most {_number(field, test.at_most)}{or_absent}"
    if test.present is not None:
        yield "given" if test.present else "not given"


def _value(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def _number(field: str, number: float) -> str:
    is_duration = field.endswith("_ms") and field not in TIME_FIELDS
    return spell_duration(round(number)) if is_duration else f"{number:g}"


def _amount(amount: float | Span) -> str:
    if not isinstance(amount, Span):
        return f"{amount:g}"
    return f"{amount.working_days} working days" if amount.working_days else spell_duration(amount.ms)


def _relations(relations: Iterable[Relation]) -> list[str]:
    return [_RELATIONS[relation] for relation in relations]


def _listed(words: list[str]) -> str:
    return " and ".join(words)

"""What a rule file says: one friction pattern as data, checked before anything is judged by it.

Durations are texts such as `15s`, `30m`, `24h`, `7d` (a day is 24 hours), and `5wd` for working days where a deadline
runs on a business calendar. All bounds are inclusive. How each part is evaluated: `processors.friction.engine`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from string import Formatter
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from processors.friction.suggestion import did_you_mean
from processors.settings import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.outputs import EffortKind
from schemas.touchpoint import TOUCHPOINT_FIELDS
from schemas.vocabulary import KINDS

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|wd)")


class Span(NamedTuple):
    """A duration: milliseconds of time, or whole working days of a calendar."""

    ms: int = 0
    working_days: int = 0


class Calendar(Protocol):
    """Opening hours of a channel."""

    def add(self, start_ms: int, span: Span) -> int:
        """The moment at which a span of opening hours or working days after another moment is over, UTC ms."""
        ...


class Calendars(Protocol):
    """Where limits on a business clock look up opening hours."""

    def of(self, channel: str) -> Calendar:
        """Calendar of a channel."""
        ...


def parse_span(text: Any) -> Span:
    """Span from text.

    Raises:
        ValueError: it is none.

    """
    if isinstance(text, Span):
        return text
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{str(text)!r} is no duration; write a number and ms, s, m, h, d or wd, such as 90s or 14d")
    number, unit = match.groups()
    if unit == "wd":
        if "." in number:
            raise ValueError(f"{text!r}: working days are whole")
        return Span(working_days=int(number))
    return Span(ms=round(float(number) * _UNITS_MS[unit]))


def parse_milliseconds(text: Any) -> int:
    """Milliseconds from a duration, or from a number of them.

    Raises:
        ValueError: it is none, or working days.

    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    span = parse_span(text)
    if span.working_days:
        raise ValueError(f"{text!r}: working days are for deadlines on a business calendar only")
    return span.ms


Milliseconds = Annotated[int, BeforeValidator(parse_milliseconds)]
AnySpan = Annotated[Span, BeforeValidator(parse_span)]


def _known_field(name: str) -> str:
    if name not in TOUCHPOINT_FIELDS:
        meant = did_you_mean(name, TOUCHPOINT_FIELDS) or f"; it has {', '.join(TOUCHPOINT_FIELDS)}"
        raise ValueError(f"a touchpoint has no field {name!r}{meant}")
    return name


FieldName = Annotated[str, AfterValidator(_known_field)]


def _as_several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


FieldNames = Annotated[tuple[FieldName, ...], BeforeValidator(_as_several)]
"""One field, or a list of them."""


def _sentence(text: str) -> str:
    try:
        words = [(word, spec, conversion) for _, word, spec, conversion in Formatter().parse(text) if word is not None]
    except ValueError as error:
        raise ValueError(f"{text!r} cannot be filled in: {error}") from None
    for word, spec, conversion in words:
        # Nothing but words: a template could otherwise reach into objects, or ask for a line of any length.
        if spec or conversion or not word.isidentifier():
            raise ValueError(f"{text!r} names {{{word}}}; only plain words such as {{count}} can be filled in")
    return text


Sentence = Annotated[str, AfterValidator(_sentence)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)


def _as_test(value: Any) -> Any:
    """A plain value or a list of them stands for `{any_of: [...]}`."""
    if isinstance(value, (dict, Test)):
        return value
    return {"any_of": value if isinstance(value, list) else [value]}


class Test(_Part):
    """What a field has to hold; every part that is given must."""

    any_of: tuple[str | bool | float, ...] = ()
    """One of these. A text that ends with `*` stands for all that begin so. Of a list, one element is enough."""
    none_of: tuple[str | bool | float, ...] = ()
    """None of these; what is absent is none of them."""
    at_least: float | None = None
    """A number of at least; absent is not. Times and durations are milliseconds."""
    at_most: float | None = None
    """A number of at most; absent is not."""
    or_absent: bool = False
    """What is absent holds `at_least` and `at_most` too."""
    present: bool | None = None
    """Whether it is there at all; an empty list is not."""


class Selector(_Part):
    """Touchpoints of a kind, of which all fields hold what they have to."""

    kind: Annotated[tuple[str, ...], BeforeValidator(_as_several)] = Field(min_length=1)
    """Verbs, one of them."""
    where: dict[FieldName, Annotated[Test, BeforeValidator(_as_test)]] = {}
    """Field to what it has to hold."""
    object: str | None = None
    """It touches an object of this type, such as `order`."""
    opens_contact: bool = False
    """It is the customer's first touchpoint of a contact."""
    solves: bool = False
    """It solves the matter: resolved, confirmed, or ended with outcome ok."""


class Relation(StrEnum):
    """What two touchpoints of one person have in common, or not."""

    SAME_MATTER = "same_matter"
    """They share a case, else another object, else the topic, and lie on one journey."""
    SAME_TOPIC = "same_topic"
    """They name the same topic, or one of them none."""
    SAME_JOURNEY = "same_journey"
    SAME_CASE = "same_case"
    SAME_OBJECT = "same_object"
    """They share an object that is no case."""
    SAME_THREAD = "same_thread"
    """They belong to one conversation."""
    SAME_CHANNEL = "same_channel"
    OTHER_CHANNEL = "other_channel"
    """Channels that are no one place to a customer: web, portal and form are one."""
    SAME_PLACE = "same_place"
    """The same page, queue or counter (`touchpoint`)."""
    SAME_TEAM = "same_team"
    OTHER_TEAM = "other_team"
    OTHER_UNIT = "other_unit"
    SAME_ITEM = "same_item"
    """An item that one asks for, the other gave or asked for."""
    SAME_FORM = "same_form"
    """The same `form:` object, else the same place."""
    SAME_PROMISE = "same_promise"
    OVERDUE = "overdue"
    """The earlier one was due (`promise_due`) by the time of the later one."""
    SAME_CAMPAIGN = "same_campaign"
    OTHER_CAMPAIGN = "other_campaign"
    REPLIES = "replies"
    """The later one answers the earlier one (`reply_to`, `caused_by`)."""
    MAY_ANSWER = "may_answer"
    """They belong to one conversation or matter, or the later one replies; where not both name a conversation and not
    both a matter, they are on channels that are one place to a customer."""


class Per(StrEnum):
    """What touchpoints are grouped by before they are counted."""

    PERSON = "person"
    MATTER = "matter"
    JOURNEY = "journey"
    CASE = "case"
    ORDER = "order"
    LINE = "line"
    """The line of an order, where objects name it (`order:A-1:2`), else the order."""
    FORM = "form"
    CONTACT = "contact"
    CHANNEL = "channel"
    PLACE = "place"
    SOURCE = "source"


_BOUND: Final = re.compile(r"(first|anchor|due|ever)(?:\s*([+-])\s*(\S+))?")


class Bound(NamedTuple):
    """A moment of a finding, shifted: its first touchpoint, its anchor, its deadline; or no bound at all."""

    of: str
    shift_ms: int


def _bound(text: Any) -> Any:
    if isinstance(text, Bound):
        return text
    match = _BOUND.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no moment; write first, anchor, due or ever, such as 'anchor - 24h'")
    of, sign, shift = match.groups()
    return Bound(of, 0 if shift is None else parse_milliseconds(shift) * (-1 if sign == "-" else 1))


AnyBound = Annotated[Bound, BeforeValidator(_bound)]


class Near(_Part):
    """That touchpoints like these lie around a finding, besides its own anchor and first touchpoint."""

    select: Selector
    relations: tuple[Relation, ...] = ()
    """To the anchor, all of them; to the first touchpoint with `of: first`."""
    of: Literal["first", "anchor"] = "anchor"
    since: AnyBound = Field(default=Bound("first", 0), alias="from")
    """Inclusive, like `until`. What solves a matter lies where it ends, all else where it begins."""
    until: AnyBound | None = None
    """Without it, the anchor; for an absence, its deadline. After the watermark it is waited for, but not with `ever`.
    What is there is certain at once, what is not there only when its time is over."""
    at_least: int = Field(default=1, ge=1)
    """So many of them."""
    own: bool = False
    """The finding's own anchor and first touchpoint count too, when they are such."""
    undone_by: Selector | None = None
    """Those after which one of these came, up to the same moment, do not count."""
    none: bool = False
    """The contrary: fewer than `at_least`."""


class Guard(_Part):
    """What makes a pattern no friction, or a small one. It objects when all that it says holds.

    A friction waits until it is certain that none objects that would make it none.
    """

    name: str
    builtin: Literal["invited", "household", "new_object", "scheduled"] | None = None
    """One of those that are code: see `processors.friction.guards`."""
    anchor: dict[FieldName, Annotated[Test, BeforeValidator(_as_test)]] = {}
    """Fields of the anchor."""
    first: dict[FieldName, Annotated[Test, BeforeValidator(_as_test)]] = {}
    """Fields of the first touchpoint."""
    near: tuple[Near, ...] = ()
    base: int | None = Field(default=None, ge=1, le=5)
    """Severity base when it objects; without it there is no friction at all."""
    says: str
    """What must hold for the friction, in plain words: `the company did not ask for it`."""

    @model_validator(mode="after")
    def _says_when(self) -> "Guard":
        if self.builtin is None and not (self.anchor or self.first or self.near):
            raise ValueError(f"the guard {self.name!r} never says when it objects: give builtin, anchor, first or near")
        return self


class VariantRule(_Part):
    """One way in which a pattern shows. The first of a pattern whose conditions all hold by now is the one.

    Words of the sentences: see `processors.friction.engine.describing.WORDS`.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    base: int = Field(ge=1, le=5)
    at_least: float | AnySpan | None = None
    """Of what the pattern measures: a count, a sum, a multiple of the limit."""
    anchor: dict[FieldName, Annotated[Test, BeforeValidator(_as_test)]] = {}
    near: tuple[Near, ...] = ()
    sentence_en: Sentence
    sentence_de: Sentence


class Sequence(_Part):
    """A touchpoint after another. Anchor: the later one; `first`: the latest earlier one that fits."""

    first: Selector
    then: Selector
    within: Milliseconds
    """From the first's end to the beginning of the other; no time at all while the first still lasts."""
    relations: tuple[Relation, ...] = ()
    items_in_common: int = Field(default=0, ge=0)
    """So many items that the one asks for and the other gave or asked for."""
    unless: tuple[Near, ...] = ()
    """Nothing like these, else that earlier touchpoint does not count."""
    measures: Literal["gap"] = "gap"


class Count(_Part):
    """So many touchpoints in a window. Anchor: the one with which the least number or sum is reached.

    What follows within `gap`, else `within`, of the one before belongs to the same finding and raises what it measures;
    without either all that follows in the group.
    """

    of: Selector
    at_least: float | AnySpan
    within: Milliseconds | None = None
    """From the first to the one that reaches it; without it however long that takes."""
    gap: Milliseconds | None = None
    """From each to the next, at most."""
    per: Per = Per.PERSON
    distinct: FieldNames = ()
    """Count different values of this field, or of these together, instead; those without one do not count."""
    half: Selector | None = None
    """Those of them that are also such as these count half."""
    sum: FieldName | None = None
    """Sum up this field instead."""
    since: Selector | None = None
    """Counting begins after one of these of the same group, and anew with each; then it is the first touchpoint, and
    `within` runs from it."""
    since_first: bool = False
    """Not anew with each of `since`: only with the first one, and the first one after a `reset`."""
    reset: Selector | None = None
    """One of these of the same group in between begins anew; if it is counted too, it is the first one."""
    unless: tuple[Near, ...] = ()
    """Nothing like these around the anchor, else the next one may be it; the future is waited for."""


class Absence(_Part):
    """A touchpoint that never came. Anchor: the one after which it was due; measures multiples of the limit.

    Holds from the deadline on; cleared by what comes late, gone when it turns out to have come in time.
    """

    after: Selector
    expected: Selector
    relations: tuple[Relation, ...] = ()
    within: AnySpan | None = None
    """The limit, from the end of the anchor or of what renewed it."""
    within_by_channel: dict[str, AnySpan] = {}
    """The limit by channel of the anchor; of other channels `within`, else none at all."""
    due: FieldName | None = None
    """Field of the anchor that holds the deadline itself, UTC milliseconds."""
    slack: float = Field(default=0.0, ge=0)
    """Share of the time until `due` that is granted on top, at least `least_slack`."""
    least_slack: Milliseconds = 0
    clock: Literal["event", "business"] = "event"
    """Limits run always, or in the opening hours of the channel's calendar."""
    grace: Milliseconds = 10 * MINUTE_MS
    """How long after the deadline it waits for touchpoints that are late themselves."""
    renewed_by: Selector | None = None
    """The limit runs from the end of the latest of these before what was expected, related alike, instead."""
    excused_by: tuple[Near, ...] = ()
    """Nothing like these, up to the deadline unless they say another time."""
    first_in_contact: bool = False
    """Only the customer's first touchpoint since the company's last one in the conversation."""

    @model_validator(mode="after")
    def _has_limit(self) -> "Absence":
        if self.within is None and self.due is None and not self.within_by_channel:
            raise ValueError("an absence needs a limit: within, within_by_channel or due")
        spans = [span for span in (self.within, *self.within_by_channel.values()) if span is not None]
        if self.clock == "event" and any(span.working_days for span in spans):
            raise ValueError("working days need clock: business")
        return self


class Change(_Part):
    """A state that goes X, Y, X. Anchor: the touchpoint with which it is back; measures hops.

    A hop is a touchpoint of which the state is not that of the one before; those without a state do not count. Hops
    that follow within `within` of the one before belong to the same finding and raise what it measures.
    """

    of: Selector
    state: FieldName
    left: FieldName | None = None
    """Field with the state before it, for producers that tell it: it counts where it is there, so that even the first
    touchpoint may be a hop."""
    per: Per = Per.MATTER
    at_least: int = Field(default=2, ge=2)
    """Hops, each to another state."""
    returns: bool = True
    """It has to come back to a state that it had left."""
    states: int | None = Field(default=None, ge=2)
    """The last `at_least` hops lie between so many states at most, and what follows between the same: A, B, A, B."""
    within: Milliseconds
    """From the last touchpoint of the first state to the anchor."""
    unless: tuple[Near, ...] = ()


class Ratio(_Part):
    """How many of some touchpoints are such as these, over a window that ends with the anchor; measures the share.

    Anchor: the first of `among` with which it holds. As long as it holds with each further one within `within` of the
    one before, it is one finding, which measures the worst share.
    """

    of: Selector
    """Those of `among` that are also such as these."""
    among: Selector
    within: Milliseconds
    at_least: float | None = Field(default=None, ge=0)
    at_most: float | None = Field(default=None, ge=0)
    minimum: int = Field(default=1, ge=1)
    """So many of `among`, or it says nothing."""
    before: Milliseconds | None = None
    """Compare with the same count over a window of this length before that one instead, by time: the share is how many
    times as often they come now. With none of them before it says nothing."""
    per: Per = Per.PERSON

    @model_validator(mode="after")
    def _has_limit(self) -> "Ratio":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a ratio needs at_least or at_most, and not both")
        return self


class Minutes(_Part):
    """A posting to the effort ledger."""

    name: str
    kind: EffortKind
    of: Literal["anchor", "first", "each"] = "anchor"
    """The touchpoint that proves it: each of them makes one posting."""
    where: dict[FieldName, Annotated[Test, BeforeValidator(_as_test)]] = {}
    """Fields of that touchpoint; one that does not hold them makes no posting."""
    measured: Literal["active_ms", "wait_ms", "contact", "late"] | None = None
    """What the touchpoint measured; the active time of its contact; or the time from it until the answer, or until now
    known to be unanswered (the last deadline that has passed)."""
    otherwise: Milliseconds | None = None
    """Assumed where nothing was measured; without it there is no posting then."""
    per: Literal["items_requested", "fields_required"] | None = None
    """Assumed for each of these."""
    above: float = 0
    """Of these, only what is above; of a measured time the share of that, none where their number is not known."""
    factor: float = Field(default=1.0, gt=0)
    at_most: Milliseconds | None = None
    """No posting is longer."""
    shown_as: tuple[str, ...] = ()
    """Only when it shows as one of these variants."""


class Pattern(_Part):
    """One way to find the friction, of exactly one class."""

    sequence: Sequence | None = None
    count: Count | None = None
    absence: Absence | None = None
    change: Change | None = None
    ratio: Ratio | None = None
    guards: tuple[Guard, ...] = ()
    """Besides those of the rule."""
    variants: tuple[str, ...] = Field(min_length=1)
    """Names of the variants that it can show as, worst first; the last one always holds."""

    @model_validator(mode="after")
    def _one_class(self) -> "Pattern":
        given = [name for name in CLASSES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a pattern is of one class, of {', '.join(CLASSES)}; given: {', '.join(given) or 'none'}")
        return self


CLASSES: Final = ("sequence", "count", "absence", "change", "ratio")


class Example(_Part):
    """Touchpoints of one person, and what the rule makes of them."""

    says: str
    fires: tuple[str, ...] = ()
    """Variants, in the order of their anchors; empty: it must stay silent."""
    after: Milliseconds = 400 * DAY_MS
    """How long after the last touchpoint it is judged."""
    touchpoints: tuple[dict[str, Any], ...] = Field(min_length=1)
    """Contract fields, and `at`: time since Monday, 2 March 2026, 09:00 UTC. `id`, `source` and `identities` have
    defaults; other times are given like `at`."""


class Severity(_Part):
    """What makes a friction worse or better than its base; see `processors.friction.severity`."""

    effort: Milliseconds = 15 * MINUTE_MS
    great_effort: Milliseconds = 45 * MINUTE_MS
    repeat_within: Milliseconds = 30 * DAY_MS
    age: Milliseconds = 72 * HOUR_MS
    recovery_within: Milliseconds = 24 * HOUR_MS


class RuleDefinition(_Part):
    """One friction pattern: how it is found, when it is none, how bad it is, what it costs, how it is told."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    catalogue: str = Field(default="", pattern=r"^(F\d\d)?$")
    """Place in the published catalogue of frictions."""
    title: str
    version: int = Field(ge=1)
    """A new meaning needs a new one."""
    effective_from: AwareDatetime
    """Event time of the first anchor that it judges; with a zone."""
    shadow: bool = False
    """Found and written, told to nobody."""
    owner_team: str | None = None
    """Who is told, whoever caused it."""
    despite_incident: bool = False
    """Told although its touchpoints name an incident: it is about what the company did in one."""
    source: str
    """Where definition and thresholds come from, and what was decided where that was unclear."""
    own_kinds: tuple[str, ...] = ()
    """Verbs of an own vocabulary, which the contract does not list."""
    ignore_places: tuple[str, ...] = ()
    """Pages, queues and counters (`touchpoint`) that never make it fire."""
    patterns: tuple[Pattern, ...] = ()
    """Several may find the same anchor: the first one does."""
    python: str | None = None
    """Instead of patterns: the class of this name in `processors/friction/rules/<id>.py`."""
    parameters: dict[str, Any] = {}
    """What that class can be told."""
    guards: tuple[Guard, ...] = ()
    variants: tuple[VariantRule, ...] = Field(min_length=1)
    severity: Severity = Severity()
    team: Literal["first", "anchor"] = "first"
    """Whose touchpoint names the team that caused it; the other one where that names none."""
    minutes: tuple[Minutes, ...] = ()
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> "RuleDefinition":
        if problems := list(self._problems()):
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        yield from self._problems_of_form()
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            yield "two variants have the same name"
        used = [("a pattern shows as", name) for pattern in self.patterns for name in pattern.variants]
        used += [(f"minutes {minutes.name!r} are for", name) for minutes in self.minutes for name in minutes.shown_as]
        for how, name in used:
            if name not in names:
                yield f"{how} {name!r}, but the variants are {', '.join(names)}"
        fired = {name for example in self.examples for name in example.fires}
        for name in sorted(fired - set(names)):
            yield f"an example fires {name!r}, but the variants are {', '.join(names)}"
        if missing := sorted(set(names) - fired):
            yield f"no example fires {', '.join(missing)}"
        if all(example.fires for example in self.examples):
            yield "no example must stay silent; give at least one"
        for kind in sorted(kinds_in(self)):
            if kind not in KINDS and kind not in self.own_kinds:
                meant = did_you_mean(kind, KINDS)
                yield f"{kind!r} is no verb of the contract{meant}; if it is one of yours, list it in own_kinds"

    def _problems_of_form(self) -> Iterator[str]:
        if bool(self.patterns) == (self.python is not None):
            yield "a rule has either patterns or the name of a python class"
        if self.python is not None:
            for name in ("own_kinds", "ignore_places", "guards", "team", "minutes"):
                if name in self.model_fields_set:
                    yield f"{name} is for patterns; the class {self.python} decides that itself"
        elif self.parameters:
            yield "parameters are for a python class"


def kinds_in(part: Any) -> set[str]:
    """All verbs that selectors below a part name."""
    if isinstance(part, Selector):
        return set(part.kind)
    if isinstance(part, BaseModel):
        return {kind for name in type(part).model_fields for kind in kinds_in(getattr(part, name))}
    if isinstance(part, tuple) and not isinstance(part, (Bound, Span)):
        return {kind for one in part for kind in kinds_in(one)}
    return set()

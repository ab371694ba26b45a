"""Relations compiled: what two touchpoints of one person have in common, or not."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from processors.durations import spell_duration
from processors.entries import Entry
from processors.friction.definition import Relation
from processors.friction.engine.groups import forms_of
from processors.friction.wording import topic_of
from processors.kinds import family
from processors.matters import CASE, TOPIC, topic_match

#: What an earlier and a later entry have in common, as a text; `None` when the relation does not hold.
Common = Callable[[Entry, Entry], str | None]


class Link(NamedTuple):
    """A relation by its name."""

    name: str
    common: Common


def links(relations: Iterable[Relation]) -> tuple[Link, ...]:
    """Relations ready for use."""
    return tuple(Link(relation.value, _COMMON[relation]) for relation in relations)


def are_related(linked: tuple[Link, ...], one: Entry, other: Entry) -> bool:
    """Whether all relations hold between two entries, whichever is the earlier."""
    if not linked:
        return True
    earlier, later = (one, other) if one.order <= other.order else (other, one)
    return all(link.common(earlier, later) is not None for link in linked)


def on_one_journey(one: Entry, other: Entry) -> bool:
    """Whether both lie on one journey."""
    return one.strand is not None and other.strand is not None and one.strand.root() is other.strand.root()


def objects_of(entry: Entry) -> frozenset[str]:
    """Objects that it or its conversation touches and that are no case, as `type:id`."""
    own = {":".join(text.split(":", 2)[:2]) for text in entry.touchpoint.objects if not text.startswith("case:")}
    return frozenset(own.union(key[1:] for key in entry.matter if CASE < key[0] < TOPIC))


def cases_of(entry: Entry) -> frozenset[str]:
    """Cases of it or of its conversation, as `case:id`."""
    return frozenset(key[1:] for key in entry.matter if key[0] == CASE)


def team_of(entry: Entry) -> str | None:
    """The team that it names, else the one that its conversation names first."""
    touchpoint = entry.touchpoint
    own = touchpoint.team or touchpoint.from_team
    if own is not None or entry.contact is None or entry.contact.opening is None:
        return own
    return entry.contact.team


def items_in_common(one: Entry, other: Entry) -> frozenset[str]:
    """Items that one of both asks for and the other gave or asked for."""
    asked, asked_too = frozenset(one.touchpoint.items_requested), frozenset(other.touchpoint.items_requested)
    given, given_too = one.touchpoint.items_provided, other.touchpoint.items_provided
    return (asked & asked_too) | asked.intersection(given_too) | asked_too.intersection(given)


def _same_matter(one: Entry, other: Entry) -> str | None:
    key = topic_match(one.matter, other.matter) if on_one_journey(one, other) else None
    return None if key is None else key[1:]


def _same_topic(one: Entry, other: Entry) -> str | None:
    topic, other_topic = topic_of(one), topic_of(other)
    if topic is None or other_topic is None or topic == other_topic:
        return topic or other_topic or "no topic"
    return None


def _same_journey(one: Entry, other: Entry) -> str | None:
    return "one journey" if on_one_journey(one, other) else None


def _same_thread(one: Entry, other: Entry) -> str | None:
    if one.contact is None or one.contact is not other.contact:
        return None
    return one.touchpoint.thread_id


def _least(common: frozenset[str]) -> str | None:
    return min(common, default=None)


def _same(value: Callable[[Entry], str | None]) -> Common:
    def common(one: Entry, other: Entry) -> str | None:
        found = value(one)
        return found if found is not None and found == value(other) else None

    return common


def _other(value: Callable[[Entry], str | None]) -> Common:
    def common(one: Entry, other: Entry) -> str | None:
        found, other_found = value(one), value(other)
        if found is None or other_found is None or found == other_found:
            return None
        return f"{found}, then {other_found}"

    return common


def _replies(earlier: Entry, later: Entry) -> str | None:
    touchpoint = later.touchpoint
    return later.ref if earlier.touchpoint.id in (touchpoint.reply_to, touchpoint.caused_by) else None


def _may_answer(earlier: Entry, later: Entry) -> str | None:
    common = _same_thread(earlier, later) or _replies(earlier, later) or _same_matter(earlier, later)
    is_told_apart = (earlier.matter and later.matter) or (earlier.touchpoint.thread_id and later.touchpoint.thread_id)
    if common is None and not is_told_apart:
        return _COMMON[Relation.SAME_CHANNEL](earlier, later)
    return common


def _same_form(one: Entry, other: Entry) -> str | None:
    return min(map(str, {*forms_of(one)} & {*forms_of(other)}), default=None)


def _overdue(earlier: Entry, later: Entry) -> str | None:
    due = earlier.touchpoint.promise_due
    return None if due is None or due > later.start else f"{spell_duration(later.start - due)} after it was due"


def _place(entry: Entry) -> str | None:
    return entry.touchpoint.touchpoint


def _channel(entry: Entry) -> str:
    return family(entry.touchpoint.channel)


_COMMON: Final[Mapping[Relation, Common]] = {
    Relation.SAME_MATTER: _same_matter,
    Relation.SAME_TOPIC: _same_topic,
    Relation.SAME_JOURNEY: _same_journey,
    Relation.SAME_CASE: lambda one, other: _least(cases_of(one) & cases_of(other)),
    Relation.SAME_OBJECT: lambda one, other: _least(objects_of(one) & objects_of(other)),
    Relation.SAME_THREAD: _same_thread,
    Relation.SAME_CHANNEL: _same(_channel),
    Relation.OTHER_CHANNEL: _other(_channel),
    Relation.SAME_PLACE: _same(_place),
    Relation.SAME_TEAM: _same(team_of),
    Relation.OTHER_TEAM: _other(team_of),
    Relation.OTHER_UNIT: _other(lambda entry: entry.touchpoint.unit),
    Relation.SAME_ITEM: lambda one, other: _least(items_in_common(one, other)),
    Relation.SAME_FORM: _same_form,
    Relation.OVERDUE: _overdue,
    Relation.SAME_PROMISE: _same(lambda entry: entry.touchpoint.promise_id),
    Relation.SAME_CAMPAIGN: _same(lambda entry: entry.touchpoint.campaign),
    Relation.OTHER_CAMPAIGN: _other(lambda entry: entry.touchpoint.campaign),
    Relation.REPLIES: _replies,
    Relation.MAY_ANSWER: _may_answer,
}

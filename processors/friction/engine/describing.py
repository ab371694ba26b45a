"""Words, minutes and names of what was found."""

from collections.abc import Iterable
from string import Formatter
from typing import Final, NamedTuple

from processors.entries import Entry
from processors.friction.definition import Minutes, VariantRule
from processors.friction.engine.matching import Known, Match
from processors.friction.engine.relations import items_in_common, team_of
from processors.friction.engine.selectors import EntryTest, field_tests
from processors.friction.finding import Cost
from processors.friction.wording import COMMON_WORDS, topic_of, words_for

#: Words that every sentence may use; those of a class of patterns come on top.
WORDS: Final = COMMON_WORDS | {
    "channel",
    "channel_de",
    "errors",
    "fields",
    "items",
    "place",
    "team",
    "team_de",
}


def refuse_unknown_words(variant: VariantRule, known: Iterable[str]) -> None:
    """Check that sentences only use words that there are.

    Raises:
        ValueError: one uses another.

    """
    words = sorted(known)
    for sentence in (variant.sentence_en, variant.sentence_de):
        try:
            used = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
        except ValueError as error:
            msg = f"the sentence {sentence!r} of the variant {variant.name!r} cannot be read: {error}"
            raise ValueError(msg) from error
        if unknown := sorted(used.difference(words)):
            named = ", ".join(f"{{{name}}}" for name in unknown)
            there_are = ", ".join(f"{{{name}}}" for name in words)
            msg = f"the variant {variant.name!r} says {named}, but the words here are {there_are}"
            raise ValueError(msg)


def channels_of(match: Match) -> tuple[str, str]:
    """Channel of the first touchpoint, and the one that the anchor leads to, else its own."""
    anchor = match.anchor.touchpoint
    return match.first.touchpoint.channel, anchor.redirect_to or anchor.channel


def topic_in(match: Match) -> str | None:
    """Topic of the anchor, else of the first touchpoint."""
    return topic_of(match.anchor) or topic_of(match.first)


def team_in(match: Match, owner: str) -> str | None:
    """Team of the first touchpoint or of the anchor, whichever comes first by `owner`; else of the other."""
    one, other = (match.first, match.anchor) if owner == "first" else (match.anchor, match.first)
    return team_of(one) or team_of(other)


def general_words(match: Match, topic: str | None, team: str | None) -> dict[str, str]:
    """Words that every class has: see `WORDS`."""
    from_channel, to_channel = channels_of(match)
    first, anchor = match.first, match.anchor.touchpoint
    words = words_for(from_channel, to_channel, topic)
    own = words_for(anchor.channel, anchor.channel, None)
    items = items_in_common(first, match.anchor) or anchor.items_requested or anchor.items_provided
    return {
        **words,
        "channel": own["to_channel"],
        "channel_de": own["to_channel_de"],
        "place": anchor.touchpoint or own["to_channel"],
        "items": ", ".join(sorted(items)),
        "fields": str(anchor.fields_required or len(anchor.items_requested)),
        "errors": str(anchor.errors or 0),
        "team": team or "an unnamed team",
        "team_de": team or "ein ungenanntes Team",
    }


class Posting(NamedTuple):
    """A posting of minutes ready for use: what it is told, and what a touchpoint has to pass to make one."""

    told: Minutes
    tests: tuple[EntryTest, ...]


def postings_of(minutes: Iterable[Minutes]) -> tuple[Posting, ...]:
    """Postings ready for use."""
    return tuple(Posting(told, field_tests(told.where)) for told in minutes)


def costs_of(postings: Iterable[Posting], match: Match, known: Known, variant: str) -> tuple[Cost, ...]:
    """Customer's minutes of a match that shows as a variant; a posting of nothing is none."""
    costs = []
    for told, tests in postings:
        if told.shown_as and variant not in told.shown_as:
            continue
        for voucher in _vouchers(told, match):
            if not all(test(voucher) for test in tests):
                continue
            ms, is_measured = _length(told, voucher, known)
            if told.at_most is not None:
                ms = min(ms, told.at_most)
            if ms > 0:
                costs.append(Cost(told.name, told.kind, ms, is_measured=is_measured, voucher=voucher))
    return tuple(costs)


def _vouchers(told: Minutes, match: Match) -> tuple[Entry, ...]:
    if told.of == "each":
        return match.members
    return (match.first,) if told.of == "first" else (match.anchor,)


def _length(told: Minutes, voucher: Entry, known: Known) -> tuple[int, bool]:
    """Milliseconds, and whether they were measured."""
    measured: int | None = None
    if told.measured == "contact":
        if voucher.contact is not None and voucher.contact.opening is not None:
            spent = voucher.contact.spent()
            if spent.is_measured or told.otherwise is None:
                return round(spent.ms * told.factor), spent.is_measured
    elif told.measured == "late":
        measured = known.ms
    elif told.measured is not None:
        measured = getattr(voucher.touchpoint, told.measured)
    count = 1.0
    if told.per is not None:
        value = getattr(voucher.touchpoint, told.per)
        count = float(len(value) if isinstance(value, tuple) else value or 0)
    counted = max(0.0, count - told.above)
    if measured is not None:
        share = counted / count if told.above and count else float(not told.above)
        return round(measured * share * told.factor), True
    if told.otherwise is None:
        return 0, False
    return round(told.otherwise * counted * told.factor), False

"""repeat_contact: the customer had to come again about the same matter."""

from typing import Final, NamedTuple

from processors.contacts import Contact, Spent, goes_on
from processors.durations import spell_duration, spell_gap
from processors.entries import Entry
from processors.fold import Fold, is_invitation
from processors.friction.finding import EVERY_ACT, Cost, Description, Finding, Findings, RuleParameters
from processors.friction.guards import invited, new_object, scheduled
from processors.friction.story import Related, Story
from processors.friction.wording import COMMON_WORDS, miss, words_for
from processors.settings import DAY_MS, HOUR_MS
from schemas.outputs import Check, EffortKind
from schemas.vocabulary import CONTACT_KINDS

REPEAT: Final = "repeat"
THIRD: Final = "third"
FIFTH: Final = "fifth"


class RepeatContact(RuleParameters, frozen=True, kw_only=True):
    """Windows of the pattern, milliseconds, inclusive. Seven days, same customer, same tag is common practice."""

    window_ms: int = 7 * DAY_MS
    short_window_ms: int = 24 * HOUR_MS
    long_window_ms: int = 30 * DAY_MS
    third_position: int = 3
    fifth_position: int = 5


class _Chain:
    """Contacts about one matter, each within the window of an earlier one; the first owns what follows."""

    __slots__ = ("contacts", "first")

    def __init__(self, first: Contact) -> None:
        self.first = first
        self.contacts = 1


class _Repeat(NamedTuple):
    """A repeated contact in its chain."""

    key: str
    from_channel: str
    to_channel: str
    gap_ms: int
    position: int
    proofs: tuple[Entry, ...]
    team: str | None
    topic: str | None
    spent: Spent
    guards: tuple[Check, ...]


class RepeatContactRule:
    """Finds contacts that follow an earlier one about the same matter within the window.

    Anchor: the repeated contact. The first contact of the chain owns it: its team, its channel. Variants by the place
    in the chain: `repeat` (second), `third` (third and fourth), `fifth` (from the fifth on).
    """

    PARAMETERS: Final = RepeatContact
    WORDS: Final = COMMON_WORDS | {"gap", "position", "ordinal"}
    reads: Final = frozenset({EVERY_ACT})
    triggers: Final = CONTACT_KINDS

    def __init__(self, parameters: RepeatContact, content_hash: str) -> None:
        self.parameters = parameters
        self.content_hash = content_hash

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - each is one
        """Whether it is another contact."""
        return len(fold.contacts) > 1 and fold.contacts[-1].opening is entry

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:  # noqa: ARG002 - found or not
        """Whether a contact goes on, or the customer is asked to come in the moment in which they do."""
        return goes_on(entry) or (since_ms == 0 and is_invitation(entry))

    def find(self, story: Story, watermark: int) -> Findings:  # noqa: ARG002 - a repeat is one at once
        """Every repeat in story order; time alone changes nothing."""
        findings = Findings()
        chains: dict[Contact, _Chain] = {}
        for contact in story.contacts:
            related = story.closest_earlier(contact, self.parameters.window_ms)
            same_object = None if related is None else new_object(related.contact, contact)
            if related is None or same_object is None or not same_object.passed:
                chains[contact] = _Chain(contact)
                continue
            chain = chains[contact] = chains[related.contact]
            chain.contacts += 1
            guards = (invited(story, related.contact, contact), same_object, scheduled(contact))
            if all(guard.passed for guard in guards):
                repeat = self._repeat(chain, related, contact, guards)
                findings.found.append(Finding(contact.first, self._variant(chain.contacts), repeat))
        return findings

    def _variant(self, position: int) -> str:
        if position >= self.parameters.fifth_position:
            return FIFTH
        return THIRD if position >= self.parameters.third_position else REPEAT

    def _repeat(self, chain: _Chain, related: Related, contact: Contact, guards: tuple[Check, ...]) -> _Repeat:
        first = chain.first
        involved = (*first.evidence(), *related.contact.evidence())
        return _Repeat(
            key=related.key,
            from_channel=first.channel,
            to_channel=contact.channel,
            gap_ms=contact.start - related.contact.end,
            position=chain.contacts,
            proofs=tuple(dict.fromkeys(involved)),
            team=first.team,
            topic=first.topic or contact.topic,
            spent=contact.spent(),
            guards=guards,
        )

    def describe(self, finding: Finding) -> Description:
        """Everything about one repeat."""
        told, contact = self.parameters, finding.anchor
        repeat: _Repeat = finding.facts
        gap, position = repeat.gap_ms, repeat.position
        spare = spell_duration(told.window_ms - gap)
        return Description(
            base=told.variant(finding.variant).base,
            from_channel=repeat.from_channel,
            to_channel=repeat.to_channel,
            team=repeat.team,
            topic=repeat.topic,
            costs=(Cost("contact", EffortKind.RETRY, *repeat.spent, voucher=contact),),
            evidence=(*repeat.proofs, contact),
            checks=(
                Check("same_matter", repeat.key[1:], "a shared case, object or topic", passed=True),
                _within("within_24h", gap, told.short_window_ms),
                _within("within_7d", gap, told.window_ms),
                _within("within_30d", gap, told.long_window_ms),
                Check(
                    "position",
                    str(position),
                    f"third from {told.third_position}, fifth from {told.fifth_position}",
                    passed=position >= told.third_position,
                ),
            ),
            guards=repeat.guards,
            nearest_miss=miss(f"the contact more than {spare} later", f"dem Kontakt über {spare} später"),
            words=words_for(
                repeat.from_channel,
                repeat.to_channel,
                repeat.topic,
                gap=spell_duration(max(0, gap)),
                position=str(position),
                ordinal=ordinal(position),
            ),
        )


def _within(name: str, gap: int, window_ms: int) -> Check:
    return Check(name, spell_gap(gap), f"at most {spell_duration(window_ms)}", passed=gap <= window_ms)


def ordinal(number: int) -> str:
    """English ordinal, e.g. `3rd`."""
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"

"""What a rule is and what it finds."""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from processors.entries import Entry
from processors.fold import Fold
from processors.friction.severity import SeverityScale
from processors.friction.story import Moment, Story
from processors.friction.wording import NearestMiss
from schemas.outputs import Check, EffortKind

#: Among the kinds that a rule reads: every touchpoint that may begin, move or solve a matter, and every arrival.
EVERY_ACT: Final = "*"


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a pattern shows: its base severity, and a sentence with `{words}` to fill in, twice."""

    name: str
    base: int
    sentence_en: str
    sentence_de: str


class RuleParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What every rule can be told: who it is, how bad its variants are, and how to say so.

    A new meaning needs a new `version`; any change changes the content hash. `effective_from` (UTC milliseconds) is the
    start of the first anchor that it judges, `effective_until` that of the first one that another version does;
    frictions in `shadow` are found and told to nobody, those of a rule that holds `despite_incident` also in an
    incident; `owner_team` is told whoever caused it, `None` for the team that did.
    """

    rule_id: str
    version: int
    variants: tuple[Variant, ...]
    severity: SeverityScale = SeverityScale()
    effective_from: int = 0
    effective_until: int | None = None
    shadow: bool = False
    despite_incident: bool = False
    owner_team: str | None = None

    def variant(self, name: str) -> Variant:
        """Variant by name.

        Raises:
            KeyError: the rule has no such variant.

        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)


class Cost(NamedTuple):
    """Customer's minutes caused by a friction: `name` is unique in it, `voucher` the entry that proves them."""

    name: str
    kind: EffortKind
    ms: int
    is_measured: bool
    voucher: Entry


@dataclass(frozen=True, slots=True)
class Finding:
    """That a pattern holds, and nothing derived from it yet; equal findings are described alike.

    `anchor` is the entry that it hangs on and that names it for ever. `facts` is whatever else the rule needs to
    describe it: an immutable value of its own, equal when the description would be equal. `since` (UTC milliseconds) is
    the moment from which it holds, where that is not the anchor's beginning: before the watermark reaches it, it is
    none yet. `cleared_by` ended it, besides any solution of the matter. `is_confirmed` is false as long as touchpoints
    that are late themselves may still contradict it.
    """

    anchor: Entry
    variant: str
    facts: Any
    since: int | None = None
    cleared_by: Moment | None = None
    is_confirmed: bool = True

    @property
    def opened_at(self) -> int:
        """The moment from which it holds, UTC milliseconds."""
        return self.anchor.start if self.since is None else self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A finding in full, before severity and status are judged.

    `base` is the severity before modifiers. In `guards`, `passed` says that the guard did not object. `words` fill
    the sentence of the variant.
    """

    base: int
    from_channel: str
    to_channel: str
    team: str | None
    topic: str | None
    costs: tuple[Cost, ...]
    evidence: tuple[Entry, ...]
    checks: tuple[Check, ...]
    guards: tuple[Check, ...]
    nearest_miss: NearestMiss
    words: dict[str, str]


@dataclass(slots=True)
class Findings:
    """What a rule found in one story, and every moment at which time alone may change that, passed or not.

    `found` is in the order of the anchors. Of several for one anchor, the first that holds by now counts.
    """

    found: list[Finding] = field(default_factory=list)
    deadlines: list[int] = field(default_factory=list)


class FrictionRule(Protocol):
    """One pattern: finds itself in a story as of a watermark, and reads no clock."""

    @property
    def parameters(self) -> RuleParameters:
        """What it was told."""
        ...

    @property
    def content_hash(self) -> str:
        """32 hex characters that change with all that it was told, computed once."""
        ...

    @property
    def reads(self) -> frozenset[str]:
        """Kinds of the touchpoints that it looks at, `EVERY_ACT` for all but looking around."""
        ...

    @property
    def triggers(self) -> frozenset[str]:
        """Kinds of touchpoints without any of which it finds nothing and waits for nothing."""
        ...

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:
        """Whether something that it finds or waits for may hang on a touchpoint, or go on with it.

        Asked once of each touchpoint of `triggers` as it comes, when it is the newest in `fold`. Nothing that comes
        later may make a no wrong. `since_ms` is how long ago the last yes was, if there was one.
        """
        ...

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:
        """Whether a touchpoint may change what it found or did not find without it.

        Asked once of each touchpoint of `reads` as it comes, when it is the newest of all, and after a yes of
        `may_begin`: the last one was `since_ms` ago. `is_found`: it found something, or waits for a deadline.
        What relates earlier touchpoints otherwise than before is no reason for a yes: then it is asked anew anyway.
        """
        ...

    def find(self, story: Story, watermark: int) -> Findings:
        """Every place in the story where the pattern holds, in order of the anchors, from `effective_from` on.

        A pure function of story, parameters and watermark. `deadlines` must hold the same moments whatever the
        watermark, since the version of a person's rows counts how many of them have passed.
        """
        ...

    def describe(self, finding: Finding) -> Description:
        """All there is to say about a finding of this rule: a pure function of the finding and the parameters.

        Findings last while descriptions are dear, so one that is equal to an earlier one is not described again.
        """
        ...


class LedgerRule:
    """A rule that judges what the frictions of all others and the waits cost together: `Story.efforts`.

    It is asked after them, every time, and posts no minutes itself.
    """

    __slots__ = ()

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - whatever came
        """It may."""
        return True

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:  # noqa: ARG002 - whatever came
        """It may."""
        return True

"""What a rule is and what it finds."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import msgspec

from processors.entries import Entry
from processors.friction.severity import SeverityScale
from processors.friction.story import Story
from schemas.outputs import Check, EffortKind


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a pattern shows: its base severity, and a sentence with `{words}` to fill in, twice."""

    name: str
    base: int
    sentence_en: str
    sentence_de: str


class RuleParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What every rule can be told: who it is, how bad its variants are, and how to say so.

    A new meaning needs a new `version`; any change changes the content hash.
    """

    rule_id: str
    version: int
    variants: tuple[Variant, ...]
    severity: SeverityScale = SeverityScale()

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
    describe it: an immutable value of its own, equal when the description would be equal.
    """

    anchor: Entry
    variant: str
    facts: Any


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
    nearest_miss: str
    words: dict[str, str]


@dataclass(slots=True)
class Findings:
    """What a rule found in one story, and every moment at which time alone may change that, passed or not."""

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
        """`parameters_hash` of its parameters, computed once."""
        ...

    def find(self, story: Story, watermark: int) -> Findings:
        """Every place in the story where the pattern holds, in order of the anchors.

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

    It is asked after them and posts no minutes itself.
    """

    __slots__ = ()


def parameters_hash(parameters: RuleParameters) -> str:
    """32 hex characters that change with any parameter of a rule."""
    return blake2b(msgspec.msgpack.encode(parameters, order="deterministic"), digest_size=16).hexdigest()

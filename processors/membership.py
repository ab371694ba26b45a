"""Which identifiers make up a person, and how often each has changed hands."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from processors.identities import home
from schemas.identity import identifier_of
from schemas.touchpoint import Touchpoint


class Membership(NamedTuple):
    """A person as a set of identifiers.

    `epochs` are those of the members and of the placeholders that stand beside them in touchpoints; an identifier
    without an entry has never changed hands. `epoch` counts the sets that this person has been.
    """

    members: frozenset[str]
    placeholders: frozenset[str]
    epochs: Mapping[str, int]
    epoch: int

    def holds(self, touchpoint: Touchpoint) -> bool:
        """Whether a touchpoint belongs to this person."""
        return home(touchpoint.identities, self.placeholders) in self.members

    def anchor_epoch(self, touchpoint: Touchpoint) -> int:
        """How often a touchpoint has changed hands until it came to its home.

        Each step counts: of the placeholders before its home, that nobody is to be found under them; of its home,
        whose that is.
        """
        return sum(self.epochs.get(identifier, 0) for identifier in _way_home(touchpoint.identities, self.placeholders))


def _way_home(identities: Sequence[str], placeholders: Collection[str]) -> list[str]:
    """Identifiers of a touchpoint that were asked for its home: up to it, or all when all are placeholders."""
    way: list[str] = []
    for identity in identities:
        way.append(identifier_of(identity))
        if way[-1] not in placeholders:
            break
    return way

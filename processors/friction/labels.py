"""What people say is a friction, and how well rules agree with them."""

from collections.abc import Collection, Iterable

import msgspec

from schemas.outputs import Friction


class Label(msgspec.Struct, frozen=True):
    """One line of a label file: somebody looked at a person and says what there is.

    `person` is a person key, `touchpoint` a `tenant/source/id` that belongs to the evidence; one of them is given.
    Without a `rule_id` it says that there is nothing; without a `variant` any will do.
    """

    line: int
    person: str | None
    touchpoint: str | None
    rule_id: str | None
    variant: str | None

    def is_met_by(self, friction: Friction) -> bool:
        """Whether a friction is what the label says there is."""
        return (
            friction.rule_id == self.rule_id
            and self.variant in (None, friction.variant)
            and self.person in (None, friction.person_key)
            and (self.touchpoint is None or self.touchpoint in friction.evidence.touchpoints)
        )


class Labels:
    """The labels of a file, by whom they are about."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._by_person: dict[str, list[Label]] = {}
        self._by_touchpoint: dict[str, list[Label]] = {}
        self.rule_ids = set()
        for label in labels:
            if label.rule_id is not None:
                self.rule_ids.add(label.rule_id)
            if label.person is not None:
                self._by_person.setdefault(label.person, []).append(label)
            elif label.touchpoint is not None:
                self._by_touchpoint.setdefault(label.touchpoint, []).append(label)

    def about(self, person_key: str, touchpoints: Iterable[str]) -> list[Label]:
        """Labels about a person who has these touchpoints (`tenant/source/id`)."""
        found = list(self._by_person.get(person_key, ()))
        if self._by_touchpoint:
            found += [label for key in touchpoints for label in self._by_touchpoint.get(key, ())]
        return found


class Agreement(msgspec.Struct):
    """How rules and labels agree, of one rule or of several persons together.

    `found` of `labels` are met by a friction; `right` of `frictions`, of persons whom labels are about, meet a label.
    """

    labels: int = 0
    found: int = 0
    frictions: int = 0
    right: int = 0

    @property
    def precision(self) -> float | None:
        """Share of frictions that are right; `None` when there are none."""
        return self.right / self.frictions if self.frictions else None

    @property
    def recall(self) -> float | None:
        """Share of labels that were found; `None` when there are none."""
        return self.found / self.labels if self.labels else None

    def add(self, other: "Agreement") -> None:
        """Count another one in."""
        self.labels += other.labels
        self.found += other.found
        self.frictions += other.frictions
        self.right += other.right


def agreement(
    labels: Collection[Label], frictions: Collection[Friction], rule_ids: Collection[str]
) -> dict[str, Agreement]:
    """By rule, for one person: `labels` are all about them, `frictions` all that was found.

    What was found of a rule of `rule_ids` and no label says is wrong: whoever labels a person looks for all of these.
    """
    by_rule = {rule_id: Agreement() for rule_id in rule_ids}
    for label in labels:
        if label.rule_id is not None:
            one = by_rule[label.rule_id]
            one.labels += 1
            one.found += any(label.is_met_by(friction) for friction in frictions)
    for friction in frictions:
        if friction.rule_id in by_rule:
            one = by_rule[friction.rule_id]
            one.frictions += 1
            one.right += any(label.is_met_by(friction) for label in labels)
    return by_rule

"""The rules that are live: the shipped ones, and what was published or retired since."""

from collections.abc import Iterable
from typing import NamedTuple

from processors.friction.book import Book, RuleRefused, accepted, rule_book
from processors.friction.catalogue import default_calendars, definitions
from processors.friction.definition import RuleDefinition
from processors.friction.engine import compiled
from processors.friction.finding import FrictionRule
from schemas.rule_changes import RuleChange


class Learned(NamedTuple):
    """What became of changes that were news: taken, or refused and why."""

    taken: list[RuleChange]
    refused: list[tuple[RuleChange, str]]


class LiveRules:
    """Takes changes in whatever order and however often they come; what it refuses changes nothing."""

    def __init__(self) -> None:
        self._known: dict[str, RuleChange] = {}
        self._accepted: dict[RuleChange, RuleDefinition | None] = {}
        self._book: Book | None = None

    @property
    def book(self) -> Book:
        """All versions of all rules, each with its time."""
        if self._book is None:
            self._book = rule_book(definitions(), self._accepted, _compiled)
        return self._book

    @property
    def changes(self) -> tuple[RuleChange, ...]:
        """Changes that were accepted."""
        return tuple(self._accepted)

    def learn(self, changes: Iterable[RuleChange]) -> Learned:
        """Take what is new. Of two copies of a version the one published later counts."""
        learned = Learned([], [])
        for change in changes:
            known = self._known.get(change.key)
            if known is not None and (change == known or _age(change) < _age(known)):
                continue
            self._known[change.key] = change
            try:
                definition = accepted(change, _compiled)
            except RuleRefused as error:
                learned.refused.append((change, str(error)))
                continue
            if known is not None:
                self._accepted.pop(known, None)
            self._accepted[change] = definition
            learned.taken.append(change)
        if learned.taken:
            self._book = None
        return learned


def _age(change: RuleChange) -> tuple[int, str]:
    return change.published_at, change.text or ""


def _compiled(definition: RuleDefinition, until: int | None) -> FrictionRule:
    return compiled(definition, default_calendars(), until)

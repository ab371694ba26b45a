"""The rules that are live: the shipped ones, and what was published or retired since."""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

from processors.friction.book import Book, RuleRefused, accepted, rule_book
from processors.friction.catalogue import default_calendars, default_rules, definitions
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
                definition = _accepted(change)
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


@lru_cache(maxsize=256)
def _accepted(change: RuleChange) -> RuleDefinition | None:
    return accepted(change, _compiled)


def _compiled(definition: RuleDefinition, until: int | None) -> FrictionRule:
    shipped = _shipped().get(definition.id)
    if until is None and shipped is not None and shipped[0] is definition:
        return shipped[1]
    return compiled(definition, default_calendars(), until)


@cache
def _shipped() -> dict[str, tuple[RuleDefinition, FrictionRule]]:
    return {definition.id: (definition, rule) for definition, rule in zip(definitions(), default_rules(), strict=True)}

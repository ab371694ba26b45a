"""Selectors compiled: which touchpoints a part of a rule looks at."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from processors.acts import is_solution
from processors.entries import Entry
from processors.friction.definition import Selector, Test
from schemas.touchpoint import Touchpoint

FieldTest = Callable[[Any], bool]
EntryTest = Callable[[Entry], bool]

_LIST_FIELDS: Final = frozenset(
    field.name for field in msgspec.structs.fields(Touchpoint) if field.type == tuple[str, ...]
)


class Chooser(NamedTuple):
    """A selector ready for use: the kinds to look up, and what an entry of them has to pass besides."""

    kinds: tuple[str, ...]
    tests: tuple[EntryTest, ...]
    #: A solution counts from its end, all else from its beginning.
    by_end: bool
    #: The kinds once more, and the tests as one.
    known: frozenset[str]
    passes: EntryTest

    def that(self, test: EntryTest) -> "Chooser":
        """The same with another test besides."""
        tests = (*self.tests, test)
        return self._replace(tests=tests, passes=_all_of(tests))

    def takes(self, entry: Entry) -> bool:
        """Whether the selector means this entry."""
        return entry.touchpoint.kind in self.known and self.passes(entry)

    def choose(self, by_kind: Mapping[str, list[Entry]]) -> list[Entry]:
        """Its entries in story order."""
        lists = [by_kind[kind] for kind in self.kinds if kind in by_kind]
        if not lists:
            return []
        tests = self.tests
        if len(lists) == 1 and not tests:
            return lists[0]
        if not tests:
            chosen = [entry for entries in lists for entry in entries]
        else:
            first, *others = tests
            chosen = [entry for entries in lists for entry in entries if first(entry)]
            for test in others:
                chosen = [entry for entry in chosen if test(entry)]
        if len(lists) > 1:
            chosen.sort(key=_order)
        return chosen

    def newest(self, by_kind: Mapping[str, list[Entry]], since: int, at_most: int | None = None) -> list[Entry]:
        """Its entries that begin at a moment or later, newest first within each kind; no more than asked for."""
        found: list[Entry] = []
        if self.known.isdisjoint(by_kind):
            return found
        passes = self.passes
        for kind in self.kinds:
            for entry in reversed(by_kind.get(kind, ())):
                if entry.start < since:
                    break
                if passes(entry):
                    found.append(entry)
                    if len(found) == at_most:
                        return found
        return found

    def time(self, entry: Entry) -> int:
        """The moment that counts of one of its entries, UTC milliseconds."""
        return entry.end if self.by_end else entry.start


def chooser(selector: Selector, ignored_places: Iterable[str] = ()) -> Chooser:
    """Selector as a chooser that leaves out what happened at some places."""
    tests = list(field_tests(selector.where))
    if selector.object is not None:
        tests.append(_touches(selector.object))
    if selector.opens_contact:
        tests.append(opens_contact)
    if selector.solves:
        tests.append(is_solution)
    places = frozenset(ignored_places)
    if places:
        tests.append(lambda entry: entry.touchpoint.touchpoint not in places)
    kinds = tuple(dict.fromkeys(selector.kind))
    return Chooser(kinds, tuple(tests), selector.solves, frozenset(kinds), _all_of(tuple(tests)))


def _all_of(tests: tuple[EntryTest, ...]) -> EntryTest:
    if not tests:
        return lambda entry: True  # noqa: ARG005 - one signature for all
    first, *others = tests
    if not others:
        return first
    rest = _all_of(tuple(others))
    return lambda entry: first(entry) and rest(entry)


def opens_contact(entry: Entry) -> bool:
    """Whether it is the customer's first touchpoint of a contact."""
    return entry.contact is not None and entry.contact.opening is entry


def field_tests(where: Mapping[str, Test]) -> tuple[EntryTest, ...]:
    """For every field a test of an entry."""
    return tuple(_on_field(name, test) for name, test in where.items())


def _on_field(name: str, told: Test) -> EntryTest:
    get = attrgetter(name)
    if name not in _LIST_FIELDS:
        # The most frequent tests by far, on the most frequent touchpoints.
        if told == Test(any_of=told.any_of) and not _prefixes(told.any_of):
            exact = frozenset(told.any_of)
            return lambda entry: get(entry.touchpoint) in exact
        if told == Test(none_of=told.none_of) and not _prefixes(told.none_of):
            bad = frozenset(told.none_of)
            return lambda entry: get(entry.touchpoint) not in bad
    test = field_test(told)
    return lambda entry: test(get(entry.touchpoint))


def _touches(type_: str) -> EntryTest:
    prefix = f"{type_}:"
    return lambda entry: any(text.startswith(prefix) for text in entry.touchpoint.objects)


def field_test(test: Test) -> FieldTest:
    """Test of a value; every part that is given must hold."""
    parts: list[FieldTest] = []
    or_absent = test.or_absent
    if test.any_of:
        one = _one_of(test.any_of)
        parts.append(lambda value: any(map(one, _elements(value))))
    if test.none_of:
        bad = _one_of(test.none_of)
        parts.append(lambda value: not any(map(bad, _elements(value))))
    if test.at_least is not None:
        least = test.at_least
        parts.append(lambda value: or_absent if value is None else value >= least)
    if test.at_most is not None:
        most = test.at_most
        parts.append(lambda value: or_absent if value is None else value <= most)
    if test.present is not None:
        present = test.present
        parts.append(lambda value: (value not in (None, ())) is present)
    if len(parts) == 1:
        return parts[0]
    return lambda value: all(part(value) for part in parts)


def _one_of(values: tuple[str | bool | float, ...]) -> FieldTest:
    prefixes = _prefixes(values)
    exact = frozenset(value for value in values if not (isinstance(value, str) and value.endswith("*")))
    if not prefixes:
        return exact.__contains__
    return lambda value: value in exact or (isinstance(value, str) and value.startswith(prefixes))


def _prefixes(values: tuple[str | bool | float, ...]) -> tuple[str, ...]:
    return tuple(value[:-1] for value in values if isinstance(value, str) and value.endswith("*"))


def _elements(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _order(entry: Entry) -> tuple[int, str, str]:
    return entry.order

"""Selectors compiled: which touchpoints a part of a rule looks at."""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
    #: The kinds once more.
    known: frozenset[str]

    def that(self, test: EntryTest) -> "Chooser":
        """The same with another test besides."""
        return self._replace(tests=(*self.tests, test))

    def takes(self, entry: Entry) -> bool:
        """Whether the selector means this entry."""
        return entry.touchpoint.kind in self.known and all(test(entry) for test in self.tests)

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

    def newest(self, by_kind: Mapping[str, list[Entry]], since: int) -> Iterable[Entry]:
        """Its entries that begin at a moment or later, newest first within each kind."""
        return () if self.known.isdisjoint(by_kind) else self._newest(by_kind, since)

    def _newest(self, by_kind: Mapping[str, list[Entry]], since: int) -> Iterator[Entry]:
        tests = self.tests
        for kind in self.kinds:
            for entry in reversed(by_kind.get(kind, ())):
                if entry.start < since:
                    break
                if all(test(entry) for test in tests):
                    yield entry

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
    return Chooser(kinds, tuple(tests), selector.solves, frozenset(kinds))


def opens_contact(entry: Entry) -> bool:
    """Whether it is the customer's first touchpoint of a contact."""
    return entry.contact is not None and entry.contact.opening is entry


def field_tests(where: Mapping[str, Test]) -> tuple[EntryTest, ...]:
    """For every field a test of an entry."""
    return tuple(_on_field(name, test) for name, test in where.items())


def _on_field(name: str, told: Test) -> EntryTest:
    get = attrgetter(name)
    if name not in _LIST_FIELDS and told == Test(any_of=told.any_of) and not _prefixes(told.any_of):
        # The most frequent test by far, on the most frequent touchpoints.
        exact = frozenset(told.any_of)
        return lambda entry: get(entry.touchpoint) in exact
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

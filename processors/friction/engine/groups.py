"""What touchpoints are grouped by before they are counted."""

from collections.abc import Callable, Hashable, Iterable
from typing import Final

from processors.entries import Entry
from processors.fold import UNNAMED
from processors.friction.definition import Per
from processors.kinds import family
from processors.matters import CASE


def grouped(entries: Iterable[Entry], per: Per) -> list[list[Entry]]:
    """Entries by group, each group in the order given; those that belong to none are left out.

    Entries that share a key are of one group, and so are those that share another key with one of them: two orders that
    one touchpoint names are one order here.
    """
    if per is Per.PERSON:
        everything = list(entries)
        return [everything] if everything else []
    keys_of = _KEYS[per]
    parents: dict[Hashable, Hashable] = {}
    placed: list[tuple[Hashable, Entry]] = []
    for entry in entries:
        keys = keys_of(entry)
        if not keys:
            continue
        root = _root(parents, keys[0])
        for key in keys[1:]:
            other = _root(parents, key)
            if other != root:
                parents[other] = root
        placed.append((keys[0], entry))
    groups: dict[Hashable, list[Entry]] = {}
    for key, entry in placed:
        groups.setdefault(_root(parents, key), []).append(entry)
    return list(groups.values())


def fellows(entry: Entry, per: Per, among: list[Entry]) -> list[Entry]:
    """Those that may be of the group of an entry; where groups may turn out to be one later, all."""
    if per is Per.PERSON or per not in FIXED:
        return among
    keys_of = _KEYS[per]
    keys = keys_of(entry)
    return [one for one in among if keys_of(one) == keys] if keys else []


def unites(entry: Entry, per: Per) -> bool:
    """Whether it may make one group of two."""
    return per is not Per.PERSON and len(_KEYS[per](entry)) > 1


def _root(parents: dict[Hashable, Hashable], key: Hashable) -> Hashable:
    while (parent := parents.setdefault(key, key)) != key:
        parents[key] = parents[parent]
        key = parent
    return key


def _matter(entry: Entry) -> list[Hashable]:
    strand = None if entry.strand is None else entry.strand.root()
    return [(strand, key) for key in entry.matter or (UNNAMED,)]


def _journey(entry: Entry) -> list[Hashable]:
    return [] if entry.strand is None else [entry.strand.root()]


def _line(entry: Entry) -> list[Hashable]:
    return [text for text in entry.touchpoint.objects if text.startswith("order:")]


def forms_of(entry: Entry) -> list[Hashable]:
    """Forms that it names, else its place."""
    named = [text.split(":", 2)[1] for text in entry.touchpoint.objects if text.startswith("form:")]
    return [*named] or _present(entry.touchpoint.touchpoint)


def _present(value: str | None) -> list[Hashable]:
    return [] if value is None else [value]


_KEYS: Final[dict[Per, Callable[[Entry], list[Hashable]]]] = {
    Per.MATTER: _matter,
    Per.JOURNEY: _journey,
    Per.CASE: lambda entry: [key for key in entry.matter if key[0] == CASE],
    Per.ORDER: lambda entry: [key for key in entry.matter if key[1:].startswith("order:")],
    Per.LINE: _line,
    Per.FORM: forms_of,
    Per.CONTACT: lambda entry: [] if entry.contact is None else [entry.contact],
    Per.CHANNEL: lambda entry: [family(entry.touchpoint.channel)],
    Per.PLACE: lambda entry: _present(entry.touchpoint.touchpoint),
    Per.SOURCE: lambda entry: [entry.touchpoint.source],
}
#: Groups that a touchpoint names itself, one at most.
FIXED: Final = frozenset({Per.PERSON, Per.CHANNEL, Per.PLACE, Per.SOURCE})

"""A person in the making: what counts against the limits while identities are joined."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from processors.identity_limits import IdentityLimits
from schemas.identity import namespace_of
from schemas.vocabulary import IdentityClass, class_of, place_of


class Excess(NamedTuple):
    """A namespace of which one person would have `number` identities, where `most` are allowed."""

    namespace: str
    class_: IdentityClass
    number: int
    most: int


class Component:
    """A person in the making: its identities, whom it must not be joined with, and what counts against the limits.

    `values` holds by namespace when each value was linked (UTC milliseconds); two identities that are one value under
    an old and a new key are one entry. `counts` is the number of values, or for volatile ones the highest number that
    ever lay in one window.
    """

    __slots__ = ("apart_from", "counts", "identities", "values")

    def __init__(self, identity: str, value: str, apart_from: Iterable[str]) -> None:
        namespace = namespace_of(identity)
        self.identities = [identity]
        self.apart_from = set(apart_from)
        self.values = {namespace: {value: 0}}
        self.counts = {namespace: 1}

    def attach(self, at: int) -> None:
        """Say when the next link is; it is the first one of a value that stands alone, under whatever keys."""
        if sum(map(len, self.values.values())) == 1:
            for values in self.values.values():
                values.update(dict.fromkeys(values, at))

    def absorb(self, other: "Component", counts: Mapping[str, int]) -> None:
        """Take over everything of another person; `counts` is what `counts_with` says of the two."""
        self.identities += other.identities
        self.apart_from |= other.apart_from
        for namespace, values in other.values.items():
            own = self.values.setdefault(namespace, {})
            own.update(_earliest(values, own))
        self.counts.update(other.counts)
        self.counts.update(counts)

    def counts_with(self, other: "Component", limits: IdentityLimits) -> dict[str, int]:
        """Counts of the namespaces that both have, if they were one person."""
        counts = {}
        for namespace in self.values.keys() & other.values.keys():
            few, many = sorted((self.values[namespace], other.values[namespace]), key=len)
            if class_of(namespace) is not IdentityClass.VOLATILE:
                counts[namespace] = len(many) + sum(value not in many for value in few)
            elif few.keys().isdisjoint(many):
                joined = _most_around(few.values(), many.values(), limits.volatile_window_ms)
                counts[namespace] = max(joined, self.counts[namespace], other.counts[namespace])
            else:
                counts[namespace] = _most_within((many | _earliest(few, many)).values(), limits.volatile_window_ms)
        return counts

    def excess_with(self, other: "Component", counts: Mapping[str, int], limits: IdentityLimits) -> Excess | None:
        """The strongest limit that one person made of both would break, and neither breaks as much already."""
        excesses = []
        for namespace, count in counts.items():
            class_ = class_of(namespace)
            most = limits.most(class_)
            if count > most and count > max(self.counts[namespace], other.counts[namespace]):
                excesses.append(Excess(namespace, class_, count, most))
        return min(excesses, key=_strongest, default=None)


def _strongest(excess: Excess) -> tuple[int, str]:
    return place_of(excess.namespace), excess.namespace


def _earliest(values: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    return {value: min(at, others.get(value, at)) for value, at in values.items()}


def _most_around(few: Collection[int], many: Iterable[int], window_ms: int) -> int:
    """Highest number of times within less than a window of which at least one is among the few."""
    since, until = min(few) - window_ms, max(few) + window_ms
    return _most_within([*few, *(at for at in many if since < at < until)], window_ms)


def _most_within(times: Iterable[int], window_ms: int) -> int:
    """Highest number of times of which the last is less than a window after the first."""
    ordered = sorted(times)
    most = start = 0
    for end, at in enumerate(ordered):
        while at - ordered[start] >= window_ms:
            start += 1
        if end - start >= most:
            most = end - start + 1
    return most

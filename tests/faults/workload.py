"""What is sent in experiments: a company's life, the edges of the rules, records that are none; all from a seed.

A seed gives the same data whenever it is run, but for the day: everything is moved to the weeks before today, because
nobody is alerted about history.
"""

import heapq
import time
from collections.abc import Iterable, Sequence
from itertools import accumulate, count, pairwise
from operator import itemgetter
from random import Random

import msgspec

from processors.kinds import ERASE_REQUESTED
from schemas.outputs import touchpoint_ref
from schemas.placement import partition_of
from schemas.touchpoint import Touchpoint
from streams.producing.generator import SHORTEST_SPAN_DAYS, GeneratedCompany
from tests.pipeline.test_oracle_in_sql import STEPS, wild_touchpoint
from tests.pipeline.test_poison import POISON
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, touchpoint

SPAN_DAYS = 28
#: The longest deadline: a journey ends two weeks after its last touchpoint.
_UNTIL_ALL_DEADLINES = 16 * DAY
_TODAY = time.time_ns() // 1_000_000 // DAY * DAY
#: When it all begins.
START = _TODAY - _UNTIL_ALL_DEADLINES - SPAN_DAYS * DAY
_SHIFT = START - MONDAY
#: When the sentinels come: every deadline of what happened before has passed.
TIME_PASSED = _TODAY
_SENTINELS_PER_PARTITION = 16
_COMPANIES = 12
_DAYS_BETWEEN = 4
_TOUCHPOINTS_EACH = 15
_ROUNDS = count(1)


def company(seed: int, persons: int, events: int, *, identities: bool = False) -> list[Touchpoint]:
    """Four weeks of a company in the order of sending, exact duplicates among them."""
    made = GeneratedCompany(
        persons=persons, events=events, seed=seed, start=MONDAY, span_days=SPAN_DAYS, identities=identities
    )
    return [_moved(one, _SHIFT) for one in made.touchpoints()]


def usual(seed: int, events: int) -> list[Touchpoint]:
    """What most experiments send: a company's life, lives at the edges, and sessions at the gap."""
    return company(seed, events // 12, events) + lives_that_make_no_sense(seed, 40) + at_the_gap()


def customers_who_come_and_go(seed: int, events: int) -> list[Touchpoint]:
    """Twelve companies, one every four days, whose customers leave after some fifteen touchpoints each.

    In the middle as many leave as come, so nothing that a worker has to know of them grows: neither the number of
    those whose journeys are open nor the length of their stories.
    """
    share = events // _COMPANIES
    first = _TODAY - _UNTIL_ALL_DEADLINES - (SHORTEST_SPAN_DAYS + _COMPANIES * _DAYS_BETWEEN) * DAY
    ways = []
    for number in range(_COMPANIES):
        start = first + number * _DAYS_BETWEEN * DAY
        made = GeneratedCompany(
            persons=share // _TOUCHPOINTS_EACH, events=share, seed=seed, start=start, span_days=SHORTEST_SPAN_DAYS
        )
        sent = list(made.touchpoints())
        # Late ones stay where they were sent: behind whatever had happened by then.
        ways.append(zip(accumulate((one.occurred_at for one in sent), max), count(), sent))
    return [one for _, _, one in heapq.merge(*ways, key=itemgetter(0))]


def at_the_gap(persons: int = 20) -> list[Touchpoint]:
    """Two looks at a page half an hour apart, which are one session, or a millisecond more, which are two."""
    return [
        touchpoint(
            "page.viewed",
            START + 10 * DAY + number * MINUTE + after,
            id=f"gap-{number}-{after}",
            identities=(f"customer_no:gap-{number}",),
            channel="web",
        )
        for number in range(persons)
        for after in (0, 30 * MINUTE + number % 2)
    ]


def hot_person(seed: int, touchpoints: int) -> list[Touchpoint]:
    """One person who calls, writes and looks without end."""
    chances = Random(seed)
    kinds = (("page.viewed", "web"), ("contact.started", "phone"), ("message.received", "email"))
    moments = sorted(START + chances.randrange(SPAN_DAYS * DAY - HOUR) for _ in range(touchpoints))
    found = []
    for number, at in enumerate(moments):
        kind, channel = chances.choice(kinds)
        topic = chances.choice(("invoice", "delivery", "contract"))
        who = {"id": f"hot-{number}", "identities": ("customer_no:hot-person",)}
        found.append(touchpoint(kind, at, channel=channel, direction="inbound", topic=topic, **who))
    return found


def lives_that_make_no_sense(seed: int, persons: int) -> list[Touchpoint]:
    """People with several identities who share some, and whose touchpoints lie at the edges of the rules."""
    chances = Random(seed)
    found = []
    for person in range(persons):
        at = MONDAY + chances.randrange(DAY)
        # So few that even the longest steps between them stay within the span.
        for number in range(chances.randint(1, 8)):
            at += max(0, chances.choice(STEPS) + chances.choice((-1, 0, 1)))
            found.append(_moved(msgspec.convert(wild_touchpoint(chances, at, person, number), Touchpoint), _SHIFT))
    return found


def sentinels(partitions: int) -> list[tuple[int, Touchpoint]]:
    """Raw partition and touchpoint of people who look in long after: time has passed in every partition."""
    number = next(_ROUNDS)
    people: dict[int, list[str]] = {partition: [] for partition in range(partitions)}
    for person in count():
        cookie = f"cookie:end-{number}-{person}"
        of_partition = people[partition_of(cookie.encode(), partitions)]
        if len(of_partition) < _SENTINELS_PER_PARTITION:
            of_partition.append(cookie)
        elif all(len(cookies) == _SENTINELS_PER_PARTITION for cookies in people.values()):
            break
    return [
        (partition, touchpoint("page.viewed", TIME_PASSED, id=cookie, identities=(cookie,), channel="web"))
        for partition, cookies in people.items()
        for cookie in cookies
    ]


def with_requests(chances: Random, touchpoints: Sequence[Touchpoint], people: int) -> tuple[list[Touchpoint], set[str]]:
    """The same, with requests of some people to be forgotten among them, and the names of what no table may keep.

    Of people with one identity each, which nobody else has: so they leave with all that tells of them. What comes of
    them before the request has to go, and what comes after it must not get in.
    """
    shared = {name for one in touchpoints if len(one.identities) > 1 for name in one.identities}
    alone = sorted({one.identities[0] for one in touchpoints} - shared)
    leaving = set(chances.sample(alone, min(people, len(alone))))
    mixed = list(touchpoints)
    for identity in sorted(leaving):
        place = chances.randrange(len(mixed))
        request = touchpoint(
            ERASE_REQUESTED, mixed[place].occurred_at, id=f"forget-{identity}", identities=(identity,), actor="system"
        )
        mixed.insert(place, request)
    return mixed, {touchpoint_ref(one.key) for one in mixed if one.identities[0] in leaving}


def with_wrong_clocks(chances: Random, touchpoints: Iterable[Touchpoint]) -> list[Touchpoint]:
    """The same from systems of which two of three have clocks that are hours off, and say by them when they sent it."""
    now = time.time_ns() // 1_000_000
    clocks = (0, chances.randint(1, 12) * HOUR, -chances.randint(1, 12) * HOUR)
    return [
        msgspec.structs.replace(_moved(one, off), sent_at=now + off)
        for one in touchpoints
        for off in (chances.choice(clocks),)
    ]


def poison() -> list[bytes | None]:
    """Every record that is none: empty, cut, unknown, too large, out of time."""
    return [one.value for one in POISON.values()]


def parts_of(touchpoints: Sequence[Touchpoint], number: int) -> list[list[Touchpoint]]:
    """The same in exactly so many parts of about equal size, in order."""
    ends = [len(touchpoints) * part // number for part in range(number + 1)]
    return [list(touchpoints[start:end]) for start, end in pairwise(ends)]


def shuffled(touchpoints: Iterable[Touchpoint], seed: int) -> list[Touchpoint]:
    """In an order that makes no sense."""
    mixed = list(touchpoints)
    Random(seed).shuffle(mixed)
    return mixed


def _moved(one: Touchpoint, by: int) -> Touchpoint:
    """The same so much later, as a system without a clock of its own would send it."""
    return msgspec.structs.replace(
        one,
        occurred_at=one.occurred_at + by,
        ended_at=None if one.ended_at is None else one.ended_at + by,
        promise_due=None if one.promise_due is None else one.promise_due + by,
        backfill=False,
        sent_at=None,
        received_at=None,
    )

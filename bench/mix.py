"""The mix of touchpoints that is measured: a generated company, and visitors of its pages whom it knows by a cookie.

A company of generated data is half page views; real logs are mostly page views, and these come late more often. So
about two fifths of all touchpoints are views of visitors who do nothing else: 70 % of all are page views then, and 2 %
come over a minute late, these views by 10 minutes at most. No friction that the truth is about hangs on visitors.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import itemgetter
from random import Random
from typing import Final, NamedTuple

import msgspec

from schemas.touchpoint import Touchpoint
from streams.producing.company import PAGES, SHOP
from streams.producing.generator import DEFAULT_SPAN_DAYS, GeneratedCompany, Truth

_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
#: Of all touchpoints and persons. The company alone has 49 % page views and 1.2 % late records.
_VISITORS: Final = 0.42
_LATE_VIEWS: Final = 0.023
_LATEST_MS: Final = 10 * _MINUTE_MS
_VIEWS_PER_VISIT: Final = (1, 12)
_TOUCHPOINTS_PER_DUPLICATE: Final = 200

_Sent = tuple[int, Touchpoint]


class Mix(NamedTuple):
    """Touchpoints in the order of sending, exact duplicates among them, and the truth about them."""

    touchpoints: Sequence[Touchpoint]
    truth: Truth


def make_mix(events: int, persons: int, *, seed: int, start: int) -> Mix:
    """So many distinct touchpoints of so many persons, from `start` (UTC milliseconds) on.

    Raises:
        ValueError: the numbers are too small for each other.

    """
    visitors = round(persons * _VISITORS)
    views = max(visitors, round(events * _VISITORS)) if visitors else 0
    company = GeneratedCompany(persons=persons - visitors, events=events - views, seed=seed, start=start)
    rng = Random(f"{events}/{persons}/{seed}/visitors")  # noqa: S311 - data to be measured, nothing secret
    tag = hashlib.blake2b(f"{events}/{persons}/{seed}/{start}".encode(), digest_size=4).hexdigest()
    duplicates = events // _TOUCHPOINTS_PER_DUPLICATE - company.truth.totals.duplicates
    sent = _views(rng, tag, start, visitors=visitors, views=views, duplicates=max(0, duplicates) if views else 0)
    touchpoints = [touchpoint for _, touchpoint in merge(_as_sent(company.touchpoints()), sent, key=itemgetter(0))]
    totals = msgspec.structs.replace(
        company.truth.totals,
        touchpoints=events,
        duplicates=len(touchpoints) - events,
        lines=len(touchpoints),
        persons=persons,
    )
    return Mix(touchpoints, msgspec.structs.replace(company.truth, persons=persons, events=events, totals=totals))


def _as_sent(touchpoints: Iterable[Touchpoint]) -> Iterator[_Sent]:
    """When each was sent, about: not before the newest that was sent earlier had happened."""
    newest = 0
    for touchpoint in touchpoints:
        newest = max(newest, touchpoint.occurred_at)
        yield newest, touchpoint


def _views(rng: Random, tag: str, start: int, *, visitors: int, views: int, duplicates: int) -> list[_Sent]:
    """Page views in the order of sending; every visitor has one at least."""
    longest_visit_ms = _VIEWS_PER_VISIT[1] * 4 * _MINUTE_MS
    last_start = DEFAULT_SPAN_DAYS * _DAY_MS - longest_visit_ms - _HOUR_MS - _LATEST_MS
    sent: list[_Sent] = []
    left = views
    visit = 0
    while left:
        # At first each visitor comes once, as briefly as it takes to leave a view for everybody else.
        visitor = visit if visit < visitors else rng.randrange(visitors)
        spare = left - max(0, visitors - visit - 1)
        size = min(spare, rng.randint(*_VIEWS_PER_VISIT))
        at = start + rng.randrange(last_start)
        for _ in range(size):
            view = Touchpoint(
                id=f"{tag}-v{left}",
                source=SHOP,
                kind="page.viewed",
                occurred_at=at,
                identities=(f"cookie:{tag}-v{visitor:06d}",),
                channel="web",
                touchpoint=rng.choice(PAGES),
            )
            is_late = rng.random() < _LATE_VIEWS
            delay = rng.randint(_MINUTE_MS, _LATEST_MS) if is_late else rng.randint(0, 2 * _SECOND_MS)
            sent.append((at + delay, view))
            at += rng.randint(5 * _SECOND_MS, 4 * _MINUTE_MS)
            left -= 1
        visit += 1
    sent += [(at + rng.randint(1, _HOUR_MS), view) for at, view in rng.sample(sent, duplicates)]
    sent.sort(key=lambda one: (one[0], one[1].id))
    return sent

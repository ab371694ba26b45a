"""What happens in one schedule: what intake writes and when, how small the limits are, and what goes wrong.

Everything is drawn from the seed. Logs are small and nasty: few identities, times at the boundaries of the rules,
statements that link and part, requests to be forgotten, duplicates, late ones, garbage, and rows the store refuses.
"""

import random
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

from processors.admission import AdmissionSettings, owner_partition
from processors.identity_limits import IdentityLimits
from processors.keyring import Key, Keyring
from processors.kinds import ERASE_REQUESTED
from schemas.codec import encode
from schemas.log import Position
from schemas.rule_changes import RuleChange
from schemas.ticks import SourceProgress, Tick, encode_tick
from schemas.touchpoint import AppliedTouchpoint, Touchpoint
from streams.broker import Outgoing
from streams.headers import TICK_HEADERS, origin_headers
from streams.intake import read_record
from streams.settings import IdentitySettings, Settings
from streams.topics import KEYED, TOUCHPOINTS
from tests.support.deliveries import a_record
from tests.support.rule_files import CALLED_AGAIN, changed
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY

#: Source of touchpoints that the store refuses for good.
REFUSED_SOURCE = "poison"
ADMISSION = AdmissionSettings()
_POOL = (
    "customer_no:1 customer_no:2 customer_no:3 email:a@example.org email:b@example.org cookie:x1 cookie:y2"
    " case_contact:c-77"
).split()
_KINDS = (
    "page.viewed page.viewed form.submitted contact.started contact.started call.offered contact.ended message.sent"
    " contact.redirected contact.redirected contact.redirected case.resolved customer.confirmed data.requested"
    " something.new"
).split()
_BY_COMPANY = {"message.sent", "contact.redirected", "case.resolved", "data.requested"}
_STEPS = (0, MINUTE, 30 * MINUTE, HOUR, 24 * HOUR, 48 * HOUR, 72 * HOUR, 7 * DAY, 14 * DAY)
#: Some longer than the group waits.
_PAUSES_S = (0.2, 1.5, 5.0, 20.0)
_OBJECTS = ((), (), ("case:1",), ("order:1",), ("order:2:line",))
_SHIPPED = (files("processors.friction.rules") / "channel_redirect.yaml").read_text(encoding="utf-8")
#: A rule that nobody shipped, and a shipped one: by another measure, in a shadow, or no more.
_RULES = (
    (
        "called_again",
        (
            changed(CALLED_AGAIN, ("shadow: true", "shadow: false")),
            changed(CALLED_AGAIN, ("within: 7d", "within: 24h"), ("base: 2", "base: 4")),
            None,
        ),
    ),
    (
        "channel_redirect",
        (
            changed(_SHIPPED, ("version: 1", "version: 3"), ("follow_window: 48h", "follow_window: 24h")),
            changed(_SHIPPED, ("version: 1", "version: 3\nshadow: true")),
            None,
        ),
    ),
)
_SETTINGS = Settings(alert_max_age_days=100_000.0)
_KEYS = (Key(b"the key of the first years, for tests"), Key(b"the key after the rotation, for tests", MONDAY + 9 * DAY))


class Mishaps(NamedTuple):
    """What goes wrong. Steps are numbers of calls to the store or the broker, counted over all workers."""

    #: Steps in which the process dies.
    crashes: frozenset[int]
    #: Steps in which the process is stopped for so many seconds, and does not know it afterwards.
    pauses: dict[int, float]
    #: How likely a call fails, and may have had its effect all the same.
    errors: float
    #: How likely a call takes seconds.
    slow: float
    #: Seconds at which a worker joins, leaves, or all of them are handed their partitions anew.
    moves: tuple[tuple[float, str], ...]


class Story(NamedTuple):
    """A schedule before it runs."""

    workers: int
    partitions: int
    keyring: Keyring
    settings: Settings
    limits: IdentityLimits
    #: Seconds, and what intake writes then, in the order of the log.
    records: tuple[tuple[float, Outgoing], ...]
    mishaps: Mishaps
    #: Whether the store knows a block by its token when it comes again.
    knows_tokens: bool
    #: Whether identities are soon seen with too many others to be anybody's.
    is_crowded: bool
    #: Seconds, and how the rules change then.
    changes: tuple[tuple[float, RuleChange], ...]
    #: Whether workers read what producers sent, most of it where it belongs, instead of what intake sent on.
    is_fused: bool


def tell(seed: int, *, is_fused: bool = False) -> Story:
    """The story of a seed."""
    draw = random.Random(seed)
    partitions = draw.choice([1, 2, 2, 3])
    is_crowded = draw.random() < 0.3
    identity = IdentitySettings(max_companions=2) if is_crowded else _SETTINGS.identity
    settings = _SETTINGS.model_copy(
        update={
            "max_persons": draw.choice([1, 2, 1_000, 1_000]),
            "max_touchpoints": draw.choice([3, 10_000, 10_000]),
            "identity": identity,
            "fused": is_fused,
        }
    )
    is_rotated = draw.random() < 0.15
    keyring = Keyring(_KEYS if is_rotated else _KEYS[:1])
    has_erasures = draw.random() < 0.35
    writer = _Writer(draw, keyring, partitions, is_rotated=is_rotated, is_fused=is_fused)
    records = writer.write(has_erasures=has_erasures)
    end = records[-1][0]
    steps = 6 * len(records)
    mishaps = Mishaps(
        frozenset(draw.randrange(steps) for _ in range(draw.choice([0, 1, 1, 2, 4]))),
        {draw.randrange(steps): draw.choice(_PAUSES_S) for _ in range(draw.choice([0, 0, 1, 2]))},
        draw.choice([0.0, 0.0, 0.05, 0.2]),
        draw.choice([0.0, 0.01, 0.05]),
        tuple(
            sorted(
                (draw.uniform(0, end), draw.choice(["join", "leave", "rebalance"]))
                for _ in range(draw.choice([0, 1, 3]))
            )
        ),
    )
    return Story(
        draw.choice([1, 2, 2, 3]),
        partitions,
        keyring,
        settings,
        identity.limits(),
        records,
        mishaps,
        draw.random() < 0.5,
        is_crowded,
        tuple(_changes(draw, end)),
        is_fused,
    )


def _changes(draw: random.Random, end: float) -> Iterator[tuple[float, RuleChange]]:
    """Versions of two rules, in whatever order they are told, for what begins before, within or after the story."""
    for version in range(3, 3 + draw.choice([0, 0, 1, 2, 3])):
        rule_id, texts = draw.choice(_RULES)
        moment = MONDAY + draw.randint(-24, 20 * 24) * HOUR
        text = draw.choice(texts)
        yield (
            draw.uniform(0, end),
            RuleChange(
                rule_id=rule_id,
                version=version,
                effective_from=moment,
                published_at=version,
                text=None if text is None else changed(text, ("version: 3", f"version: {version}")),
            ),
        )


class _Writer:
    """Intake: the touchpoints of a story on the partitions of their persons, with ticks in between."""

    def __init__(
        self, draw: random.Random, keyring: Keyring, partitions: int, *, is_rotated: bool, is_fused: bool
    ) -> None:
        self._draw = draw
        self._keyring = keyring
        self._partitions = partitions
        self._is_rotated = is_rotated
        self._is_fused = is_fused
        self._records: list[tuple[float, Outgoing]] = []
        self._at = 0.0
        self._newest = 0
        self._offset = 0

    def write(self, *, has_erasures: bool) -> tuple[tuple[float, Outgoing], ...]:
        draw = self._draw
        told = self._touchpoints(has_erasures=has_erasures)
        disorder = draw.choice([0, 0, 3, len(told)])
        told = [one for _, one in sorted((number + draw.uniform(0, disorder), one) for number, one in enumerate(told))]
        pace = draw.choice([0.0, 0.05, 0.3])
        appended = MONDAY
        for touchpoint in told:
            self._at += draw.uniform(0, pace)
            late = draw.choice([0] * 12 + [HOUR, 89 * DAY, 91 * DAY])
            appended = max(appended, touchpoint.occurred_at + late)
            self._touchpoint(touchpoint, appended)
            if draw.random() < 0.12:
                # A producer that got no answer; under a later key it would be another record.
                self._touchpoint(touchpoint, appended if self._is_rotated else appended + MINUTE)
            if draw.random() < 0.06:
                self._again()
            if draw.random() < 0.05:
                self._garbage(appended)
            if draw.random() < 0.4:
                self._tick(SourceProgress(0, self._newest))
            elif draw.random() < 0.15:
                self._quiet()
        if draw.random() < 0.5:
            self._at += draw.uniform(0, 1)
            self._tick(SourceProgress(0, self._newest + 60 * DAY))
        for _ in range(draw.choice([0, 0, 1, 3])):
            self._at += draw.uniform(0, 1)
            self._quiet()
        return tuple(self._records)

    def _touchpoints(self, *, has_erasures: bool) -> list[Touchpoint]:
        draw = self._draw
        pool = draw.sample(_POOL, draw.randint(2, len(_POOL)))
        steps = draw.sample(_STEPS, draw.randint(1, len(_STEPS)))
        at = MONDAY
        told = []
        for number in range(draw.randint(4, 18)):
            at += max(0, draw.choice(steps) + draw.choice([-1, 0, 1]))
            told.append(self._story_touchpoint(number, at, pool))
        for number in range(draw.choice([0, 0, 1, 3])):
            kind = draw.choice(["identity.unlinked", "identity.unlinked", "identity.linked"])
            told.append(self._said(kind, f"statement-{number}", draw.sample(pool, 2)))
        if draw.random() < 0.2:
            told.append(self._said("history.refold_requested", "refold", draw.sample(pool, 1), at=at + 100 * DAY))
        if has_erasures:
            told += [
                self._said(ERASE_REQUESTED, f"request-{number}", draw.sample(pool, draw.choice([1, 1, 2])))
                for number in range(draw.choice([1, 1, 2]))
            ]
        return sorted(told, key=lambda one: one.occurred_at) if draw.random() < 0.5 else told

    def _said(self, kind: str, id_: str, identities: list[str], at: int | None = None) -> Touchpoint:
        when = MONDAY + self._draw.randint(0, 20) * DAY if at is None else at
        return Touchpoint(id=id_, source="desk", kind=kind, occurred_at=when, identities=tuple(identities))

    def _story_touchpoint(self, number: int, at: int, pool: list[str]) -> Touchpoint:
        draw = self._draw
        kind = draw.choice(_KINDS)
        is_company = kind in _BY_COMPANY
        fields: dict[str, Any] = {}
        if kind == "contact.redirected":
            fields["redirect_to"] = draw.choice(["web", "web", "phone", None])
        return Touchpoint(
            id=f"{number}",
            source=REFUSED_SOURCE if draw.random() < 0.03 else "shop",
            kind=kind,
            occurred_at=at,
            ended_at=at + draw.choice(_STEPS) if draw.random() < 0.3 else None,
            identities=tuple(draw.sample(pool, min(len(pool), draw.choice([1, 1, 2, 2, 3])))),
            channel=draw.choice(["phone", "web", "web", "email", "portal"]),
            topic=draw.choice([None, None, "a", "a", "b"]),
            actor="agent" if is_company else "customer",
            direction="outbound" if is_company else "inbound",
            objects=draw.choice(_OBJECTS),
            thread_id=draw.choice([None, None, None, "t"]),
            outcome=draw.choice([None, None, "ok", "failed"]),
            backfill=draw.random() < 0.1,
            wait_ms=draw.choice([None, None, 3 * MINUTE]),
            **fields,
        )

    def _touchpoint(self, touchpoint: Touchpoint, appended: int) -> None:
        raw = encode(touchpoint)
        position = Position(TOUCHPOINTS, 0, self._offset)
        self._offset += 1
        record = a_record(raw, offset=position.offset, topic=TOUCHPOINTS, timestamp=appended)
        admitted = read_record(record, position, self._keyring, ADMISSION)
        if isinstance(admitted, AppliedTouchpoint):
            self._newest = max(self._newest, admitted.event_time)
            owner = admitted.identity_hash
            self._append(owner_partition(owner, self._partitions), raw, appended, position, owner.encode())

    def _garbage(self, appended: int) -> None:
        """What intake of an older version let through."""
        position = Position(TOUCHPOINTS, 0, self._offset)
        self._offset += 1
        self._append(self._draw.randrange(self._partitions), b"\x07", appended, position, None)

    def _append(self, partition: int, raw: bytes, appended: int, position: Position, key: bytes | None) -> None:
        if self._is_fused:
            lies_in = self._draw.choice((*[partition] * 4, *range(self._partitions)))
            self._records.append((self._at, Outgoing(TOUCHPOINTS, lies_in, key, raw, appended, [])))
        else:
            self._records.append((self._at, Outgoing(KEYED, partition, key, raw, appended, origin_headers(position))))

    def _again(self) -> None:
        """Intake died before it committed: the same record once more."""
        sent = [record for _, record in self._records if record.headers != TICK_HEADERS]
        self._records.append((self._at, self._draw.choice(sent)))

    def _quiet(self) -> None:
        self._tick(SourceProgress(0, None, self._draw.choice([MINUTE, HOUR, 2 * DAY])))

    def _tick(self, progress: SourceProgress) -> None:
        value = encode_tick(Tick((progress,)))
        for partition in range(self._partitions):
            self._records.append((self._at, Outgoing(KEYED, partition, None, value, None, TICK_HEADERS)))


def no_time_passed(partition: int) -> Outgoing:
    """A tick that tells nothing new."""
    return Outgoing(KEYED, partition, None, encode_tick(Tick((SourceProgress(0, None),))), None, TICK_HEADERS)

"""Everyday life with a company: visits, orders and contacts that hold no friction of any pattern.

An episode is what one person does in one go. Its size, the number of touchpoints, is known before it is written, so
that a wanted number of touchpoints can be hit exactly.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple

from schemas.touchpoint import Touchpoint
from streams.producing.company import (
    AGENTS,
    CAMPAIGNS,
    COUNTERS,
    CRM,
    LOCALES,
    PAGES,
    QUEUES,
    SCREENS,
    SHOP,
    SYSTEMS,
    TOPICS,
)
from streams.producing.planted import DAY, HOUR, MINUTE

SECOND: Final = 1_000
#: Two contacts of a person about one topic are at least this far apart: what comes sooner is a repeat.
TOPIC_REST: Final = 8 * DAY


class EpisodeKind(NamedTuple):
    """How often an episode happens, how many touchpoints it has, and how long it may last (milliseconds).

    `write` gets the wanted number of touchpoints, between the two of `sizes`.
    """

    weight: int
    sizes: tuple[int, int]
    longest: int
    write: Callable[["_Episode", int], None]
    is_contact: bool = False


class _Episode:
    """One episode while it is written: a clock that only goes forward, and what all its touchpoints share."""

    def __init__(self, rng: Random, make_id: Callable[[], str], person: str, start: int, topic: str | None) -> None:
        self.touchpoints: list[Touchpoint] = []
        self._rng = rng
        self._make_id = make_id
        self._person = person
        self._now = start
        self._shared: dict[str, Any] = {}
        if topic is not None:
            self._shared = {"topic": topic, "objects": (f"case:{make_id()}",)}
        self._team = TOPICS.get(topic or "")

    def glance(self) -> None:
        self.customer("page.viewed", "web", touchpoint=self._rng.choice(PAGES))

    def visit(self, channel: str, kind: str, places: tuple[str, ...], size: int) -> None:
        locale = self._rng.choice(LOCALES)
        self.customer("session.started", channel, locale=locale)
        for _ in range(size - 2):
            self._pass(5 * SECOND, 4 * MINUTE)
            self.customer(kind, channel, touchpoint=self._rng.choice(places), locale=locale)
        self._pass(5 * SECOND, 4 * MINUTE)
        self.customer("session.ended", channel, locale=locale)

    def advert(self) -> None:
        campaign = f"spring-{self._rng.randint(1, 4)}"
        self.company("outbound.sent", "email", source=CAMPAIGNS, message_class="promo", campaign=campaign)
        self._pass(MINUTE, 20 * HOUR)
        self.company("outbound.delivered", "email", source=CAMPAIGNS, message_class="promo", campaign=campaign)

    def order(self) -> None:
        self._shared = {"objects": (f"order:{self._make_id()}",)}
        amount = round(self._rng.uniform(9, 900), 2)
        self.customer("order.placed", "web", amount=amount, currency="EUR")
        self._pass(10 * SECOND, 3 * MINUTE)
        self.company("order.confirmed", "email", source=SHOP)
        self._pass(6 * HOUR, 2 * DAY)
        self.company("order.shipped", "email", source=SHOP)
        self._pass(12 * HOUR, 4 * DAY)
        self.company("order.delivered", "field", source=SHOP)

    def call(self) -> None:
        thread = self._make_id()
        queue = self._rng.choice(QUEUES)
        self.customer("contact.started", "phone", thread_id=thread, touchpoint=queue)
        wait = self._pass(5 * SECOND, 6 * MINUTE)
        self._answer("call.answered", "phone", thread_id=thread, touchpoint=queue, wait_ms=wait)
        active = self._pass(MINUTE, 20 * MINUTE)
        outcome = "ok" if self._rng.random() < 0.8 else "pending"
        self._answer("contact.ended", "phone", thread_id=thread, active_ms=active, outcome=outcome)
        self._pass(MINUTE, 30 * MINUTE)
        self._answer("case.updated", "other", direction="internal", source=CRM)

    def mail(self) -> None:
        thread = self._make_id()
        self.customer("message.received", "email", thread_id=thread)
        self._pass(SECOND, 20 * SECOND)
        self.company("message.auto_ack", "email", thread_id=thread)
        self._pass(HOUR, 30 * HOUR)
        self._answer("message.sent", "email", thread_id=thread, outcome="ok")

    def chat(self, size: int) -> None:
        thread = self._make_id()
        self.customer("contact.started", "chat", thread_id=thread)
        for number in range(size - 2):
            self._pass(10 * SECOND, 2 * MINUTE)
            if number % 2:
                self.customer("message.received", "chat", thread_id=thread)
            else:
                self._answer("message.sent", "chat", thread_id=thread)
        self._pass(10 * SECOND, 2 * MINUTE)
        self._answer("contact.ended", "chat", thread_id=thread, outcome="ok")

    def store(self) -> None:
        thread = self._make_id()
        counter = self._rng.choice(COUNTERS)
        self.customer("visit.started", "store", thread_id=thread, touchpoint=counter)
        self._pass(5 * MINUTE, 40 * MINUTE)
        self._answer("visit.ended", "store", thread_id=thread, touchpoint=counter, outcome="ok")

    def post(self) -> None:
        thread = self._make_id()
        detail = self._rng.choice(("facebook", "instagram"))
        self.customer("social.posted", "social", thread_id=thread, channel_detail=detail)
        self._pass(10 * MINUTE, 8 * HOUR)
        self._answer("message.sent", "social", thread_id=thread, channel_detail=detail, outcome="ok")

    def customer(self, kind: str, channel: str, **fields: Any) -> None:
        self._add(kind, channel, {"actor": "customer", "direction": "inbound"} | fields)

    def company(self, kind: str, channel: str, **fields: Any) -> None:
        self._add(kind, channel, {"actor": "system", "direction": "outbound"} | fields)

    def _answer(self, kind: str, channel: str, **fields: Any) -> None:
        own = {"actor": "agent", "actor_id": self._rng.choice(AGENTS), "direction": "outbound", "team": self._team}
        self._add(kind, channel, own | fields)

    def _add(self, kind: str, channel: str, fields: dict[str, Any]) -> None:
        known = {"source": SYSTEMS.get(channel, CRM)} | self._shared | fields
        self.touchpoints.append(
            Touchpoint(
                id=self._make_id(),
                kind=kind,
                channel=channel,
                occurred_at=self._now,
                identities=(self._person,),
                **known,
            )
        )

    def _pass(self, shortest: int, longest: int) -> int:
        """Let time go on; the milliseconds that passed."""
        passed = self._rng.randint(shortest, longest)
        self._now += passed
        return passed


GLANCE: Final = EpisodeKind(0, (1, 1), MINUTE, lambda episode, _: episode.glance())
#: Also what takes the place of an episode that its person cannot have.
WEB_VISIT: Final = EpisodeKind(
    46, (2, 12), 2 * HOUR, lambda episode, size: episode.visit("web", "page.viewed", PAGES, size)
)
EPISODES: Final = (
    WEB_VISIT,
    EpisodeKind(30, (2, 7), HOUR, lambda episode, size: episode.visit("app", "screen.viewed", SCREENS, size)),
    EpisodeKind(6, (2, 2), DAY, lambda episode, _: episode.advert()),
    EpisodeKind(4, (4, 4), 7 * DAY, lambda episode, _: episode.order()),
    EpisodeKind(5, (4, 4), 2 * HOUR, lambda episode, _: episode.call(), is_contact=True),
    EpisodeKind(4, (3, 3), 2 * DAY, lambda episode, _: episode.mail(), is_contact=True),
    EpisodeKind(3, (4, 7), 2 * HOUR, lambda episode, size: episode.chat(size), is_contact=True),
    EpisodeKind(1, (2, 2), 2 * HOUR, lambda episode, _: episode.store(), is_contact=True),
    EpisodeKind(1, (2, 2), DAY, lambda episode, _: episode.post(), is_contact=True),
)


class EverydayLife:
    """Writes episodes in the order of their start, remembering who talked about what when."""

    def __init__(self, rng: Random, make_id: Callable[[], str]) -> None:
        self._rng = rng
        self._make_id = make_id
        self._last_contacts: dict[tuple[str, str], int] = {}

    def episode(self, kind: EpisodeKind, size: int, person: str, start: int) -> list[Touchpoint]:
        """Exactly `size` touchpoints of a person from `start` (UTC milliseconds) on.

        An anonymous visitor, known by a cookie only, looks around on the web whatever the kind is; so does somebody
        who has talked about every topic lately.
        """
        topic = None
        if person.startswith("cookie:") and kind is not GLANCE:
            kind = WEB_VISIT
        if kind.is_contact:
            topic = self._free_topic(person, start)
            if topic is None:
                kind = WEB_VISIT
            else:
                self._last_contacts[person, topic] = start + kind.longest
        writer = _Episode(self._rng, self._make_id, person, start, topic)
        kind.write(writer, size)
        return writer.touchpoints

    def _free_topic(self, person: str, start: int) -> str | None:
        topics = list(TOPICS)
        self._rng.shuffle(topics)
        for topic in topics:
            last = self._last_contacts.get((person, topic))
            if last is None or start - last > TOPIC_REST:
                return topic
        return None


def episode_sizes(rng: Random, touchpoints: int) -> Iterator[tuple[EpisodeKind, int]]:
    """Kinds and sizes of episodes that have this many touchpoints together, in random order."""
    weights = [kind.weight for kind in EPISODES]
    left = touchpoints
    while left:
        kind = rng.choices(EPISODES, weights)[0]
        size = rng.randint(*kind.sizes)
        if size > left:
            kind, size = (GLANCE, 1) if left == 1 else (WEB_VISIT, left)
        left -= size
        yield kind, size

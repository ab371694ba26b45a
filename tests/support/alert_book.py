"""The pure policy of alerts with a ledger in memory: intents in, notices out, and a clock put forward by hand."""

from collections import Counter
from collections.abc import Iterable, Sequence

from schemas.alerts import AlertIntent
from sinks.alerts.deciding import Arrived, Decided, Known, step
from sinks.alerts.incidents import Action, Incident, Settled, Settlement, State, restore, snapshot
from sinks.alerts.ledger import EntryState, LedgerEntry
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.policy import Limit, Policy, PolicyRoute, Timing, Traits

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Monday, 2026-01-05, 10:00 UTC.
MONDAY_10 = 1_767_607_200_000

PLAIN = Timing(
    group_wait=MINUTE,
    group_interval=15 * MINUTE,
    repeat_interval=DAY,
    expires_after=DAY,
    minimum=None,
    digest=None,
    hours=None,
)


def a_policy(timing: Timing = PLAIN, channels: Sequence[str] = ("desk",), **changes: object) -> Policy:
    """One route to all channels, without limits and swarms unless said otherwise."""
    fields = {
        "routes": (PolicyRoute(channels=tuple(channels), timing=timing),),
        "channels": dict.fromkeys(channels, Traits()),
        "defaults": timing,
        "limits": dict.fromkeys(channels),
        "swarm": None,
    }
    return Policy(**{**fields, **changes})  # type: ignore[arg-type]


class AlertBook:
    """Does what the agent does around the pure step, at once and without a store. `told` are notices by channel.

    `answers` says what becomes of notices; None leaves them in hand.
    """

    def __init__(self, policy: Policy, now: int = MONDAY_10) -> None:
        self.policy = policy
        self.now = now
        self.state = State()
        self.entries: dict[tuple[str, str], LedgerEntry] = {}
        self.over: dict[str, Incident] = {}
        self.told: list[tuple[str, Notice]] = []
        self.superseded: set[str] = set()
        self.answer: Settlement | None = Settlement.DELIVERED
        self.in_hand: dict[str, str] = {}
        self.wake_at: int | None = None
        self._settled: list[Settled] = []

    def take(self, *intents: AlertIntent, actions: Iterable[Action] = ()) -> Decided:
        """One step at the moment it is, then what follows from its notices."""
        decided = self._step(tuple(intents), tuple(actions))
        while self._settled:
            self._step((), ())
        return decided

    def pass_time(self, duration: int) -> None:
        """Let time go by; steps where the policy asked to be woken."""
        until = self.now + duration
        while self.wake_at is not None and self.wake_at <= until:
            self.now = max(self.wake_at, self.now)
            self.take()
        self.now = until
        self.take()

    def settle(self, notice_id: str, settlement: Settlement, reference: str = "") -> None:
        """Say what became of a notice in hand."""
        channel = self.in_hand.pop(notice_id)
        self._settled.append(Settled(notice_id=notice_id, channel=channel, settlement=settlement, reference=reference))

    def kinds(self, channel: str = "desk") -> list[NoticeKind]:
        """Kinds of the notices that a channel got, in order."""
        return [notice.kind for name, notice in self.sent if name == channel]

    @property
    def sent(self) -> list[tuple[str, Notice]]:
        """Notices that were not taken back before they were sent."""
        return [(name, notice) for name, notice in self.told if notice.notice_id not in self.superseded]

    @property
    def last(self) -> Notice:
        """The last notice that was sent."""
        return self.sent[-1][1]

    @property
    def incidents(self) -> list[Incident]:
        """Incidents of which something may still have to be said."""
        return list(self.state.incidents.values())

    def _step(self, intents: tuple[AlertIntent, ...], actions: tuple[Action, ...]) -> Decided:
        settled, self._settled = tuple(self._settled), []
        # Written down and read back before every step: nothing may live outside of the snapshot.
        state = restore(snapshot(self.state))
        arrived = Arrived(intents=intents, known=self._known(intents, actions), actions=actions, settled=settled)
        self.now += 1
        decided = step(self.policy, state, arrived, self.now)
        self.state = decided.state
        self.entries |= {(entry.friction_id, entry.channel): entry for entry in decided.entries}
        self.over |= {one.incident_id: one for one in decided.incidents if one.incident_id in decided.over}
        self.told += decided.notices
        for channel, notice in decided.notices:
            self.in_hand[notice.notice_id] = channel
        for notice_id, settlement in decided.needless.items():
            if notice_id in self.in_hand:
                self.superseded.add(notice_id)
                self.settle(notice_id, settlement)
        if self.answer is not None:
            for notice_id in list(self.in_hand):
                self.settle(notice_id, self.answer, f"ref-{notice_id[:4]}")
        self.wake_at = decided.wake_at
        return decided

    def _known(self, intents: Sequence[AlertIntent], actions: Sequence[Action]) -> Known:
        ids = {intent.friction_id for intent in intents}
        entries = tuple(entry for (friction_id, _), entry in self.entries.items() if friction_id in ids)
        persons: Counter[tuple[str, str]] = Counter()
        members = {
            (entry.incident_id, entry.person_key, entry.friction_id)
            for entry in self.entries.values()
            if entry.channel and entry.state is not EntryState.RETRACTED
        }
        for incident_id, person_key, _ in members:
            persons[incident_id, person_key] += 1
        named = {entry.incident_id for entry in entries} | {action.incident_id for action in actions}
        return Known(
            entries=entries, persons=persons, incidents={id_: one for id_, one in self.over.items() if id_ in named}
        )


def a_limit(messages: int, within: int = HOUR) -> Limit:
    """So many messages within a time in milliseconds."""
    return Limit.model_construct(messages=messages, within=within)

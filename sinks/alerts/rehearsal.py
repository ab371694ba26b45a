"""What a policy would tell: the pure step with a ledger in memory, for rehearsals and for tests."""

from collections import Counter
from collections.abc import Iterable, Sequence

from schemas.alerts import AlertIntent
from sinks.alerts.deciding import Arrived, Decided, Known, step
from sinks.alerts.incidents import Action, Incident, Settled, Settlement, State
from sinks.alerts.ledger import EntryState, LedgerEntry
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.policy import Policy, usual_customers


class Rehearsal:
    """Does what the alerts agent does around a step, at once and without a store; `now` is put forward by hand.

    `told` are all notices that were decided, with their channels, `told_of` by notice the incidents that each tells of,
    `decided_at` when, `superseded` those that were taken back before they
    were sent. `answer` is what becomes of every notice; `None` leaves them in hand. `entries` is the ledger, `over` are
    incidents of which nothing more has to be said.
    """

    def __init__(self, policy: Policy, now: int) -> None:
        self.policy = policy
        self.now = now
        self.state = State()
        self.entries: dict[tuple[str, str], LedgerEntry] = {}
        self.over: dict[str, Incident] = {}
        self.told: list[tuple[str, Notice]] = []
        self.told_of: dict[str, tuple[str, ...]] = {}
        self.decided_at: dict[str, int] = {}
        self.superseded: set[str] = set()
        self.answer: Settlement | None = Settlement.DELIVERED
        #: Whether what is given up was tried, and not answered.
        self.may_have_arrived = False
        self.in_hand: dict[str, str] = {}
        self.wake_at: int | None = None
        self._settled: list[Settled] = []
        self._past: dict[str, dict[str, Incident]] = {}
        self._of_friction: dict[str, dict[str, LedgerEntry]] = {}
        self._of_person: dict[str, dict[tuple[str, str], LedgerEntry]] = {}

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
        self._settled.append(
            Settled(
                notice_id=notice_id,
                channel=channel,
                settlement=settlement,
                reference=reference,
                may_have_arrived=self.may_have_arrived and settlement is not Settlement.DELIVERED,
            )
        )

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
        state = self._remembered()
        arrived = Arrived(intents=intents, known=self._known(intents, actions), actions=actions, settled=settled)
        self.now += 1
        decided = step(self.policy, state, arrived, self.now)
        self.state = decided.state
        for entry in decided.entries:
            self._enter(entry)
        for one in decided.incidents:
            if one.incident_id in decided.over:
                self.over[one.incident_id] = one
                self._past.setdefault(one.cause, {})[one.incident_id] = one
        self.told += decided.notices
        self.told_of |= decided.told
        self.decided_at |= dict.fromkeys(decided.told, self.now)
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

    def _remembered(self) -> State:
        """The state as of the last step."""
        return self.state

    def _enter(self, entry: LedgerEntry) -> None:
        place = entry.friction_id, entry.channel
        before = self.entries.get(place)
        if before is not None:
            del self._of_person[before.person_key][place]
        self.entries[place] = entry
        self._of_friction.setdefault(entry.friction_id, {})[entry.channel] = entry
        self._of_person.setdefault(entry.person_key, {})[place] = entry

    def _known(self, intents: Sequence[AlertIntent], actions: Sequence[Action]) -> Known:
        ids = {intent.friction_id for intent in intents}
        entries = tuple(entry for id_ in ids for entry in self._of_friction.get(id_, {}).values())
        members = {
            (entry.incident_id, entry.person_key, entry.friction_id)
            for key in {intent.person_key for intent in intents} | {entry.person_key for entry in entries}
            for entry in self._of_person.get(key, {}).values()
            if entry.channel and entry.state is not EntryState.RETRACTED
        }
        persons = Counter((incident_id, person_key) for incident_id, person_key, _ in members)
        named = {entry.incident_id for entry in entries} | {action.incident_id for action in actions}
        return Known(
            entries=entries,
            persons=persons,
            incidents={id_: one for id_, one in self.over.items() if id_ in named},
            usual=self._usual({self.policy.cause(intent) for intent in intents}),
        )

    def _usual(self, causes: set[str]) -> dict[str, float]:
        if self.policy.swarm is None:
            return {}
        found: dict[str, float] = {}
        for cause in causes:
            known = [one for one in self.state.incidents.values() if one.cause == cause]
            known += self._past.get(cause, {}).values()
            if known:
                since = min(one.started_at for one in known)
                customers = sum(one.customers for one in known)
                found[cause] = usual_customers(customers, since, self.now, self.policy.swarm.within)
        return found

"""Who is told what next: a pure function of a policy, what is known, what arrived, and the moment.

An alert that is new joins the incident of its cause. Of each incident every channel knows something (`Telling`), and
what it is to be told next, and when, follows from that: `OPENED` after `group_wait`, `UPDATED` when its customers
doubled after `group_interval`, a line of the daily `DIGEST` when it grew by less, or where it is slight or rare
(without a digest: `UPDATED` after `repeat_interval`), `CLOSED` and `WITHDRAWN` when that is over or was wrong, a line
of the summary `EXPIRED` when it could not be sent for too long. Nothing is dropped: what has to wait, for a limit, for
the hours of a team or for an endpoint that is away, stays with its incident and is told with the counts of that later
moment.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, sqrt
from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.alerts import AlertIntent
from sinks.alerts.incidents import (
    MOST_SAMPLES,
    OVERFLOW,
    Action,
    ActionKind,
    ChannelState,
    Incident,
    Phase,
    Settled,
    Settlement,
    Snooze,
    State,
    Telling,
)
from sinks.alerts.ledger import NOBODY, EntryState, LedgerEntry, plan
from sinks.alerts.notice import Notice, NoticeKind, Subject
from sinks.alerts.policy import MOST_ARRIVALS, Digest, Policy, Timing

#: First what was wrong, then what is over, then what is new.
_RANKS: Final = {
    NoticeKind.WITHDRAWN: 0,
    NoticeKind.CLOSED: 1,
    NoticeKind.EXPIRED: 2,
    NoticeKind.OPENED: 3,
    NoticeKind.UPDATED: 3,
    NoticeKind.DIGEST: 4,
}
_TELLING_A_CAUSE: Final = frozenset({NoticeKind.OPENED, NoticeKind.UPDATED})
#: After which a channel knows of what it knew nothing of before.
_FIRST: Final = frozenset({NoticeKind.OPENED, NoticeKind.DIGEST, NoticeKind.EXPIRED})
_UNEXPLAINED: Final = ("later events show that it was none", "spätere Ereignisse zeigen, dass es keine war")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of the intents at hand.

    `entries` are all of their frictions; `persons` how many standing members of an incident a person has, by incident
    and person; `incidents` those that are over, of which a member may be withdrawn or about which somebody acts.
    `usual` is how many customers meet a cause in the time of a swarm, usually, by cause; left out for none.
    """

    entries: tuple[LedgerEntry, ...] = ()
    persons: Mapping[tuple[str, str], int] = {}
    incidents: Mapping[str, Incident] = {}
    usual: Mapping[str, float] = {}


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the last step: intents in the order of the log, actions of people, settled notices."""

    intents: tuple[AlertIntent, ...] = ()
    known: Known = Known()
    actions: tuple[Action, ...] = ()
    settled: tuple[Settled, ...] = ()


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What follows, to be written in this order: incidents that changed, entries of the ledger, notices by channel.

    `over` are incidents of which nothing more has to be said; `told` names, by notice, all incidents that it tells of,
    also those that it had no room to show. Of `needless` notices, by id with what becomes of them,
    those that were not sent yet must not be. `wake_at` is when there may be something to decide without anything
    arriving, `None` for never.
    """

    state: State
    incidents: tuple[Incident, ...]
    over: frozenset[str]
    entries: tuple[LedgerEntry, ...]
    notices: tuple[tuple[str, Notice], ...]
    told: Mapping[str, tuple[str, ...]]
    needless: Mapping[str, Settlement]
    wake_at: int | None


def step(policy: Policy, state: State, arrived: Arrived, now: int) -> Decided:
    """Take in what arrived and decide what is due at `now` (UTC ms), which must grow from step to step."""
    turn = _Turn(policy, state, arrived.known, now)
    for settled in arrived.settled:
        turn.settle(settled)
    for action in arrived.actions:
        turn.act(action)
    turn.take(arrived.intents)
    turn.end_incidents()
    turn.give_up()
    wake_at = turn.decide()
    return turn.outcome(wake_at)


class _Due(msgspec.Struct, frozen=True):
    """Something that a channel is to be told."""

    at: int
    kind: NoticeKind
    incident: Incident
    #: Since when it could have been told.
    since: int


class _Turn:
    """One step: copies of what it changes, and what it decided."""

    def __init__(self, policy: Policy, state: State, known: Known, now: int) -> None:
        self._policy = policy
        self._now = now
        self._known = known
        self._incidents = dict(state.incidents)
        self._channels = dict(state.channels)
        self._told = dict(state.told)
        self._snoozes = {cause: snooze for cause, snooze in state.snoozes.items() if snooze.until > now}
        self._persons: Counter[tuple[str, str]] = Counter(known.persons)
        self._by_cause = {
            incident.cause: incident.incident_id
            for incident in self._incidents.values()
            if incident.phase in {Phase.OPEN, Phase.ENDED}
        }
        self._touched: dict[str, None] = {}
        self._entries: list[LedgerEntry] = []
        self._notices: list[tuple[str, Notice]] = []
        self._told_of: dict[str, tuple[str, ...]] = {}
        self._needless: dict[str, Settlement] = {}

    # What arrived.

    def settle(self, settled: Settled) -> None:
        channel = self._channels.get(settled.channel, ChannelState())
        kind = channel.in_hand.get(settled.notice_id)
        left = {id_: other for id_, other in channel.in_hand.items() if id_ != settled.notice_id}
        self._channels[settled.channel] = replace(channel, in_hand=left)
        for incident in list(self._incidents.values()):
            telling = incident.tellings.get(settled.channel)
            if telling is None or telling.in_hand != settled.notice_id:
                continue
            telling = replace(telling, in_hand="", in_hand_kind="", reference=telling.reference or settled.reference)
            if settled.settlement in {Settlement.SUPERSEDED, Settlement.EXPIRED} and _is_first(kind, telling):
                # The channel knows nothing of it: as if nothing had been decided. Unless it was seen after all, and
                # has to be withdrawn when it was wrong.
                is_shown = settled.may_have_arrived
                telling = replace(telling, is_open=False, is_shown=is_shown, told_at=0, told_customers=0)
                self._told.pop(f"{settled.channel} {incident.cause}", None)
            self._put(_with(incident, telling, settled.channel))

    def act(self, action: Action) -> None:
        incident = self._incidents.get(action.incident_id) or self._known.incidents.get(action.incident_id)
        if action.kind is ActionKind.SNOOZE and action.until > self._now:
            self._snoozes[action.cause] = Snooze(action.until, action.by)
        if incident is None:
            return
        match action.kind:
            case ActionKind.ACKNOWLEDGE:
                at = incident.acknowledged_at or action.at
                incident = replace(incident, acknowledged_by=action.by, acknowledged_at=at)
            case ActionKind.ASSIGN:
                incident = replace(incident, assigned_to=action.text)
            case ActionKind.CLOSE if incident.phase is Phase.OPEN:
                because = (f"closed by {action.by}", f"geschlossen von {action.by}")
                incident = self._ended(incident, Phase.CLOSED, because)
                self._by_cause.pop(incident.cause, None)
        self._put(incident)

    def take(self, intents: Sequence[AlertIntent]) -> None:
        planned = plan(intents, self._known.entries, self._policy.channels_for)
        members: dict[str, list[LedgerEntry]] = {}
        for entry in self._known.entries:
            if entry.channel != NOBODY and entry.state is not EntryState.RETRACTED:
                members.setdefault(entry.friction_id, []).append(entry)
        for intent in planned.retractions:
            self._withdraw(intent, members.get(intent.friction_id, ()))
        for intent in planned.revisions:
            self._revise(intent, members[intent.friction_id])
        new: dict[str, tuple[AlertIntent, list[str]]] = {}
        for alert in planned.due:
            new.setdefault(alert.intent.friction_id, (alert.intent, []))[1].append(alert.channel)
        for intent, channels in new.values():
            self._join(intent, channels, members.get(intent.friction_id, ()))

    def _withdraw(self, intent: AlertIntent, members: Sequence[LedgerEntry]) -> None:
        first = members[0] if members else None
        blank = LedgerEntry(
            friction_id=intent.friction_id,
            channel=NOBODY,
            state=EntryState.RETRACTED,
            version=intent.version,
            reason=intent.because_en,
            tenant=intent.tenant,
            rule_id=first.rule_id if first else intent.rule_id,
            incident_id=first.incident_id if first else "",
            joined_at=self._now,
        )
        self._entries.append(blank)
        for entry in members:
            # Whoever is withdrawn may have asked to be forgotten.
            withdrawn = replace(entry, person_key="", state=EntryState.RETRACTED, version=intent.version)
            self._entries.append(replace(withdrawn, reason=intent.because_en))
        if first is None:
            return
        incident = self._incidents.get(first.incident_id) or self._known.incidents.get(first.incident_id)
        if incident is None:
            return
        incident = self._without(incident, first)
        because = {
            "because_en": intent.because_en or _UNEXPLAINED[0],
            "because_de": intent.because_de or _UNEXPLAINED[1],
        }
        if incident.frictions == 0:
            incident = replace(incident, phase=Phase.WITHDRAWN, ended_at=self._now, **because)
            if self._by_cause.get(incident.cause) == incident.incident_id:
                del self._by_cause[incident.cause]
        elif incident.phase is Phase.OPEN:
            tellings = {
                channel: replace(telling, since=telling.since if telling.has_news else self._now, **because)
                if telling.is_open and any(entry.channel == channel for entry in members)
                else telling
                for channel, telling in incident.tellings.items()
            }
            incident = replace(incident, tellings=tellings)
        self._put(self._ripened(incident))

    def _without(self, incident: Incident, member: LedgerEntry) -> Incident:
        place = incident.incident_id, member.person_key
        self._persons[place] -= 1
        by_severity = list(incident.by_severity)
        by_severity[_index(member.severity)] = max(by_severity[_index(member.severity)] - 1, 0)
        samples = tuple(one for one in incident.samples if one.friction_id != member.friction_id)
        if incident.frictions <= 1:
            # What is withdrawn as a whole has to be named still, though not whom it was about.
            samples = tuple(replace(one, person_key="", journey_id="", evidence=()) for one in incident.samples)
        return replace(
            incident,
            frictions=max(incident.frictions - 1, 0),
            customers=max(incident.customers - (self._persons[place] <= 0), 0),
            minutes=max(incident.minutes - member.minutes, 0.0),
            by_severity=tuple(by_severity),
            samples=samples,
        )

    def _revise(self, intent: AlertIntent, members: Sequence[LedgerEntry]) -> None:
        changes = {"version": intent.version, "severity": intent.severity, "minutes": intent.minutes}
        self._entries += [replace(entry, **changes) for entry in members]
        incident = self._incidents.get(members[0].incident_id)
        if incident is None:
            return
        place = incident.incident_id, members[0].person_key
        incident = self._without(incident, members[0])
        self._persons[place] += 1
        incident = self._with_member(incident, intent)
        self._put(self._ripened(replace(incident, customers=incident.customers + (self._persons[place] == 1))))

    def _join(self, intent: AlertIntent, channels: Sequence[str], members: Sequence[LedgerEntry]) -> None:
        if channels == [NOBODY]:
            if not members:
                self._enter(intent, NOBODY, "", EntryState.SILENCED, "no route names it")
            return
        channels = [channel for channel in channels if channel != NOBODY]
        incident = self._incidents.get(members[0].incident_id) if members else None
        is_member = incident is not None
        incident = incident or self._incident_for(intent)
        if not is_member:
            place = incident.incident_id, intent.person_key
            self._persons[place] += 1
            is_new_customer = self._persons[place] == 1
            incident = self._with_member(incident, intent)
            if is_new_customer:
                arrivals = (*incident.arrivals, self._now)[-MOST_ARRIVALS:]
                incident = replace(incident, customers=incident.customers + 1, arrivals=arrivals)
            incident = replace(incident, last_member_at=self._now, phase=Phase.OPEN, ended_at=0)
            incident = self._as_swarm(incident)
        snooze = self._snoozes.get(incident.cause)
        for channel in channels:
            telling = incident.tellings.get(channel)
            if telling is None:
                telling = Telling(joined_at=self._now, since=self._now)
            else:
                since = telling.since if telling.has_news else self._now
                telling = replace(telling, joined_at=self._now, since=since)
            incident = _with(incident, telling, channel)
            if snooze:
                self._enter(intent, channel, incident.incident_id, EntryState.SILENCED, f"snoozed by {snooze.by}")
            elif telling.is_open:
                reason = f"counted in incident {incident.incident_id}"
                self._enter(intent, channel, incident.incident_id, EntryState.SILENCED, reason)
            else:
                self._enter(intent, channel, incident.incident_id, EntryState.WAITING, "")
        self._put(self._ripened(incident))

    def _enter(self, intent: AlertIntent, channel: str, incident_id: str, state: EntryState, reason: str) -> None:
        self._entries.append(
            LedgerEntry(
                friction_id=intent.friction_id,
                channel=channel,
                state=state,
                version=intent.version,
                reason=reason,
                tenant=intent.tenant,
                incident_id=incident_id,
                person_key=intent.person_key,
                rule_id=intent.rule_id,
                team=intent.team,
                severity=intent.severity,
                minutes=intent.minutes,
                joined_at=self._now,
            )
        )

    def _incident_for(self, intent: AlertIntent) -> Incident:
        cause = self._policy.cause(intent)
        if (known := self._by_cause.get(cause)) is not None:
            return self._incidents[known]
        is_overflow = len(self._incidents) >= self._policy.most_open
        if is_overflow:
            cause = f"{intent.tenant} rule={intent.rule_id} {OVERFLOW}"
            if (known := self._by_cause.get(cause)) is not None:
                return self._incidents[known]
        kept = set() if is_overflow else set(self._policy.group_by)
        if "..." in kept:
            kept = {"from_channel", "to_channel", "team", "topic", "variant"}
        incident = Incident(
            incident_id=_digest(cause, intent.friction_id, str(intent.version)),
            tenant=intent.tenant,
            cause=cause,
            rule_id=intent.rule_id,
            team=intent.team if "team" in kept else None,
            from_channel=intent.from_channel if "from_channel" in kept else None,
            to_channel=intent.to_channel if "to_channel" in kept else None,
            topic=intent.topic if "topic" in kept else None,
            variant=intent.variant if "variant" in kept else "",
            started_at=self._now,
            last_member_at=self._now,
            opened_at=intent.anchor_at,
        )
        self._by_cause[cause] = incident.incident_id
        return incident

    def _with_member(self, incident: Incident, intent: AlertIntent) -> Incident:
        by_severity = list(incident.by_severity)
        by_severity[_index(intent.severity)] += 1
        samples = sorted(
            (*(one for one in incident.samples if one.friction_id != intent.friction_id), intent),
            key=lambda one: (-one.severity, one.anchor_at, one.friction_id),
        )
        return replace(
            incident,
            frictions=incident.frictions + 1,
            minutes=incident.minutes + intent.minutes,
            by_severity=tuple(by_severity),
            opened_at=min(incident.opened_at, intent.anchor_at),
            samples=tuple(samples[:MOST_SAMPLES]),
        )

    # What incidents are.

    def _as_swarm(self, incident: Incident) -> Incident:
        swarm = self._policy.swarm
        if swarm is None or incident.is_swarm:
            return incident
        expected = swarm.times_usual * self._known.usual.get(incident.cause, 0.0)
        # Three standard deviations of chance on top: what is frequent all day is no swarm at its busiest hour.
        needed = min(max(swarm.customers, ceil(expected + 3 * sqrt(expected))), MOST_ARRIVALS)
        return replace(incident, is_swarm=_reached(incident.arrivals, needed, self._now - swarm.within))

    def _ripened(self, incident: Incident) -> Incident:
        """Say of each channel that was not told yet whether the incident is worth a message of its own by now."""
        for channel, telling in incident.tellings.items():
            if telling.is_open or not incident.samples:
                continue
            timing = self._timing(incident, channel)
            is_ripe = self._is_ripe(incident, timing)
            ripe_at = (telling.ripe_at or self._now) if is_ripe else 0
            if ripe_at != telling.ripe_at:
                incident = _with(incident, replace(telling, ripe_at=ripe_at), channel)
        return incident

    def _is_ripe(self, incident: Incident, timing: Timing) -> bool:
        if incident.is_swarm:
            return True
        severity, minimum, digest = incident.severity, timing.minimum, timing.digest
        if digest is not None and severity < digest.below_severity:
            return False
        if minimum is None or severity >= minimum.unless_severity:
            return True
        needed = min(minimum.customers, MOST_ARRIVALS)
        return incident.customers >= needed and _reached(incident.arrivals, needed, self._now - minimum.within)

    def end_incidents(self) -> None:
        for incident in list(self._incidents.values()):
            if incident.phase is Phase.OPEN and self._ends_at(incident) <= self._now:
                hours = f"{(self._now - incident.last_member_at) / 3_600_000:.0f}"
                because = (f"nobody new for {hours} h", f"seit {hours} h niemand mehr")
                self._put(self._ended(incident, Phase.ENDED, because))

    def _ends_at(self, incident: Incident) -> int:
        swarm = self._policy.swarm
        after = swarm.ends_after if swarm is not None and incident.is_swarm else self._policy.resolve_after
        return incident.last_member_at + after

    def _ended(self, incident: Incident, phase: Phase, because: tuple[str, str]) -> Incident:
        return replace(incident, phase=phase, ended_at=self._now, because_en=because[0], because_de=because[1])

    def _timing(self, incident: Incident, channel: str) -> Timing:
        if not incident.samples:
            return self._policy.defaults
        return self._policy.timing(channel, incident.samples[0], incident.severity)

    # What is told.

    def give_up(self) -> None:
        """Notices in hand that nobody should get any more."""
        for incident in self._incidents.values():
            if incident.phase is Phase.WITHDRAWN:
                for telling in incident.tellings.values():
                    if telling.in_hand and telling.in_hand_kind in _TELLING_A_CAUSE:
                        self._needless[telling.in_hand] = Settlement.SUPERSEDED
            elif not incident.frictions:
                continue
            else:
                for channel, telling in incident.tellings.items():
                    waited = self._now - telling.told_at
                    if telling.in_hand and waited > self._timing(incident, channel).expires_after:
                        self._needless[telling.in_hand] = Settlement.EXPIRED

    def decide(self) -> int | None:
        """Decide all that is due, and return when the next thing may be."""
        due: dict[str, list[_Due]] = {channel: [] for channel in self._policy.channels}
        wake_ats: list[int] = []
        for incident in self._incidents.values():
            for channel, telling in incident.tellings.items():
                if channel in due and (one := self._next(incident, channel, telling)) is not None:
                    due[channel].append(one)
            if incident.phase is Phase.OPEN:
                wake_ats.append(self._ends_at(incident))
        for channel, waiting in due.items():
            wake_ats += self._tell(channel, waiting)
        self._forget()
        return min((at for at in wake_ats if at > self._now), default=None)

    def _next(self, incident: Incident, channel: str, telling: Telling) -> _Due | None:
        """What a channel is to be told next of an incident, and when."""
        if telling.in_hand:
            return None
        if incident.phase is Phase.WITHDRAWN:
            return self._next_withdrawal(incident, channel, telling)
        if telling.is_open:
            if incident.phase is Phase.OPEN:
                return self._next_update(incident, channel, telling)
            if self._is_worth_closing(incident, channel):
                return _Due(incident.ended_at, NoticeKind.CLOSED, incident, incident.ended_at)
            return None
        if not telling.has_news or incident.phase is Phase.CLOSED:
            return None
        timing = self._timing(incident, channel)
        if telling.ripe_at:
            at = max(telling.ripe_at + timing.group_wait, self._not_before(incident, channel, timing))
            since = self._at_hours(incident, timing, max(telling.since, telling.ripe_at))
            return _Due(self._at_hours(incident, timing, at), NoticeKind.OPENED, incident, since)
        if timing.digest is None or not self._policy.channels[channel].can_list:
            return None
        return self._next_digest(incident, timing, timing.digest, telling.since)

    def _next_digest(self, incident: Incident, timing: Timing, digest: Digest, since: int) -> _Due:
        at = self._policy.digest_at(digest, since)
        if (snooze := self._snoozes.get(incident.cause)) is not None and snooze.until > at:
            at = self._policy.digest_at(digest, snooze.until)
        at = self._at_hours(incident, timing, at)
        return _Due(at, NoticeKind.DIGEST, incident, at)

    def _next_withdrawal(self, incident: Incident, channel: str, telling: Telling) -> _Due | None:
        if not telling.is_shown:
            return None
        at = incident.ended_at
        if not self._policy.channels[channel].can_edit:
            at = self._at_hours(incident, self._timing(incident, channel), at)
        return _Due(at, NoticeKind.WITHDRAWN, incident, at)

    def _next_update(self, incident: Incident, channel: str, telling: Telling) -> _Due | None:
        timing = self._timing(incident, channel)
        is_corrected = bool(telling.because_en or telling.because_de)
        if is_corrected:
            # An edit disturbs nobody; elsewhere a few that were wrong among many can wait.
            is_soon = self._policy.channels[channel].can_edit or 2 * incident.customers <= telling.told_customers
        else:
            is_soon = incident.customers >= 2 * telling.told_customers
            if not telling.has_news or (incident.acknowledged_by and not is_soon):
                return None
        if not is_soon and timing.digest is not None and self._policy.channels[channel].can_list:
            return self._next_digest(incident, timing, timing.digest, max(telling.told_at, telling.since))
        wait = timing.group_interval if is_soon else timing.repeat_interval
        at = max(telling.told_at + wait, self._not_before(incident, channel, timing))
        at = self._at_hours(incident, timing, at)
        return _Due(at, NoticeKind.UPDATED, incident, at)

    def _not_before(self, incident: Incident, channel: str, timing: Timing) -> int:
        snooze = self._snoozes.get(incident.cause)
        told_at = self._told.get(f"{channel} {incident.cause}")
        return max(snooze.until if snooze else 0, told_at + timing.group_interval if told_at is not None else 0)

    def _at_hours(self, incident: Incident, timing: Timing, at: int) -> int:
        return at if incident.is_swarm else self._policy.open_hours(timing, incident.severity, at)

    def _is_worth_closing(self, incident: Incident, channel: str) -> bool:
        traits = self._policy.channels[channel]
        return traits.can_edit or incident.is_swarm or incident.phase is Phase.CLOSED

    def _tell(self, channel: str, due: list[_Due]) -> Iterable[int]:
        """Decide what a channel is told now; returns moments at which there may be more."""
        state = self._channels.get(channel, ChannelState())
        limit = self._policy.limit(channel)
        recent = tuple(at for at in state.recent if limit is not None and at > self._now - limit.within)
        room = self._policy.most_in_hand - len(state.in_hand)
        allowed = room if limit is None else min(room, limit.messages - len(recent))
        later = [one.at for one in due if one.at > self._now]
        ready = [one for one in due if one.at <= self._now]
        stale = [one for one in ready if one.kind is NoticeKind.OPENED and self._is_stale(one, channel)]
        digest = [one for one in ready if one.kind is NoticeKind.DIGEST]
        single = [one for one in ready if one.kind is not NoticeKind.DIGEST and one not in stale]
        groups: list[tuple[NoticeKind, Sequence[_Due]]] = [(one.kind, (one,)) for one in single]
        groups += [(kind, group) for kind, group in ((NoticeKind.EXPIRED, stale), (NoticeKind.DIGEST, digest)) if group]
        groups.sort(key=lambda group: _urgency(*group))
        in_hand = dict(state.in_hand)
        for kind, group in groups[: max(allowed, 0)]:
            notice = self._notice(channel, kind, group)
            in_hand[notice.notice_id] = kind
            recent = (*recent, self._now)
        self._channels[channel] = ChannelState(in_hand=in_hand, recent=recent)
        if len(groups) > max(allowed, 0) and limit is not None and recent and room > 0:
            later.append(recent[0] + limit.within + 1)
        return later

    def _is_stale(self, due: _Due, channel: str) -> bool:
        return self._now - due.since > self._timing(due.incident, channel).expires_after

    def _notice(self, channel: str, kind: NoticeKind, group: Sequence[_Due]) -> Notice:
        ranked = sorted(
            (one.incident for one in group), key=lambda one: (-one.severity, -one.customers, one.incident_id)
        )
        first = ranked[0]
        telling = first.tellings[channel]
        single = kind not in {NoticeKind.DIGEST, NoticeKind.EXPIRED}
        if single:
            notice_id = _digest(first.incident_id, channel, str(telling.sequence))
            because = (telling.because_en, telling.because_de)
            if kind in {NoticeKind.CLOSED, NoticeKind.WITHDRAWN}:
                because = (first.because_en, first.because_de)
        else:
            notice_id = _digest(
                channel, kind, *(f"{one.incident_id} {one.tellings[channel].sequence}" for one in ranked)
            )
            because = ("", "")
        notice = Notice(
            notice_id=notice_id,
            kind=kind,
            decided_at=self._now,
            subjects=tuple(map(_subject, ranked[: self._policy.most_subjects])),
            left_out=max(len(ranked) - self._policy.most_subjects, 0),
            because_en=because[0],
            because_de=because[1],
            reference=telling.reference if single else "",
            acknowledged_by=first.acknowledged_by if single else "",
        )
        self._notices.append((channel, notice))
        self._told_of[notice_id] = tuple(incident.incident_id for incident in ranked)
        for incident in ranked:
            telling = incident.tellings[channel]
            telling = replace(
                telling,
                told_at=self._now,
                told_customers=incident.customers,
                is_open=kind in _TELLING_A_CAUSE or (kind is NoticeKind.DIGEST and telling.is_open),
                is_shown=kind in _TELLING_A_CAUSE or (telling.is_shown and kind is not NoticeKind.WITHDRAWN),
                in_hand=notice_id,
                in_hand_kind=kind,
                sequence=telling.sequence + 1,
                because_en="",
                because_de="",
                ripe_at=telling.ripe_at if kind in _TELLING_A_CAUSE or telling.is_open else 0,
            )
            if kind in _TELLING_A_CAUSE:
                self._told[f"{channel} {incident.cause}"] = self._now
            # Another channel of the same incident may have been told in this step.
            self._put(_with(self._incidents[incident.incident_id], telling, channel))
        return notice

    def _forget(self) -> None:
        longest = max((route.timing.group_interval for route in self._policy.routes), default=0)
        longest = max(longest, self._policy.defaults.group_interval)
        self._told = {place: at for place, at in self._told.items() if at > self._now - longest}

    def _is_over(self, incident: Incident) -> bool:
        if incident.phase is Phase.OPEN:
            return False
        for channel, telling in incident.tellings.items():
            if channel in self._policy.channels and (
                telling.in_hand or self._next(incident, channel, telling) is not None
            ):
                return False
        return True

    # The result.

    def outcome(self, wake_at: int | None) -> Decided:
        over = {id_ for id_, incident in self._incidents.items() if self._is_over(incident)}
        touched = self._touched | dict.fromkeys(sorted(over))
        return Decided(
            state=State(
                incidents={id_: one for id_, one in self._incidents.items() if id_ not in over},
                channels=self._channels,
                snoozes=self._snoozes,
                told=self._told,
            ),
            incidents=tuple(self._incidents[id_] for id_ in touched),
            over=frozenset(over),
            entries=tuple(self._entries),
            notices=tuple(self._notices),
            told=self._told_of,
            needless=self._needless,
            wake_at=wake_at,
        )

    def _put(self, incident: Incident) -> None:
        self._incidents[incident.incident_id] = incident
        self._touched[incident.incident_id] = None


def _is_first(kind: NoticeKind | None, telling: Telling) -> bool:
    """Whether a notice was the first that a channel was to know of an incident."""
    return kind is NoticeKind.OPENED or (kind in _FIRST and not telling.is_open)


def _with(incident: Incident, telling: Telling, channel: str) -> Incident:
    return replace(incident, tellings={**incident.tellings, channel: telling})


def _reached(arrivals: Sequence[int], needed: int, since: int) -> bool:
    return len(arrivals) >= needed and arrivals[-needed] >= since


def _urgency(kind: NoticeKind, group: Sequence[_Due]) -> tuple[int, int, int, str]:
    severity = max(one.incident.severity for one in group)
    return _RANKS[kind], -severity, min(one.at for one in group), group[0].incident.incident_id


def _subject(incident: Incident) -> Subject:
    shown = incident.samples[0] if incident.samples else None
    is_one = shown is not None and incident.frictions == 1
    return Subject(
        incident_id=incident.incident_id,
        tenant=incident.tenant,
        rule_id=incident.rule_id,
        variant=incident.variant or (shown.variant if shown else ""),
        severity=incident.severity,
        team=incident.team or (shown.team if shown and is_one else None),
        topic=incident.topic or (shown.topic if shown and is_one else None),
        from_channel=incident.from_channel or (shown.from_channel if shown and is_one else None),
        to_channel=incident.to_channel or (shown.to_channel if shown and is_one else None),
        opened_at=incident.opened_at,
        customers=incident.customers,
        frictions=incident.frictions,
        minutes=round(incident.minutes, 3),
        sentence_en=shown.sentence_en if shown else "",
        sentence_de=shown.sentence_de if shown else "",
        evidence=shown.evidence if shown else (),
        nearest_miss=shown.nearest_miss if shown else "",
        nearest_miss_de=shown.nearest_miss_de if shown else "",
        friction_id=shown.friction_id if shown else "",
        person_key=shown.person_key if shown and is_one else "",
        journey_id=shown.journey_id if shown and is_one else "",
        this_week=incident.frictions,
        usual_week=None,
    )


def _index(severity: int) -> int:
    return min(max(severity, 1), 5) - 1


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()

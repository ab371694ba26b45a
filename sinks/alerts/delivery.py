"""One intent to one channel."""

from schemas.alerts import AlertIntent
from sinks.alerts.channel import Channel
from sinks.alerts.notice import Notice, NoticeKind, Subject
from sinks.alerts.outcome import Outcome
from sinks.alerts.posting import HttpSender


async def deliver(channel: Channel, intent: AlertIntent, http: HttpSender) -> Outcome:
    """Word an intent for a channel and send it once.

    Whether it may be sent at all (never twice, never after a retraction) is the ledger's to say before.
    """
    return await channel.send(notice_of(intent), http)


def notice_of(intent: AlertIntent) -> Notice:
    """Notice of one friction, by itself: its incident is the friction, and nothing is known of the weeks before."""
    subject = Subject(
        incident_id=intent.friction_id,
        tenant=intent.tenant,
        rule_id=intent.rule_id,
        variant=intent.variant,
        severity=intent.severity,
        team=intent.team,
        topic=intent.topic,
        from_channel=intent.from_channel,
        to_channel=intent.to_channel,
        opened_at=intent.anchor_at,
        customers=1,
        frictions=1,
        minutes=intent.minutes,
        sentence_en=intent.sentence_en,
        sentence_de=intent.sentence_de,
        evidence=intent.evidence,
        nearest_miss=intent.nearest_miss,
        friction_id=intent.friction_id,
        person_key=intent.person_key,
        journey_id=intent.journey_id,
        this_week=0,
        usual_week=None,
    )
    kind = NoticeKind.OPENED
    return Notice(notice_id=intent.friction_id, kind=kind, decided_at=intent.anchor_at, subjects=(subject,))

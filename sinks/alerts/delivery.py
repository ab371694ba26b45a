"""One intent to one channel."""

from schemas.alerts import AlertIntent
from sinks.alerts.channel import Channel
from sinks.alerts.message import build_message
from sinks.alerts.outcome import Outcome
from sinks.alerts.posting import HttpSender


async def deliver(channel: Channel, intent: AlertIntent, http: HttpSender) -> Outcome:
    """Word an intent for a channel and send it once.

    Whether it may be sent at all (never twice, never after a retraction) is the ledger's to say before.
    """
    return await channel.send(build_message(intent, channel.wording), http)

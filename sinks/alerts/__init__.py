"""Team channels: who is told of a friction, in which words, and how it reaches them.

From an alert intent to a team, each step in a module of its own:

    routing.py       which channels want this intent; the YAML file and its errors
    ledger.py        which deliveries are due, given what was told before; pure
    message.py       one message in the configured language, the same for every channel
    console.py, slack.py, webhook.py
                     one channel type each: its settings, its format, its judgement of answers
    delivery.py      hands one intent to one channel, says `Delivered`, `Retry` or `Refused`
    posting.py       HTTP out, with all that keeps it safe; address.py says where it may go
    endpoint.py      addresses and secrets that never show in logs
    registry.py      the channel types there are

Adding a channel type is one file and one line:

1. Write `sinks/alerts/<type>.py` with a settings class (pydantic, derived from `ChannelSettings`, with
   `type: Literal["<type>"]` and `open_channel`) and the channel that it opens: something with a `name`, a `wording` and
   `async def send(message, http) -> Outcome`. Build the format in a pure function, so that tests can hold it against
   the rules of the receiver. Never raise for what a receiver does: answer `Retry` or `Refused`.
2. Add the settings class to `AnyChannelSettings` in registry.py. Routing files, error texts and the contract tests in
   tests/sinks/alerts/test_every_channel.py take it from there.

Nothing here knows Kafka or ClickHouse: the agent that reads the outbox and keeps the ledger brings both.
"""

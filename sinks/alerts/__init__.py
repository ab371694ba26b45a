"""Team channels: who is told of a friction, in which words, and how it reaches them.

From an alert intent to a team, each step in a module of its own:

    routing.py       the YAML file with channels, routes and policy, and its errors
    policy.py, hours.py
                     what the file says of who is told when, with the defaults; calendars of teams
    ledger.py        which frictions are new to which channels, given what is known; pure
    incidents.py     what is known of causes that teams are told of: plain values
    deciding.py      who is told what next: a pure step; rehearsal.py plays it through in memory
    breaker.py       when an endpoint that fails is called again; pure
    notice.py        what one channel is told once
    message.py       a notice in words, the same for every channel; vocabulary.py has them in each language,
                     fitting.py makes foreign text fit to be shown
    console.py, slack.py, slack_bot.py, teams.py, email.py, pagerduty.py, webhook.py, apprise_url.py
                     one channel type each: its settings and its judgement of answers; formats that are longer have
                     modules of their own (block_kit.py, mail_text.py, plain_text.py)
    posting.py       the way out, with all that keeps it safe; address.py says where it may go, allowed.py where else
    endpoint.py      addresses and secrets that never show in logs
    answering.py, action_links.py, slack_actions.py
                     what comes back: links that answer a notice, buttons that were pressed in Slack
    registry.py      the channel types there are

Adding a channel type is one file and one line:

1. Write `sinks/alerts/<type>.py` with a settings class (pydantic, derived from `ChannelSettings`, with
   `type: Literal["<type>"]` and `open_channel`) and the channel that it opens: something with a `name`, a `wording`,
   what `channel.Channel` asks it to say of itself, and `async def send(notice, http) -> Outcome`. Build the format in a
   pure function, so that tests can hold it against the rules of the receiver. Never raise for what a receiver does:
   answer `Retry` or `Refused`.
2. Add the settings class to `AnyChannelSettings` in registry.py and an example to tests/support/channels.py. Routing
   files, error texts and the contract tests in tests/sinks/alerts/test_every_channel.py take it from there.

Nothing here knows Kafka or ClickHouse: the agent that reads the outbox and keeps the ledger brings both.
"""

"""A message as plain lines, for wherever there is nothing but text."""

from collections.abc import Iterable

from sinks.alerts.message import AlertMessage


def plain_lines(message: AlertMessage) -> Iterable[str]:
    """Everything below the headline, a line each, in the order of what a reader wants to know next."""
    labels = message.labels
    yield from message.further
    yield from message.entries
    if message.left_out:
        yield message.left_out
    if message.facts:
        yield " · ".join(f"{fact.label}: {fact.value}" for fact in message.facts)
    if message.prevention:
        yield f"{labels['prevention']}: {message.prevention}"
    if message.evidence:
        yield f"{labels['evidence']}: {', '.join(message.evidence)}"
    if message.look_up:
        yield f"{labels['look_up']}: {message.look_up}"
    yield from (f"{button.label}: {button.url}" for button in message.buttons)

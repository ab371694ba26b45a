"""Alerts as lines on standard output: for one machine, for a first look, and for log shippers."""

import json
import sys
from dataclasses import dataclass
from typing import Literal, Protocol

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.message import AlertMessage, Wording, document
from sinks.alerts.outcome import Delivered, Outcome, Retry
from sinks.alerts.posting import HttpSender

_SHOWN_EVIDENCE = 5


class Lines(Protocol):
    """Where lines go: standard output, or anything else that can be written to."""

    def write(self, text: str, /) -> object:
        """Take text."""

    def flush(self) -> object:
        """Let it go."""


class ConsoleSettings(ChannelSettings):
    """A `console` channel: `format` is `text` to be read or `json` for one document a line."""

    type: Literal["console"]
    format: Literal["text", "json"] = "text"

    def open_channel(self, opening: Opening) -> Channel:
        """Return the channel on standard output."""
        return ConsoleChannel(opening.name, opening.wording, self.format)


@dataclass(frozen=True)
class ConsoleChannel:
    """Writes alerts to `lines`; None is standard output as it is at the moment of writing."""

    name: str
    wording: Wording
    format: Literal["text", "json"] = "text"
    lines: Lines | None = None

    async def send(self, message: AlertMessage, http: HttpSender) -> Outcome:  # noqa: ARG002
        """Write one alert. A closed or full output is a retry."""
        lines = self.lines or sys.stdout
        try:
            text = json_line(message) if self.format == "json" else text_lines(message)
            # An output that is not UTF-8 gets what it cannot write spelt out, instead of nothing for ever.
            encoding = getattr(lines, "encoding", None) or "utf-8"
            lines.write(text.encode(encoding, "backslashreplace").decode(encoding))
            lines.flush()
        except (OSError, ValueError) as error:
            return Retry(None, f"standard output takes nothing: {type(error).__name__}")
        return Delivered()


def text_lines(message: AlertMessage) -> str:
    """An alert to be read: the headline, then indented lines with the facts, the evidence and where to look."""
    labels = message.labels
    shown = list(message.evidence[:_SHOWN_EVIDENCE])
    if hidden := len(message.evidence) - len(shown):
        shown.append(labels["more"].format(count=hidden))
    details = [
        " · ".join(f"{fact.label}: {fact.value}" for fact in message.facts),
        f"{labels['nearest_miss']}: {message.nearest_miss}" if message.nearest_miss else "",
        f"{labels['evidence']}: {', '.join(shown)}" if shown else "",
        f"{labels['look_up']}: {message.look_up}" + (f" · {message.link}" if message.link else ""),
    ]
    headline = f"{message.title} · {message.sentence}" if message.sentence else message.title
    return "".join(f"{line}\n" for line in [headline, *(f"  {detail}" for detail in details if detail)])


def json_line(message: AlertMessage) -> str:
    """An alert as one line of JSON, the document that webhooks receive too."""
    return json.dumps(document(message), separators=(",", ":")) + "\n"

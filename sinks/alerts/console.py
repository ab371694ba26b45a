"""Notices as lines on standard output: for one machine, for a first look, and for log shippers."""

import json
import sys
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.message import AlertMessage, Wording, build_message, document
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Delivered, Outcome, Retry
from sinks.alerts.plain_text import plain_lines
from sinks.alerts.posting import HttpSender


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
    """Writes notices to `lines`; None is standard output as it is at the moment of writing."""

    can_edit: ClassVar[bool] = False
    can_thread: ClassVar[bool] = False
    can_list: ClassVar[bool] = True
    min_interval_s: ClassVar[float] = 0.0

    name: str
    wording: Wording
    format: Literal["text", "json"] = "text"
    lines: Lines | None = None

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:  # noqa: ARG002
        """Write one notice. A closed or full output is a retry."""
        message = build_message(notice, self.wording)
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
    """A notice to be read: the headline, then indented lines with all the rest."""
    lines = [message.headline, *(f"  {line}" for line in plain_lines(message))]
    return "".join(f"{line}\n" for line in lines)


def json_line(message: AlertMessage) -> str:
    """A notice as one line of JSON, the document that webhooks receive too."""
    return json.dumps(document(message), separators=(",", ":")) + "\n"

"""Alerts on standard output."""

import asyncio
import io
import json
import os
from pathlib import Path

from sinks.alerts.console import ConsoleChannel, json_line, text_lines
from sinks.alerts.delivery import deliver
from sinks.alerts.message import Wording, build_message
from sinks.alerts.outcome import Delivered, Outcome, Retry
from sinks.alerts.posting import HttpSender
from tests.support.alert_intents import EXAMPLE, an_intent

LINKED = Wording(link="https://d.example/{journey_id}")


def delivered(channel: ConsoleChannel) -> Outcome:
    return asyncio.run(deliver(channel, EXAMPLE, HttpSender()))


def test_text_is_a_headline_and_indented_lines() -> None:
    assert text_lines(build_message(EXAMPLE, LINKED)).splitlines() == [
        "High: channel redirect, form · Asked on social, sent to web, and had to fill in a form there.",
        "  Severity: 4 of 5 (high) · Pattern: channel redirect, form · Channels: social → web · Topic: invoice · "
        "Team: social-care · When: 2026-01-01 10:05 UTC · Customer time: 12.5 min · Journey: " + "cd" * 16,
        "  Nearest miss: would not have fired with context carried over",
        "  Evidence: acme/crm/1, acme/web/2",
        "  Look it up: journeys timeline " + "ab" * 16 + " · https://d.example/" + "cd" * 16,
    ]


def test_what_is_empty_has_no_line() -> None:
    lines = text_lines(build_message(an_intent(nearest_miss="", evidence=()), Wording())).splitlines()
    assert len(lines) == 3


def test_an_event_cannot_start_a_line_of_its_own_or_drive_the_terminal() -> None:
    text = text_lines(build_message(an_intent(sentence_en="a\nHigh: fake\x1b[2J", topic="x\r\ny"), Wording()))
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text


def test_json_is_one_line_with_the_document_for_machines() -> None:
    line = json_line(build_message(an_intent(topic="a\nb"), Wording()))
    assert line.count("\n") == 1
    assert json.loads(line)["data"]["topic"] == "a\nb"


def test_the_chosen_format_is_written() -> None:
    for format_, start in (("text", "High: "), ("json", '{"type":"friction.opened"')):
        lines = io.StringIO()
        assert delivered(ConsoleChannel("console", Wording(), format_, lines)) == Delivered()  # type: ignore[arg-type]
        assert lines.getvalue().startswith(start)


def test_a_closed_or_full_output_is_a_retry(tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    assert isinstance(delivered(ConsoleChannel("console", Wording(), lines=closed)), Retry)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", closefd=False) as broken:
        assert isinstance(delivered(ConsoleChannel("console", Wording(), lines=broken)), Retry)
        os.dup2(os.open(tmp_path / "rest", os.O_CREAT | os.O_WRONLY, 0o600), writing)
    os.close(writing)


def test_an_output_that_cannot_write_a_character_gets_it_spelt_out() -> None:
    raw = io.BytesIO()
    ascii_only = io.TextIOWrapper(raw, encoding="ascii")
    assert delivered(ConsoleChannel("console", Wording(), lines=ascii_only)) == Delivered()
    assert b"social \\u2192 web" in raw.getvalue()

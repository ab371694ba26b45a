"""Alerts on standard output."""

import asyncio
import io
import json
import os
from pathlib import Path

from sinks.alerts.console import ConsoleChannel, json_line, text_lines
from sinks.alerts.message import Wording, build_message
from sinks.alerts.notice import NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Retry
from sinks.alerts.posting import HttpSender
from tests.support.notices import EXAMPLES, a_notice, a_subject

EXAMPLE = EXAMPLES["opened-many"]


def delivered(channel: ConsoleChannel) -> Outcome:
    return asyncio.run(channel.send(EXAMPLE, HttpSender()))


def test_text_is_a_headline_and_indented_lines() -> None:
    headline, *rest = text_lines(build_message(EXAMPLE, Wording())).splitlines()
    assert headline.startswith("High: ")
    assert all(line.startswith("  ") and line.strip() for line in rest)


def test_what_is_empty_has_no_line() -> None:
    subject = a_subject(nearest_miss="", evidence=(), person_key="")
    assert len(text_lines(build_message(a_notice(NoticeKind.OPENED, subject), Wording())).splitlines()) == 3


def test_an_event_cannot_start_a_line_of_its_own_or_drive_the_terminal() -> None:
    subject = a_subject(sentence_en="a\nHigh: fake\x1b[2J", topic="x\r\ny")
    text = text_lines(build_message(a_notice(NoticeKind.OPENED, subject), Wording()))
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text


def test_json_is_one_line_with_the_document_for_machines() -> None:
    line = json_line(build_message(EXAMPLE, Wording()))
    assert line.count("\n") == 1
    assert json.loads(line)["data"]["subjects"][0]["topic"] == "invoice"


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

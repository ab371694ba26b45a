"""The page on alert channels shows what they really say and can do."""

import re
from pathlib import Path

import pytest

from sinks.alerts.console import text_lines
from sinks.alerts.message import Wording, build_message
from tests.support.channels import SETTINGS, opened
from tests.support.notices import EXAMPLES

PAGE = (Path(__file__).parents[2] / "docs" / "alerts-channels.md").read_text()
SHOWN = dict(re.findall(r"(?s)<!-- example: ([\w-]+) -->\n```text\n(.*?)```\n<!-- end example -->", PAGE))


@pytest.mark.parametrize("name", SHOWN)
def test_examples_are_what_the_console_writes(name: str) -> None:
    assert SHOWN[name] == text_lines(build_message(EXAMPLES[name], Wording()))


@pytest.mark.parametrize("type_", SETTINGS)
def test_the_table_says_what_a_channel_says_of_itself(type_: str) -> None:
    row = re.search(rf"(?m)^\| \[`{type_}`\]\(#[\w-]+\) \| (.*) \|$", PAGE)
    assert row is not None
    edits, threads, lists, pause, _ = row[1].split(" | ")
    channel = opened(type_, "http://127.0.0.1:9")
    assert (edits != "no") is channel.can_edit
    assert (threads == "yes") is channel.can_thread
    assert (lists == "yes") is channel.can_list
    assert pause == (f"{channel.min_interval_s:g} s" if channel.min_interval_s else "none")

"""What libraries say over and over is said once in a while; what we say ourselves always."""

import logging

from streams.logs import REPEATED_AFTER_S, OnceInAWhile


class Told:
    """A filter with a clock of its own, and what it let through."""

    def __init__(self) -> None:
        self.now = 0.0
        self._filter = OnceInAWhile(lambda: self.now)

    def __call__(self, text: str, *args: object, name: str = "aiokafka.conn", level: int = logging.ERROR) -> str | None:
        record = logging.LogRecord(name, level, "file.py", 1, text, args, None)
        return record.getMessage() if self._filter.filter(record) else None


def test_the_same_news_comes_once_in_ten_seconds_and_says_how_often_it_was_said() -> None:
    tell = Told()
    assert tell("no broker %s", 1) == "no broker 1"
    tell.now = 0.5
    assert tell("no broker %s", 2) is None
    tell.now = REPEATED_AFTER_S - 0.001
    assert tell("no broker %s", 3) is None
    tell.now = REPEATED_AFTER_S
    assert tell("no broker %s", 4) == "no broker 4 (and 2 times more since)"
    tell.now = 2 * REPEATED_AFTER_S
    assert tell("no broker %s", 5) == "no broker 5"


def test_other_news_of_other_parts_and_other_levels_pass() -> None:
    tell = Told()
    assert tell("gone") == tell("gone", name="aiokafka.client") == tell("gone", level=logging.WARNING) == "gone"
    assert tell("back") == "back"


def test_what_we_say_ourselves_always_passes() -> None:
    tell = Told()
    assert [tell("clickhouse_waits", name="streams.waiting") for _ in range(3)] == ["clickhouse_waits"] * 3


def test_a_text_that_is_never_the_same_fills_no_memory() -> None:
    tell = Told()
    for number in range(5_000):
        assert tell(f"record {number}") is not None
    assert len(tell._filter._said) <= 1_000

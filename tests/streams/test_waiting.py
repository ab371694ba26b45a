from typing import Any

from stamina.instrumentation import RetryDetails
from structlog.testing import capture_logs

from sinks.clickhouse.errors import StoreUnavailable
from streams.waiting import WaitLog


class Clock:
    """A clock that is put forward by hand, seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def paused(error: Exception, attempts: int = 1) -> RetryDetails:
    return RetryDetails("<context block>", (), {}, attempts, 0.2, 0.0, error)


def said_at(moments: list[tuple[float, Exception]]) -> list[tuple[float, dict[str, Any]]]:
    """Lines that the log has when attempts fail at these moments."""
    clock = Clock()
    wait_log = WaitLog(clock)
    lines = []
    for number, (moment, error) in enumerate(moments, start=1):
        clock.now = moment
        with capture_logs() as captured:
            wait_log(paused(error, number))
        lines += [(moment, dict(line)) for line in captured]
    return lines


def test_waiting_is_said_at_once_and_then_once_a_minute() -> None:
    away = StoreUnavailable("writing sessions to 127.0.0.1:9000/journeys: Connection refused")
    lines = said_at([(moment, away) for moment in (1000.0, 1000.2, 1015.0, 1059.9, 1060.0, 1075.0, 1120.0)])
    assert [moment for moment, _ in lines] == [1000.0, 1060.0, 1120.0]
    assert lines[1][1] == {
        "event": "waiting",
        "log_level": "warning",
        "dependency": "clickhouse",
        "error": "writing sessions to 127.0.0.1:9000/journeys: Connection refused",
        "attempts": 5,
    }


def test_a_second_outage_within_the_minute_is_said_when_the_minute_is_over() -> None:
    first, second = StoreUnavailable("first"), StoreUnavailable("second")
    lines = said_at([(0.0, first), (30.0, second), (60.0, second)])
    assert [line["error"] for _, line in lines] == ["first", "second"]


def test_two_dependencies_do_not_silence_each_other() -> None:
    lines = said_at([(0.0, StoreUnavailable("gone")), (0.1, ConnectionResetError()), (0.2, OSError("refused"))])
    assert [(line["dependency"], line["error"]) for _, line in lines] == [
        ("clickhouse", "gone"),
        ("kafka", "ConnectionResetError"),
    ]

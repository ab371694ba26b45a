"""The circuit breaker of an endpoint: closed, open for longer each time, half-open for one message."""

from sinks.alerts.breaker import Breaker, Circuit
from sinks.alerts.outcome import Delivered, Refused, Retry


def test_pauses_double_up_to_five_minutes_and_one_message_tries_the_endpoint_after_each() -> None:
    breaker, now, pauses = Breaker(), 100.0, []
    for _ in range(11):
        breaker = breaker.after(Retry(None, "busy"), now)
        assert breaker.circuit(now) is Circuit.OPEN
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
        assert breaker.circuit(now) is Circuit.HALF_OPEN
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_what_the_endpoint_asks_for_wins() -> None:
    assert Breaker().after(Retry(90.0, "busy"), 10.0).open_until == 100.0
    assert Breaker(failures=5).after(Retry(2.0, "busy"), 10.0).open_until == 12.0


def test_an_answer_closes_it_also_one_that_refuses_the_message() -> None:
    for outcome in (Delivered(), Refused("no")):
        assert Breaker(failures=5, open_until=10.0).after(outcome, 10.0).circuit(10.0) is Circuit.CLOSED

import pytest
from clickhouse_driver import errors as driver

from sinks.clickhouse import errors
from sinks.clickhouse.errors import Meaning, SchemaMismatch, StoreUnavailable, meaning, reason, understood


@pytest.mark.parametrize(
    "code",
    [
        159,  # TIMEOUT_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        252,  # TOO_MANY_PARTS
        319,  # UNKNOWN_STATUS_OF_INSERT
        999,  # KEEPER_EXCEPTION
        9_999,  # none that we know
    ],
)
def test_a_server_under_pressure_is_tried_again(code: int) -> None:
    error = driver.ServerException("busy", code)
    assert meaning(error) is Meaning.RETRY
    assert isinstance(understood(error, "writing"), StoreUnavailable)


@pytest.mark.parametrize("error", [ConnectionResetError(), EOFError(), TimeoutError(), driver.NetworkError("gone")])
def test_a_server_that_is_gone_is_tried_again(error: Exception) -> None:
    assert meaning(error) is Meaning.RETRY
    assert isinstance(understood(error, "writing"), StoreUnavailable)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (16, "apply the migrations"),  # NO_SUCH_COLUMN_IN_TABLE
        (47, "apply the migrations"),  # UNKNOWN_IDENTIFIER
        (60, "apply the migrations"),  # UNKNOWN_TABLE
        (81, "apply the migrations, or name another database"),  # UNKNOWN_DATABASE
        (164, "use one that may write"),  # READONLY
        (497, "grant it, or use another user"),  # ACCESS_DENIED
        (516, "check both"),  # AUTHENTICATION_FAILED
    ],
)
def test_what_a_person_has_to_mend_stops_with_advice(code: int, advice: str) -> None:
    error = driver.ServerException("DB::Exception: no.\nStack trace: 1 2 3", code)
    assert meaning(error) is Meaning.STOP
    stop = understood(error, "writing touchpoints")
    assert isinstance(stop, SchemaMismatch)
    assert str(stop).startswith("writing touchpoints: ")
    assert advice in str(stop)
    assert "Stack trace" not in str(stop)


@pytest.mark.parametrize("code", [6, 53, 69, 70, 117, 131, 349, 469])
def test_a_value_that_the_server_cannot_take_is_refused(code: int) -> None:
    assert meaning(driver.ServerException("no", code)) is Meaning.REFUSE


def test_a_value_that_the_driver_cannot_encode_is_refused() -> None:
    assert meaning(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")) is Meaning.REFUSE
    assert meaning(driver.TypeMismatchError("no")) is Meaning.REFUSE


def test_a_reason_names_the_error_and_quotes_nothing() -> None:
    assert reason(driver.ServerException("cannot parse 'anna@example.org'", 53)) == "TYPE_MISMATCH (53)"
    assert reason(driver.ServerException("cannot parse 'anna@example.org'", 469)) == "error (469)"
    assert reason(UnicodeEncodeError("utf-8", "anna\ud800", 4, 5, "surrogates")) == "UnicodeEncodeError"


def test_every_error_that_is_classified_by_name_exists() -> None:
    assert set(errors._STOP) | errors._REFUSE <= set(errors._CODE_NAMES.values())

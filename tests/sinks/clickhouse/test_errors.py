import pytest
from clickhouse_driver import errors as driver

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.error_codes import ERROR_GROUPS, Meaning
from sinks.clickhouse.errors import AnswerUnknown, SchemaMismatch, StoreUnavailable, meaning, reason, understood


@pytest.mark.parametrize(
    "code",
    [
        159,  # TIMEOUT_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        319,  # UNKNOWN_STATUS_OF_INSERT
        425,  # SYSTEM_ERROR
        774,  # TABLE_IS_PERMANENTLY_READ_ONLY
        999,  # KEEPER_EXCEPTION
    ],
)
def test_a_server_under_pressure_is_tried_again(code: int) -> None:
    error = driver.ServerException("busy", code)
    assert meaning(error) is Meaning.RETRY
    assert type(understood(error, "writing")) is StoreUnavailable


@pytest.mark.parametrize("error", [ConnectionResetError(), EOFError(), TimeoutError(), driver.NetworkError("gone")])
def test_a_server_that_is_gone_is_tried_again(error: Exception) -> None:
    assert meaning(error) is Meaning.RETRY
    assert type(understood(error, "writing")) is StoreUnavailable


@pytest.mark.parametrize(
    "code",
    [
        36,  # BAD_ARGUMENTS
        49,  # LOGICAL_ERROR
        102,  # UNEXPECTED_PACKET_FROM_SERVER
        1001,  # STD_EXCEPTION
        9_999,  # none that we know
    ],
)
def test_an_answer_that_nobody_knows_is_neither_waited_out_nor_blamed_on_rows(code: int) -> None:
    error = driver.ServerException("DB::Exception: odd.\nStack trace: 1 2 3", code)
    assert meaning(error) is Meaning.UNKNOWN
    unknown = understood(error, "writing sessions")
    assert isinstance(unknown, AnswerUnknown)
    assert str(unknown) == f"writing sessions: code {code}: DB::Exception: odd"


def test_a_value_refused_where_no_rows_were_written_is_an_unknown_answer() -> None:
    assert isinstance(understood(driver.ServerException("no", 53), "reading persons"), AnswerUnknown)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (16, "a column is missing; apply the migrations of this version (journeys migrate)"),
        (43, "a column has another type than this version expects; apply the migrations"),
        (47, "a column is missing; apply the migrations"),
        (60, "a table is missing; apply the migrations of this version (journeys migrate)"),
        (81, "the database is missing; apply the migrations, or name another database"),
        (164, "the user may only read; use one that may write (JOURNEYS_CLICKHOUSE__USER)"),
        (
            192,
            "user or password is wrong; check user and password (JOURNEYS_CLICKHOUSE__USER, JOURNEYS_CLICKHOUSE__PAS",
        ),
        (497, "the user lacks a permission; grant it, or use another user (JOURNEYS_CLICKHOUSE__USER)"),
        (516, "user or password is wrong; check user and password"),
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
    assert reason(driver.ServerException("cannot parse 'anna@example.org'", 469)) == "VIOLATED_CONSTRAINT (469)"
    assert reason(driver.ServerException("cannot parse 'anna@example.org'", 9_999)) == "error (9999)"
    assert reason(UnicodeEncodeError("utf-8", "anna\ud800", 4, 5, "surrogates")) == "UnicodeEncodeError"


def test_no_code_is_in_two_groups() -> None:
    codes = [code for group in ERROR_GROUPS for code in group.codes]
    assert len(codes) == len(set(codes))


def test_whoever_has_to_stop_is_told_what_to_do() -> None:
    assert all(bool(group.advice) == (group.meaning is Meaning.STOP) for group in ERROR_GROUPS)


@pytest.mark.stack
def test_every_code_has_the_name_that_clickhouse_gives_it(engine: ClickHouseAddress) -> None:
    codes = {code: name for group in ERROR_GROUPS for code, name in group.codes.items()}
    client = connect(engine, database="default")
    rows = client.execute("SELECT arrayJoin(%(codes)s) AS code, errorCodeToName(toInt32(code))", {"codes": [*codes]})
    client.disconnect()
    assert dict(rows) == codes

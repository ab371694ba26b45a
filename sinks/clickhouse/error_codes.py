"""ClickHouse's error codes by what has to be done about them; the page on delivery shows the same table."""

from enum import Enum
from typing import Final, NamedTuple


class Meaning(Enum):
    """What is to be done after an error."""

    #: It passes by itself: try the same again, for as long as it takes.
    RETRY = "retry"
    #: A value is refused for good: find its rows and leave them out.
    REFUSE = "refuse"
    #: A person has to act.
    STOP = "stop"
    #: Nobody knows: try again a few times, then stop with the server's message.
    UNKNOWN = "unknown"


class ErrorGroup(NamedTuple):
    """Codes with one meaning: what is wrong, what a person can do (nothing to do: ''), and ClickHouse's names."""

    meaning: Meaning
    wrong: str
    advice: str
    codes: dict[int, str]


_MIGRATE: Final = "apply the migrations of this version (journeys migrate)"
_SIGN_IN: Final = "check user and password (JOURNEYS_CLICKHOUSE__USER, JOURNEYS_CLICKHOUSE__PASSWORD)"

#: Numbers and names are those of `errorCodeToName()` in ClickHouse. What is not here is `UNKNOWN`.
ERROR_GROUPS: Final = (
    ErrorGroup(
        Meaning.RETRY,
        "the server is gone, starting or stopping",
        "",
        {
            3: "UNEXPECTED_END_OF_FILE",
            32: "ATTEMPT_TO_READ_AFTER_EOF",
            33: "CANNOT_READ_ALL_DATA",
            95: "CANNOT_READ_FROM_SOCKET",
            96: "CANNOT_WRITE_TO_SOCKET",
            198: "DNS_ERROR",
            203: "NO_FREE_CONNECTION",
            209: "SOCKET_TIMEOUT",
            210: "NETWORK_ERROR",
            236: "ABORTED",
            279: "ALL_CONNECTION_TRIES_FAILED",
            394: "QUERY_WAS_CANCELLED",
            722: "ASYNC_LOAD_WAIT_FAILED",
            733: "TABLE_IS_BEING_RESTARTED",
        },
    ),
    ErrorGroup(
        Meaning.RETRY,
        "the server has too much to do",
        "",
        {
            159: "TIMEOUT_EXCEEDED",
            160: "TOO_SLOW",
            173: "CANNOT_ALLOCATE_MEMORY",
            201: "QUOTA_EXCEEDED",
            202: "TOO_MANY_SIMULTANEOUS_QUERIES",
            241: "MEMORY_LIMIT_EXCEEDED",
            252: "TOO_MANY_PARTS",
            341: "UNFINISHED",
            364: "RECEIVED_ERROR_TOO_MANY_REQUESTS",
            384: "PART_IS_TEMPORARILY_LOCKED",
            439: "CANNOT_SCHEDULE_TASK",
            473: "DEADLOCK_AVOIDED",
            692: "TOO_MANY_MUTATIONS",
            745: "SERVER_OVERLOADED",
            749: "TCP_CONNECTION_LIMIT_REACHED",
        },
    ),
    ErrorGroup(
        Meaning.RETRY,
        "a disk is full or fails",
        "",
        {
            74: "CANNOT_READ_FROM_FILE_DESCRIPTOR",
            75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
            76: "CANNOT_OPEN_FILE",
            172: "CANNOT_CREATE_DIRECTORY",
            204: "CANNOT_FSYNC",
            214: "CANNOT_STATVFS",
            243: "NOT_ENOUGH_SPACE",
            425: "SYSTEM_ERROR",
            499: "S3_ERROR",
        },
    ),
    ErrorGroup(
        Meaning.RETRY,
        "a table cannot be written now, or its replicas are not at one",
        "",
        {
            225: "NO_ZOOKEEPER",
            242: "TABLE_IS_READ_ONLY",
            244: "UNEXPECTED_ZOOKEEPER_ERROR",
            254: "NO_ACTIVE_REPLICAS",
            265: "NO_AVAILABLE_REPLICA",
            285: "TOO_FEW_LIVE_REPLICAS",
            286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
            289: "REPLICA_IS_NOT_IN_QUORUM",
            319: "UNKNOWN_STATUS_OF_INSERT",
            369: "ALL_REPLICAS_ARE_STALE",
            774: "TABLE_IS_PERMANENTLY_READ_ONLY",
            999: "KEEPER_EXCEPTION",
        },
    ),
    ErrorGroup(
        Meaning.REFUSE,
        "a value fits no column",
        "",
        {
            6: "CANNOT_PARSE_TEXT",
            25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
            26: "CANNOT_PARSE_QUOTED_STRING",
            27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
            38: "CANNOT_PARSE_DATE",
            41: "CANNOT_PARSE_DATETIME",
            53: "TYPE_MISMATCH",
            69: "ARGUMENT_OUT_OF_BOUND",
            70: "CANNOT_CONVERT_TYPE",
            72: "CANNOT_PARSE_NUMBER",
            117: "INCORRECT_DATA",
            128: "TOO_LARGE_ARRAY_SIZE",
            131: "TOO_LARGE_STRING_SIZE",
            321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
            349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
            376: "CANNOT_PARSE_UUID",
            469: "VIOLATED_CONSTRAINT",
        },
    ),
    ErrorGroup(Meaning.STOP, "a table is missing", _MIGRATE, {60: "UNKNOWN_TABLE"}),
    ErrorGroup(
        Meaning.STOP,
        "a column is missing",
        _MIGRATE,
        {
            8: "THERE_IS_NO_COLUMN",
            10: "NOT_FOUND_COLUMN_IN_BLOCK",
            16: "NO_SUCH_COLUMN_IN_TABLE",
            20: "NUMBER_OF_COLUMNS_DOESNT_MATCH",
            47: "UNKNOWN_IDENTIFIER",
        },
    ),
    ErrorGroup(
        Meaning.STOP,
        "a column has another type than this version expects",
        _MIGRATE,
        {
            43: "ILLEGAL_TYPE_OF_ARGUMENT",
            44: "ILLEGAL_COLUMN",
            50: "UNKNOWN_TYPE",
            122: "INCOMPATIBLE_COLUMNS",
            386: "NO_COMMON_TYPE",
        },
    ),
    ErrorGroup(
        Meaning.STOP,
        "the database is missing",
        "apply the migrations, or name another database (journeys migrate, JOURNEYS_CLICKHOUSE__DATABASE)",
        {81: "UNKNOWN_DATABASE"},
    ),
    ErrorGroup(
        Meaning.STOP,
        "this server does not understand the statement",
        "it may be too old: use a later ClickHouse",
        {
            46: "UNKNOWN_FUNCTION",
            48: "NOT_IMPLEMENTED",
            62: "SYNTAX_ERROR",
            63: "UNKNOWN_AGGREGATE_FUNCTION",
            115: "UNKNOWN_SETTING",
        },
    ),
    ErrorGroup(
        Meaning.STOP,
        "the user may only read",
        "use one that may write (JOURNEYS_CLICKHOUSE__USER)",
        {164: "READONLY", 392: "QUERY_IS_PROHIBITED"},
    ),
    ErrorGroup(
        Meaning.STOP,
        "the user lacks a permission",
        "grant it, or use another user (JOURNEYS_CLICKHOUSE__USER)",
        {291: "DATABASE_ACCESS_DENIED", 452: "SETTING_CONSTRAINT_VIOLATION", 497: "ACCESS_DENIED"},
    ),
    ErrorGroup(
        Meaning.STOP,
        "user or password is wrong",
        _SIGN_IN,
        {
            192: "UNKNOWN_USER",
            193: "WRONG_PASSWORD",
            194: "REQUIRED_PASSWORD",
            195: "IP_ADDRESS_NOT_ALLOWED",
            516: "AUTHENTICATION_FAILED",
        },
    ),
    ErrorGroup(
        Meaning.STOP,
        "this is not the port of the native protocol",
        "name another (JOURNEYS_CLICKHOUSE__PORT)",
        {217: "CLIENT_HAS_CONNECTED_TO_WRONG_PORT"},
    ),
)

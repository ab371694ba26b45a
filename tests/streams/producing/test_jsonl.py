"""Lines of JSON: what is a touchpoint goes on, what is none is named with its number and reason."""

import io

import pytest

from schemas.codec import MAX_VALUE_BYTES
from schemas.touchpoint import Touchpoint
from streams.producing.jsonl import read_touchpoints
from streams.producing.transfer import Refusal

GOOD = b'{"id":"1","source":"web","kind":"page.viewed","occurred_at":1704067200000,"identities":["account:7"]}'


def read(*lines: bytes) -> list[Touchpoint | Refusal]:
    """Touchpoints and refusals in the order of their lines."""
    parsed = read_touchpoints(io.BytesIO(b"\n".join(lines)))
    return [item if isinstance(item, Refusal) else item[0] for item in parsed]


def test_a_bad_line_is_named_and_the_others_go_through() -> None:
    first, second, third = read(GOOD, b"garbage", GOOD)
    assert isinstance(first, Touchpoint)
    assert isinstance(third, Touchpoint)
    assert second == Refusal(2, None, "not valid JSON: JSON is malformed: invalid character (byte 0)")


def test_numbers_count_blank_lines_which_are_passed_over() -> None:
    assert read(b"", GOOD, b"  ", b"{}") == [
        *read(GOOD),
        Refusal(4, "id", "id is missing or empty"),
    ]


def test_times_may_be_iso_8601_with_a_zone() -> None:
    line = GOOD.replace(b"1704067200000", b'"2024-01-01T01:00:00.000+01:00"')
    assert read(line) == read(GOOD)


def test_a_time_without_zone_is_refused_by_name() -> None:
    (refusal,) = read(GOOD.replace(b"1704067200000", b'"2024-01-01T00:00:00"'))
    assert isinstance(refusal, Refusal)
    assert refusal.field == "occurred_at"
    assert "zone is missing" in refusal.reason


def test_an_unknown_field_is_refused_with_the_closest_known_one() -> None:
    (refusal,) = read(GOOD.replace(b'"kind"', b'"knid"'))
    assert refusal == Refusal(1, "knid", "unknown field; did you mean kind?")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * 5_000 + b"]" * 5_000, "nested too deeply"),
        (b'"\xff"', "not valid JSON"),
        (b'{"id":"\\ud800"}', "not valid JSON"),
        (b"[1]", "expected a JSON object, got list"),
        (GOOD + GOOD, "not valid JSON"),
    ],
)
def test_hostile_lines_are_refused(line: bytes, reason: str) -> None:
    (refusal,) = read(line)
    assert isinstance(refusal, Refusal)
    assert reason in refusal.reason


def test_a_line_that_is_too_long_is_passed_over_and_the_next_one_read() -> None:
    long_line = GOOD + b" " * (3 * MAX_VALUE_BYTES)
    refused, good = read(long_line, GOOD)
    assert refused == Refusal(1, None, "the line is longer than 1000000 bytes")
    assert isinstance(good, Touchpoint)


def test_a_line_of_exactly_the_limit_is_read() -> None:
    (touchpoint,) = read(GOOD + b" " * (MAX_VALUE_BYTES - len(GOOD)))
    assert isinstance(touchpoint, Touchpoint)


def test_a_byte_order_mark_and_a_missing_last_newline_do_not_matter() -> None:
    assert read(b"\xef\xbb\xbf" + GOOD, GOOD) == read(GOOD, GOOD)


def test_progress_ends_at_the_size_of_the_file() -> None:
    content = b"\n".join([GOOD] * 2_500)
    positions: list[int] = []
    assert len(list(read_touchpoints(io.BytesIO(content), positions.append))) == 2_500
    assert positions == [1_000 * (len(GOOD) + 1), 2_000 * (len(GOOD) + 1), len(content)]

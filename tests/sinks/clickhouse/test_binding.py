import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.binding import bound, places


def test_every_place_gets_its_value_and_the_rest_stays() -> None:
    sql = "SELECT '100 %' WHERE rule = {rule:String} AND ({days:UInt32} = 0 OR day > {days:UInt32})"
    assert places(sql) == {"rule": "String", "days": "UInt32"}
    assert bound(sql, {"rule": "ab", "days": 7, "other": 1}) == (
        "SELECT '100 %' WHERE rule = unhex('6162') AND (CAST(7, 'UInt32') = 0 OR day > CAST(7, 'UInt32'))"
    )


@given(st.text())
def test_a_text_becomes_digits_that_it_cannot_break_out_of(text: str) -> None:
    value = text.encode("utf-8", "replace").decode()
    literal = bound("{x:String}", {"x": value})
    assert set(literal.removeprefix("unhex('").removesuffix("')")) <= set("0123456789abcdef")
    assert bytes.fromhex(literal[7:-2]).decode() == value


@pytest.mark.parametrize(
    ("sql", "value"), [("{x:String}", 1), ("{x:UInt8}", "1"), ("{x:UInt8}", True), ("{x:Float64}", 1)]
)
def test_a_value_of_another_type_is_refused(sql: str, value: object) -> None:
    with pytest.raises(TypeError, match=r"^x is a"):
        bound(sql, {"x": value})  # type: ignore[dict-item]


def test_a_place_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError):
        bound("{x:UInt8}", {})

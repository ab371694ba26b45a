import pytest

from sinks.clickhouse.address import ClickHouseAddress


def test_the_password_shows_in_no_text() -> None:
    address = ClickHouseAddress(password="opensesame")
    assert "opensesame" not in f"{address} {address!r}"


@pytest.mark.parametrize("database", ["", "a b", "journeys; DROP", "1st", "x`y", "journeys\n"])
def test_a_database_that_is_no_plain_name_is_refused(database: str) -> None:
    with pytest.raises(ValueError, match="not a plain name"):
        ClickHouseAddress(database=database)

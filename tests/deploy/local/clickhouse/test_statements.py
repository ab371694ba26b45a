import pytest

from deploy.local.clickhouse.statements import (
    quoted,
    quoted_name,
    read_data_insert,
    trailing_format,
    without_format,
    without_leading_comments,
)


@pytest.mark.parametrize(
    ("sql", "target", "table", "columns"),
    [
        ("INSERT INTO t VALUES", "INSERT INTO t", "t", ()),
        ("insert into db.t (a,b) values", "insert into db.t (a,b)", "db.t", ("a", "b")),
        ("INSERT INTO t (a)VALUES ;", "INSERT INTO t (a)", "t", ("a",)),
        ("INSERT INTO TABLE t (a) FORMAT Native", "INSERT INTO TABLE t (a)", "t", ("a",)),
        (
            'INSERT INTO `d``b`.`t` (`a b`, "c") VALUES',
            'INSERT INTO `d``b`.`t` (`a b`, "c")',
            "`d``b`.`t`",
            ("a b", "c"),
        ),
        ("-- why\n/* and */ INSERT INTO t VALUES", "INSERT INTO t", "t", ()),
        ("INSERT INTO t (a) SETTINGS x = 0 VALUES", "INSERT INTO t (a)", "t", ("a",)),
        ("INSERT INTO t\n(\n  a,\n  b\n)\nVALUES\n", "INSERT INTO t\n(\n  a,\n  b\n)", "t", ("a", "b")),
    ],
)
def test_an_insert_whose_rows_follow_is_read(sql: str, target: str, table: str, columns: tuple[str, ...]) -> None:
    read = read_data_insert(sql)
    assert read is not None
    assert (read.target.rstrip(), read.table, read.columns) == (target, table, columns)
    assert read.settings == ("SETTINGS x = 0" if "SETTINGS" in sql else "")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SELECT 1",
        "INSERT INTO t SELECT 1 FORMAT Native",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t (a) VALUES ('x VALUES')",
        "SELECT 'INSERT INTO t VALUES'",
        "CREATE TABLE values (a Int8)",
    ],
)
def test_a_statement_that_brings_its_rows_along_is_left_to_the_engine(sql: str) -> None:
    assert read_data_insert(sql) is None


@pytest.mark.parametrize(
    ("sql", "rest", "name"),
    [
        ("SELECT 1 FORMAT JSON", "SELECT 1", "JSON"),
        ("SELECT 1\nformat CSV ;\n", "SELECT 1", "CSV"),
        ("SELECT ' FORMAT JSON'", "SELECT ' FORMAT JSON'", None),
        ("SELECT format", "SELECT format", None),
    ],
)
def test_only_a_format_clause_at_the_end_counts(sql: str, rest: str, name: str | None) -> None:
    assert without_format(sql) == rest
    assert trailing_format(sql) == name


def test_a_nested_comment_is_left_standing_because_the_engine_nests_them() -> None:
    assert without_leading_comments("/* a */ -- b\n SELECT 1") == "SELECT 1"
    assert without_leading_comments("/* /* */ SELECT */ KILL") == "/* /* */ SELECT */ KILL"


def test_text_and_names_cannot_leave_their_quotes() -> None:
    assert quoted("it's \\") == "'it\\'s \\\\'"
    assert quoted_name("a`b\\") == "`a\\`b\\\\`"

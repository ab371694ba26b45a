from hypothesis import given
from hypothesis import strategies as st

from sinks.csv_cells import defused


def test_texts_that_a_spreadsheet_would_run_get_an_apostrophe() -> None:
    dangerous = ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
    assert [defused(text) for text in dangerous] == [f"'{text}" for text in dangerous]


def test_other_texts_stay_as_they_are() -> None:
    for text in ("", "chat", "5 = 5", "a-b", "'=1", "über", " =1"):
        assert defused(text) == text


@given(st.text())
def test_no_text_begins_as_a_formula_afterwards(text: str) -> None:
    assert defused(text)[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}
    assert defused(text).endswith(text)

"""Cells of CSV files as a spreadsheet may open them: texts that it would run as a formula are defused."""

from typing import Final

#: With these a cell begins that spreadsheets run; those that OWASP names for CSV injection.
_RUN_BY_SPREADSHEETS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def defused(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text

"""Rows of an answer as lines of CSV, as RFC 4180 has them, that a spreadsheet may open."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from sinks.csv_cells import defused


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Lines of CSV; nothing in them is run as a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: object) -> object:
    match cell:
        case None:
            return ""
        case str():
            return defused(cell)
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}.{cell.microsecond // 1000:03}"
        case list() | tuple():
            return defused(", ".join(str(item) for item in cell))
        case _:
            return cell

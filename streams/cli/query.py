"""`journeys query`: SQL, read-only."""

from enum import StrEnum
from typing import Annotated

import typer

from sinks.clickhouse.tables import PARAMETERISED_VIEWS, VIEWS
from streams.cli.addressing import ClickHouse, DataDir

_PARAMETERISED = " and ".join(PARAMETERISED_VIEWS)
HELP = f"""Ask ClickHouse a question in SQL; it can only read.

Analysts use the views {", ".join(VIEWS[:-1])} and {VIEWS[-1]}; DESCRIBE v_frictions says what each column means.
{_PARAMETERISED} want parameters, e.g. v_person_timeline(person_key = '...'). In CSV, texts that a spreadsheet would
run as a formula get a quote in front.
"""


class Format(StrEnum):
    """How to print the answer."""

    PRETTY = "Pretty"
    JSON_EACH_ROW = "JSONEachRow"
    CSV = "CSV"


def command(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One query.")],
    format_: Annotated[Format, typer.Option("--format", help="How to print the answer.")] = Format.PRETTY,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
) -> None:
    """Ask ClickHouse a question."""
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused, ask
    from streams.cli.output import friendly_errors, print_csv, print_json, print_table
    from streams.settings import SettingsError, load_settings
    from streams.store import reading_address

    with friendly_errors(SettingsError, QuestionRefused, StoreUnavailable, SchemaMismatch):
        settings = load_settings(data_dir, clickhouse=clickhouse)
        answer = ask(reading_address(settings), sql)
    if format_ is Format.JSON_EACH_ROW:
        for record in answer.records():
            print_json(record)
    elif format_ is Format.CSV:
        print_csv(answer.columns, answer.rows)
    else:
        print_table(answer.columns, answer.rows)

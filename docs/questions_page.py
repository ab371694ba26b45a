"""docs/questions.md: every ready-made answer with its query and what it answers about the sample company.

The catalogue of questions is `sinks.clickhouse.ready_made.catalogue`; the outputs are asked of an embedded engine that
holds `docs.sample`. `python -m docs.questions_page` writes the page.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from docs.sample import sample_company, store_company
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.questions import Answer, ask
from sinks.clickhouse.ready_made.catalogue import READY_MADE, Parameter, ReadyMade, Value
from sinks.clickhouse.rollups.upkeep import ROLLUPS, rebuild

PAGE: Final = Path(__file__).parent / "questions.md"
_READY: Final = re.compile(r"ready native=\S+:(\d+) ")
_BLOCK: Final = re.compile(r"(?s)(<!-- questions -->\n).*(<!-- end questions -->)")
_LONGEST_CELL: Final = 60
_END_WITHIN_S: Final = 20


@contextmanager
def sample_engine() -> Iterator[ClickHouseAddress]:
    """An embedded engine of its own, with the schema and the sample company in it."""
    with tempfile.TemporaryDirectory(prefix="journeys-questions-") as folder:
        command = [sys.executable, "-m", "deploy.local.clickhouse", "--data-dir", folder]
        ports = ("--native-port", "0", "--http-port", "0")
        engine = subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        try:
            ready = _READY.match(engine.stdout.readline() if engine.stdout else "")
            if ready is None:
                msg = "the embedded engine did not start"
                raise RuntimeError(msg)
            address = ClickHouseAddress(port=int(ready[1]))
            migrate(address)
            store_sample(address)
            yield address
        finally:
            engine.terminate()
            engine.wait(_END_WITHIN_S)


def store_sample(address: ClickHouseAddress) -> None:
    """The sample company and its rollups, in a database with the schema in it."""
    store_company(address, sample_company())
    for rollup in ROLLUPS:
        rebuild(address, rollup)


def sections(address: ClickHouseAddress) -> str:
    """A section for every question, with what it answers."""
    parts = [f"- [{one.question}](#{_anchor(one.question)})\n" for one in READY_MADE]
    parts += [_section(address, one) for one in READY_MADE]
    return "".join(parts)


def example_values(address: ClickHouseAddress, one: ReadyMade) -> dict[str, Value]:
    """Values for the parameters of a question: found in the data, or the example's."""
    return {parameter.name: _example(address, parameter) for parameter in one.parameters}


def _example(address: ClickHouseAddress, parameter: Parameter) -> Value:
    if not parameter.example_sql:
        return parameter.example
    rows = ask(address, parameter.example_sql).rows
    return str(rows[0][0]) if rows else ""


def answered(address: ClickHouseAddress, one: ReadyMade) -> Answer:
    """The answer, by one thread, so that sums of fractions are the same each time."""
    sql = one.filled(example_values(address, one))
    client = connect(address)
    try:
        rows, described = client.execute(sql, with_column_types=True, settings={"max_threads": 1, "readonly": 2})
    finally:
        client.disconnect()
    return Answer(tuple(name for name, _ in described), tuple(type_ for _, type_ in described), rows)


def _section(address: ClickHouseAddress, one: ReadyMade) -> str:
    answer = answered(address, one)
    wanted = "".join(f"- `{parameter.name}`: {parameter.says}\n" for parameter in one.parameters)
    pitfalls = "".join(f"- {pitfall}\n" for pitfall in one.pitfalls)
    return (
        f"\n## {one.question}\n\n`{one.view}`. {one.reading}\n\n"
        f"```sql\n{one.filled(example_values(address, one))}\n```\n\n"
        + (f"Parameters:\n\n{wanted}\n" if wanted else "")
        + f"```text\n{as_table(answer.columns, answer.rows)}```\n\n"
        f"What it is easy to get wrong:\n\n{pitfalls}\nSource: {one.source}\n"
    )


def as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns and rows as plain text, each column as wide as it has to be, ending in a newline."""
    lines = [tuple(columns), *(tuple(_cell(cell) for cell in row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def _cell(cell: Any) -> str:
    match cell:
        case None | "":
            return "-"
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:.6g}"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}"
        case date():
            return f"{cell:%Y-%m-%d}"
        case _:
            text = str(cell)
            return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 3] + "..."


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def renewed(text: str, address: ClickHouseAddress) -> str:
    """The page with its sections made anew."""
    company = sample_company().truth
    told = f"{company.totals.touchpoints:,} touchpoints of {company.persons:,} persons, from {company.start[:10]} on"
    return _BLOCK.sub(
        lambda block: f"{block[1]}\nThe outputs are about {told}.\n\n{sections(address)}\n{block[2]}", text
    )


def main() -> None:
    """Rewrite the page if it has changed, and say so."""
    text = PAGE.read_text(encoding="utf-8")
    with sample_engine() as address:
        new = renewed(text, address)
    if new != text:
        PAGE.write_text(new, encoding="utf-8")
        print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()

"""Mappings: how the rows of a table become touchpoints, as checked data.

`fields` hold for every touchpoint of a row, `tables` turn a column's value into fields, and `touchpoints` lists what
one row becomes, each with fields of its own. Later ones win: fields, tables, touchpoint.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.touchpoint import TIME_FIELDS
from streams.producing.contract_fields import (
    FIELD_TYPES,
    check_field_name,
    checked_constant,
    closest,
    unknown_word,
)

#: Words for `dates` beside strptime formats.
DATE_WORDS: Final = ("iso", "epoch_s", "epoch_ms")
#: Milliseconds in one `unit`.
UNIT_MS: Final = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
#: What every touchpoint needs; its id is the hash of the row unless a field says otherwise.
_NEEDED: Final = ("source", "kind", "occurred_at", "identities")
#: No two parts alike, so that a format that drops or swaps one is seen.
_SAMPLE_MOMENT: Final = datetime(2024, 5, 27, 13, 41, 59, tzinfo=UTC)

Scalar = str | int | float | bool


class _Part(BaseModel):
    """A part of a mapping; an unknown key is an error that says which keys there are."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _knows_its_keys(cls, data: Any) -> Any:
        allowed = [field.alias or name for name, field in cls.model_fields.items()]
        if not isinstance(data, dict):
            raise ValueError(f"expected keys with values, got {data!r}; allowed keys: {', '.join(allowed)}")
        for key in data:
            if key not in allowed:
                raise ValueError(f"unknown key {key!r}{closest(str(key), allowed)}; allowed: {', '.join(allowed)}")
        return data


def _cell_text(value: Any) -> str:
    # YAML reads No, ~ and 2024-05-27 as something else than the text in the file that is imported.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not text here; put it into quotes")
    return str(value)


CellText = Annotated[str, BeforeValidator(_cell_text)]


def _date_format(text: str) -> str:
    if text in DATE_WORDS:
        return text
    allowed = f"allowed: {', '.join(DATE_WORDS)}, or a format such as %d.%m.%Y %H:%M"
    try:
        again = datetime.strptime(_SAMPLE_MOMENT.strftime(text), text)  # noqa: DTZ007 - only the date is compared
    except ValueError as error:
        raise ValueError(f"{text!r} is no date format ({error}); {allowed}") from None
    if again.date() != _SAMPLE_MOMENT.date():
        raise ValueError(f"{text!r} has no full date in it; {allowed}")
    return text


DateFormat = Annotated[CellText, AfterValidator(_date_format)]


class ValueSource(_Part):
    """Where a value comes from: a constant, a column, several columns, or the hash of the row.

    Several columns make JSON for `ext`; for another text they must all have a value, and are joined with a slash.
    `prefix` goes before texts, `unit` makes milliseconds of a number, `dates` are tried instead of the mapping's.
    """

    constant: Any = None
    column: CellText | None = None
    columns: Annotated[tuple[CellText, ...], Field(min_length=1)] | None = None
    row_hash: Literal[True] | None = None
    prefix: str = ""
    unit: Literal["ms", "s", "min", "h", "d"] | None = None
    dates: tuple[DateFormat, ...] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        origins = ("constant", "column", "columns", "row_hash")
        if sum(getattr(self, origin) is not None for origin in origins) != 1:
            raise ValueError("expected a plain value, or exactly one of column, columns, row_hash")
        return self

    def used_columns(self) -> tuple[str, ...]:
        """Names of the columns that it reads."""
        return self.columns or ((self.column,) if self.column is not None else ())


def _listed(given: Any) -> Any:
    if not isinstance(given, dict):
        raise ValueError(f"expected field names with values, got {given!r}")
    for name, value in given.items():
        check_field_name(name)
        if isinstance(value, list) and FIELD_TYPES[name] is not tuple:
            raise ValueError(f"{name}: expected one value, got a list")
    return {
        name: [item if isinstance(item, dict) else {"constant": item} for item in _as_list(value)]
        for name, value in given.items()
    }


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fitting(fields: dict[str, tuple[ValueSource, ...]]) -> dict[str, tuple[ValueSource, ...]]:
    return {
        name: tuple(_fitting_source(name, FIELD_TYPES[name], source) for source in sources)
        for name, sources in fields.items()
    }


def _fitting_source(name: str, expected: type, source: ValueSource) -> ValueSource:
    if source.columns is not None and expected not in {str, tuple}:
        raise ValueError(f"{name}: columns is for texts; name one with column")
    if source.unit and expected not in {int, float}:
        raise ValueError(f"{name}: unit is for numbers")
    if source.prefix and expected not in {str, tuple}:
        raise ValueError(f"{name}: prefix is for texts")
    if source.dates and name not in TIME_FIELDS:
        raise ValueError(f"{name}: dates is for {', '.join(sorted(TIME_FIELDS))}")
    if source.row_hash and expected not in {str, tuple}:
        raise ValueError(f"{name}: row_hash is for texts")
    if source.constant is None:
        return source
    return source.model_copy(update={"constant": checked_constant(name, source.constant)})


#: Contract field to where its value comes from; list fields have several sources, others one.
Fields = Annotated[dict[str, tuple[ValueSource, ...]], BeforeValidator(_listed), AfterValidator(_fitting)]


def _constants(given: Any) -> Any:
    if not isinstance(given, dict):
        raise ValueError(f"expected field names with constants, got {given!r}")
    for name, value in given.items():
        check_field_name(name)
        if isinstance(value, dict):
            raise ValueError(f"{name}: expected a constant; what comes from a column belongs into fields")
    return {
        name: [checked_constant(name, item) for item in _as_list(value)]
        if FIELD_TYPES[name] is tuple
        else checked_constant(name, value)
        for name, value in given.items()
    }


Constants = Annotated[dict[str, Any], BeforeValidator(_constants)]


class Table(_Part):
    """Fields by a column's value. A value that is not listed gives `otherwise`; without that the row is refused."""

    column: CellText
    values: dict[CellText, Constants]
    otherwise: Constants | None = None

    def outcomes(self) -> list[dict[str, Any]]:
        """Every set of fields that it may give."""
        return [*self.values.values(), *([self.otherwise] if self.otherwise is not None else [])]


class Condition(_Part):
    """Whether a row has a touchpoint: its column holds one of these texts, or, with `is_present`, anything at all."""

    column: CellText
    one_of: tuple[CellText, ...] | None = Field(None, alias="is")
    is_present: bool | None = Field(None, alias="present")

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.one_of is None) == (self.is_present is None):
            raise ValueError("expected either is: [text, ...] or present: true/false")
        return self


class RowTouchpoint(_Part):
    """One touchpoint that a row becomes. The name goes into its id where a row becomes several."""

    name: str = Field("touchpoint", min_length=1)
    when: Condition | None = None
    fields: Fields = {}


class CsvShape(_Part):
    """How a delimited text file is written. `quote: null` means that quotes are plain text."""

    separator: str = Field(",", min_length=1, max_length=1)
    quote: str | None = Field('"', min_length=1, max_length=1)
    encoding: str = "utf-8"
    columns: tuple[CellText, ...] | None = Field(None, description="Names for a file without a header line.")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; allowed: names such as UTC or Europe/Berlin") from None
    return name


class Mapping(_Part):
    """A whole mapping file.

    `missing` lists cell texts that mean "no value" (an empty cell always does), `zone` holds for times that name none
    (of a time that a clock change makes double, the first is taken), `dates` are tried in order.
    """

    description: str = ""
    format: Literal["csv", "jsonl", "parquet"] | None = None
    csv: CsvShape = CsvShape()
    missing: frozenset[CellText] = frozenset()
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    dates: tuple[DateFormat, ...] = ("iso",)
    fields: Fields = {}
    tables: tuple[Table, ...] = ()
    touchpoints: tuple[RowTouchpoint, ...] = (RowTouchpoint(),)

    @model_validator(mode="after")
    def _makes_whole_touchpoints(self) -> Self:
        if not self.touchpoints:
            raise ValueError("touchpoints: expected at least one")
        names = [touchpoint.name for touchpoint in self.touchpoints]
        if len(set(names)) != len(names):
            raise ValueError(f"touchpoints: every one needs a name of its own, got {', '.join(names)}")
        from_tables = {name for table in self.tables for outcome in table.outcomes() for name in outcome}
        for touchpoint in self.touchpoints:
            absent = [name for name in _NEEDED if name not in {*self.fields, *from_tables, *touchpoint.fields}]
            if absent:
                raise ValueError(f"touchpoint {touchpoint.name!r} has no {', '.join(absent)}")
        return self

    def used_columns(self) -> set[str]:
        """Names of all columns that it reads."""
        columns = {table.column for table in self.tables}
        columns.update(touchpoint.when.column for touchpoint in self.touchpoints if touchpoint.when)
        for _, source in self._sources():
            columns.update(source.used_columns())
        return columns

    def notes(self) -> list[str]:
        """Remarks for people: constants that are allowed, but that no rule knows."""
        constants = [(name, source.constant) for name, source in self._sources() if source.constant is not None]
        constants += [pair for table in self.tables for outcome in table.outcomes() for pair in outcome.items()]
        remarks = (unknown_word(name, value) for name, value in constants)
        return sorted({remark for remark in remarks if remark})

    def _sources(self) -> Iterator[tuple[str, ValueSource]]:
        for fields in (self.fields, *(touchpoint.fields for touchpoint in self.touchpoints)):
            for name, sources in fields.items():
                for source in sources:
                    yield name, source

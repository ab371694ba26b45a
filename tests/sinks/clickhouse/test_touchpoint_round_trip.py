"""What is written is read back, value for value, through the real engine."""

import itertools

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import EARLIEST_TIME, LATEST_TIME
from schemas.touchpoint import TIME_FIELDS, AppliedTouchpoint, Touchpoint
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import touchpoint_block
from sinks.clickhouse.writer import Writer

#: Each example has an owner of its own, so that it meets nothing of the others.
_OWNERS = itertools.count()

_REQUIRED_TEXT = st.text(max_size=8)
_TEXT = st.none() | st.text(min_size=1, max_size=8)
_INT64 = st.integers(-(2**63), 2**63 - 1)
_TIMES = st.integers(EARLIEST_TIME, LATEST_TIME - 1)
# Few months, since every month is a partition of the table.
_EVENT_TIMES = st.sampled_from([EARLIEST_TIME, LATEST_TIME - 1]) | st.integers(1_704_067_200_000, 1_709_251_199_999)
_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    str: _REQUIRED_TEXT,
    str | None: _TEXT,
    int | None: st.none() | _INT64,
    float | None: st.none() | st.floats(allow_nan=False),
    bool: st.booleans(),
    bool | None: st.none() | st.booleans(),
    tuple[str, ...]: st.lists(_REQUIRED_TEXT, max_size=3).map(tuple),
}


def _values(struct_field: msgspec.structs.FieldInfo) -> st.SearchStrategy[object]:
    if struct_field.name in TIME_FIELDS:
        return _TIMES if struct_field.type is int else st.none() | _TIMES
    if struct_field.name == "schema_version":
        return st.integers(-(2**31), 2**31 - 1)
    return _BY_TYPE[struct_field.type]


@st.composite
def touchpoints(draw: st.DrawFn) -> AppliedTouchpoint:
    values = {struct_field.name: draw(_values(struct_field)) for struct_field in msgspec.structs.fields(Touchpoint)}
    return AppliedTouchpoint(
        touchpoint=Touchpoint(**values),  # type: ignore[arg-type]  # drawn by the type of each field
        event_time=draw(_EVENT_TIMES),
        end_time=draw(_TIMES),
        identity_hash="",
        ingestion_time=draw(_TIMES),
        is_time_corrected=draw(st.booleans()),
        origin_topic=draw(_REQUIRED_TEXT),
        origin_partition=draw(st.integers(0, 2**31 - 1)),
        origin_offset=draw(st.integers(0, 2**63 - 1)),
        schema_id=draw(st.integers(0, 2**32 - 1)),
    )


@pytest.mark.stack
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(touchpoints(), min_size=1, max_size=4, unique_by=lambda applied: applied.key))
def test_touchpoints_come_back_as_they_were(drawn: list[AppliedTouchpoint], writer: Writer, reader: Reader) -> None:
    owner = f"{next(_OWNERS):032x}"
    owned = [msgspec.structs.replace(applied, identity_hash=owner) for applied in drawn]
    writer.insert(touchpoint_block(owned, token_prefix=owner))
    expected = sorted(owned, key=lambda applied: (*applied.order, applied.touchpoint.tenant))
    found = reader.load_touchpoints([owner])[owner]
    assert sorted(found, key=lambda applied: (*applied.order, applied.touchpoint.tenant)) == expected

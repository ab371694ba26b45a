"""Any touchpoint that the contract has a place for, however senseless; for round trips."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas.codec import EARLIEST_TIME, LATEST_TIME
from schemas.touchpoint import REQUIRED_FIELDS, TIME_FIELDS, Touchpoint

_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
_time = st.integers(EARLIEST_TIME, LATEST_TIME - 1)
_int64 = st.integers(-(2**63), 2**63 - 1)
_int32 = st.integers(-(2**31), 2**31 - 1)
_texts = st.lists(_text, max_size=3).map(tuple)
_by_type: dict[Any, st.SearchStrategy[Any]] = {
    str: _text,
    str | None: st.none() | _text,
    bool: st.booleans(),
    bool | None: st.none() | st.booleans(),
    int: _int32,
    int | None: st.none() | _int64,
    float | None: st.none() | st.floats(allow_nan=False, allow_infinity=False),
    tuple[str, ...]: _texts,
}


def _values(field: msgspec.structs.FieldInfo) -> st.SearchStrategy[Any]:
    if field.name in TIME_FIELDS:
        return _time if field.name in REQUIRED_FIELDS else st.none() | _time
    if field.name == "identities":
        return st.lists(_text, min_size=1, max_size=3).map(tuple)
    return _by_type[field.type]


any_touchpoint: st.SearchStrategy[Touchpoint] = st.builds(
    Touchpoint, **{field.name: _values(field) for field in msgspec.structs.fields(Touchpoint)}
)

"""Values in SQL: the places `{name:Type}` of ClickHouse's own query parameters, filled in on our side.

The local engine's native protocol takes no parameters, and its lock for readers looks into string literals; so every
place becomes an expression of digits alone, which no value can break out of. The text with its places is what people
are shown: any client runs it with `param_name` set.
"""

import re
from collections.abc import Mapping
from typing import Final

#: A value of a parameter, by its ClickHouse type.
Value = str | int
_PLACE: Final = re.compile(r"\{(\w+):(\w+)\}")
_INTEGERS: Final = ("UInt8", "UInt16", "UInt32", "UInt64", "Int64")


def places(sql: str) -> dict[str, str]:
    """Names of the parameters of a query, in the order in which they stand there, with their types."""
    return dict(_PLACE.findall(sql))


def bound(sql: str, values: Mapping[str, Value]) -> str:
    """The query with a value in every place.

    Raises:
        KeyError: a place has no value.
        TypeError: a value is not of the place's type, or the type is not one of texts or whole numbers.

    """
    return _PLACE.sub(lambda place: _literal(place[1], place[2], values[place[1]]), sql)


def _literal(name: str, type_: str, value: Value) -> str:
    if type_ == "String" and isinstance(value, str):
        return f"unhex('{value.encode().hex()}')"
    if type_ in _INTEGERS and isinstance(value, int) and not isinstance(value, bool):
        return f"CAST({value}, '{type_}')"
    raise TypeError(f"{name} is a {type_}, got {type(value).__name__}")

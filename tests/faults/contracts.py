"""Contracts of other times: one that producers had before, with fewer fields, and one that they may have next."""

from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from typing import Any, Final

import fastavro
import msgspec

from schemas.codec import MAGIC, encode, schema_index
from schemas.touchpoint import Touchpoint

_YESTERDAY: Final = 101
_TOMORROW: Final = 102
_NOT_YET: Final = {"message_class", "campaign", "survey_type", "basis", "purposes", "retention_class", "ext"}
_NEXT: Final = {"name": "mood", "type": ["null", "string"], "default": None}


def know_other_times() -> None:
    """Put both into the index of writer schemas, as a later version of the product would have them there."""
    index = schema_index()
    today = index.by_id[index.current_id]
    fields = today["fields"]
    older = [field for field in fields if field["name"] not in _NOT_YET]
    for id_, its_fields in ((_YESTERDAY, older), (_TOMORROW, [_NEXT, *fields[::-1]])):
        index.by_id[id_] = fastavro.parse_schema({"type": "record", "name": today["name"], "fields": its_fields})


def in_turn() -> Callable[[Touchpoint], bytes]:
    """An encoder that takes the contract of yesterday, of today and of tomorrow in turn."""
    encoders: cycle[Callable[[Touchpoint], bytes]] = cycle(
        (_encoder(_YESTERDAY), encode, _encoder(_TOMORROW, mood="content"))
    )

    def encode_next(touchpoint: Touchpoint) -> bytes:
        return next(encoders)(touchpoint)

    return encode_next


def _encoder(schema_id: int, **more: Any) -> Callable[[Touchpoint], bytes]:
    def encode_so(touchpoint: Touchpoint) -> bytes:
        out = BytesIO(bytes([MAGIC]) + schema_id.to_bytes(4))
        out.seek(5)
        fastavro.schemaless_writer(out, schema_index().by_id[schema_id], msgspec.structs.asdict(touchpoint) | more)
        return out.getvalue()

    return encode_so

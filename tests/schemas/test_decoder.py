"""The decoder written out for the contract: what it takes, what it leaves to the library, and that both agree."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import EARLIEST_TIME, LATEST_TIME, Decoded, SchemaIndex, decode, encode, schema_index
from schemas.decoder import Decoder, compiled
from schemas.touchpoint import Touchpoint
from tests.support.any_touchpoint import any_touchpoint
from tests.support.touchpoints import MONDAY

PLAIN = Touchpoint(id="1", source="s", kind="k", occurred_at=MONDAY, identities=("a:b",))
HEADER = b"\x00\x00\x00\x00\x01"
#: 2024-01-01 00:00 UTC in milliseconds.
AT = b"\x80\xd0\x8f\xa5\x98\x63"
WHO = b"\x02\x06a:b\x00"
FIRST = b"\x021\x02s\x02k"
OTHERS = b"\x0edefault\x02" + bytes(7) + b"\x10customer" + bytes(3) + b"\x0aother" + bytes(2) + b"\x0einbound"
SCORE_PLACE, WAIT_PLACE = 6, 12


@dataclass(frozen=True)
class Change:
    """One byte put in, taken out or replaced, or an end cut off; the place is a share of the length."""

    how: str
    place: float
    byte: int

    def applied(self, value: bytes) -> bytes:
        at = len(HEADER) + round(self.place * (len(value) - len(HEADER) - 1))
        byte = bytes([self.byte])
        match self.how:
            case "put in":
                return value[:at] + byte + value[at:]
            case "take out":
                return value[:at] + value[at + 1 :]
            case "replace":
                return value[:at] + byte + value[at + 1 :]
        return value[:at]


changes = st.builds(
    Change,
    st.sampled_from(("put in", "take out", "replace", "cut off")),
    st.floats(0, 1),
    # Small numbers are lengths, counts and branches; the rest makes numbers go on, or texts unreadable.
    st.sampled_from((0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF)) | st.integers(0, 255),
)


def after_direction(at: int, value: bytes) -> bytes:
    """A touchpoint whose fields after `direction` are absent but for one, the at-th, which has these bytes."""
    return HEADER + FIRST + AT + WHO + OTHERS + bytes(at) + value + bytes(35 - at)


def read(value: bytes) -> Touchpoint | None:
    decoder = schema_index().read
    assert decoder is not None
    return decoder(value)


def by_library(value: bytes) -> Touchpoint | None:
    index = schema_index()
    decoded = decode(value, SchemaIndex(index.by_id, index.current_id))
    return decoded.touchpoint if isinstance(decoded, Decoded) else None


@given(any_touchpoint)
def test_it_takes_whatever_we_encode(touchpoint: Touchpoint) -> None:
    assert read(encode(touchpoint)) == touchpoint


@given(any_touchpoint, st.lists(changes, min_size=1, max_size=3))
def test_what_it_takes_of_broken_bytes_is_what_the_library_takes(touchpoint: Touchpoint, broken: list[Change]) -> None:
    value = encode(touchpoint)
    for change in broken:
        value = change.applied(value)
    found = read(value)
    assert found is None or found == by_library(value)


@pytest.mark.parametrize("length", [63, 64, 8_191, 8_192, 100_000])
def test_lengths_of_texts_and_lists_take_as_many_bytes_as_they_need(length: int) -> None:
    touchpoint = msgspec.structs.replace(PLAIN, id="x" * length, objects=("order:1",) * length, topic="ü" * length)
    assert read(encode(touchpoint)) == touchpoint


@pytest.mark.parametrize("moment", [EARLIEST_TIME, MONDAY, 2**41 - 1, 2**41, LATEST_TIME - 1])
def test_moments_within_its_years_whatever_their_length(moment: int) -> None:
    touchpoint = msgspec.structs.replace(PLAIN, occurred_at=moment, sent_at=moment)
    assert read(encode(touchpoint)) == touchpoint


@pytest.mark.parametrize("moment", [0, -1, EARLIEST_TIME - 1, LATEST_TIME, 2**63 - 1])
def test_moments_of_other_years_are_left_to_the_library(moment: int) -> None:
    assert read(encode(msgspec.structs.replace(PLAIN, occurred_at=moment))) is None
    assert read(encode(msgspec.structs.replace(PLAIN, promise_due=moment))) is None


@pytest.mark.parametrize("number", [0, -1, 1, 63, -64, 64, -65, 2**31, 2**63 - 1, -(2**63)])
def test_numbers_of_all_lengths_and_both_signs(number: int) -> None:
    touchpoint = msgspec.structs.replace(PLAIN, wait_ms=number, errors=number)
    assert read(encode(touchpoint)) == touchpoint


def test_empty_texts_are_absent_or_as_by_default() -> None:
    empty = msgspec.structs.replace(PLAIN, actor="", tenant="", topic="", objects=("", "order:1", ""))
    assert read(encode(empty)) == msgspec.structs.replace(PLAIN, objects=("order:1",))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(
            HEADER + FIRST + AT + b"\x01\x08\x06a:b\x00" + OTHERS + bytes(36), id="a list that tells its bytes"
        ),
        pytest.param(
            HEADER + FIRST + AT + b"\x02\x06a:b\x02\x06c:d\x00" + OTHERS + bytes(36), id="a list in two parts"
        ),
        pytest.param(after_direction(0, b"\x01\x02x"), id="a branch below nothing"),
        pytest.param(after_direction(WAIT_PLACE, b"\x02" + b"\x80" * 10 + b"\x01"), id="a number of 70 bits"),
        pytest.param(after_direction(WAIT_PLACE, b"\x02" + b"\x80" * 9 + b"\x02"), id="a number of 65 bits"),
    ],
)
def test_what_nobody_writes_is_left_to_the_library_which_takes_it(value: bytes) -> None:
    assert read(value) is None
    assert by_library(value) is not None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"\x02" + HEADER[1:] + FIRST + AT + WHO + OTHERS + bytes(36), id="another magic byte"),
        pytest.param(HEADER[:4] + b"\x02" + FIRST + AT + WHO + OTHERS + bytes(36), id="another schema"),
        pytest.param(HEADER + b"\x00" + FIRST[2:] + AT + WHO + OTHERS + bytes(36), id="no id"),
        pytest.param(HEADER + FIRST + AT + b"\x00" + OTHERS + bytes(36), id="no identity"),
        pytest.param(HEADER + FIRST + AT + b"\x02\x00\x00" + OTHERS + bytes(36), id="an empty identity"),
        pytest.param(HEADER + b"\x01" + FIRST[1:] + AT + WHO + OTHERS + bytes(36), id="a length below nothing"),
        pytest.param(HEADER + b"\x02\xff" + FIRST[2:] + AT + WHO + OTHERS + bytes(36), id="no text"),
        pytest.param(HEADER + b"\x80" * 10 + b"\x02" + AT + WHO + OTHERS + bytes(36), id="a number without end"),
        pytest.param(HEADER + FIRST + AT + b"\x02\x06a:b\x01" + OTHERS + bytes(36), id="a list without end"),
        pytest.param(after_direction(0, b"\x04\x02x"), id="a third branch"),
        pytest.param(after_direction(0, b"\x02\x01"), id="a length below nothing of what may be absent"),
        pytest.param(after_direction(SCORE_PLACE, b"\x02" + b"\x00" * 6 + b"\xf0\x7f"), id="infinite"),
        pytest.param(after_direction(SCORE_PLACE, b"\x02" + b"\x00" * 6 + b"\xf8\x7f"), id="not a number"),
        pytest.param(encode(PLAIN) + b"\x00", id="a byte too many"),
        pytest.param(encode(PLAIN)[:-1], id="a byte too few"),
        pytest.param(HEADER, id="nothing but a header"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_wrong_is_left_to_the_library_which_says_why(value: bytes) -> None:
    assert read(value) is None
    assert by_library(value) is None


def test_yes_and_no_are_one_and_zero() -> None:
    for byte, is_probe in ((0, False), (1, True), (2, None), (255, None)):
        found = read(HEADER + FIRST + AT + WHO + b"\x0edefault\x02\x00" + bytes([byte]) + OTHERS[11:] + bytes(36))
        assert (found and found.probe) == is_probe


def test_a_type_that_touchpoints_do_not_have_is_refused() -> None:
    for type_ in ("bytes", ["string", "null"], {"type": "map", "values": "string"}):
        schema = {"fields": [{"name": "topic", "type": type_}]}
        with pytest.raises(ValueError, match="no way to read topic"):
            compiled(schema, header=b"", earliest=0, latest=1)


def test_words_that_come_again_are_one_object_and_what_names_somebody_is_not_kept() -> None:
    first, second = (
        read(encode(msgspec.structs.replace(PLAIN, kind="page.viewed", channel="web", thread_id="thread-1")))
        for _ in range(2)
    )
    assert first is not None
    assert second is not None
    assert first == second
    assert first.kind is second.kind
    assert first.channel is second.channel
    assert first.thread_id is not second.thread_id


def test_no_more_words_are_kept_than_a_company_has() -> None:
    fresh = compiled(schema_index().by_id[1], header=HEADER, earliest=EARLIEST_TIME, latest=LATEST_TIME)

    def kinds(kind: str) -> list[str]:
        value = encode(msgspec.structs.replace(PLAIN, kind=kind))
        return [touchpoint.kind for touchpoint in (fresh(value), fresh(value)) if touchpoint is not None]

    longest, longer = "k" * 64, "k" * 65
    assert kinds(longest)[0] is kinds(longest)[1]
    assert kinds(longer)[0] is not kinds(longer)[1]
    for number in range(10_000):
        fresh(encode(msgspec.structs.replace(PLAIN, kind=f"kind-{number}")))
    one, other = kinds("one too many")
    assert one == other == "one too many"
    assert one is not other


def remembered(decoder: Decoder) -> dict[bytes, dict[str, object]]:
    """What a decoder remembers of the ends of values."""
    return decoder.__globals__["known_rest"].__self__  # type: ignore[no-any-return]


def fresh_decoder() -> Decoder:
    index = schema_index()
    return compiled(index.by_id[index.current_id], header=HEADER, earliest=EARLIEST_TIME, latest=LATEST_TIME)


@given(st.lists(any_touchpoint, min_size=1, max_size=4))
def test_what_is_remembered_of_others_changes_nothing(touchpoints: list[Touchpoint]) -> None:
    decoder = fresh_decoder()
    for touchpoint in (*touchpoints, *touchpoints):
        assert decoder(encode(touchpoint)) == touchpoint


def test_the_same_page_of_somebody_else_is_remembered_but_for_who_saw_it_and_when() -> None:
    decoder = fresh_decoder()
    one = msgspec.structs.replace(PLAIN, channel="web", touchpoint="tariffs", sent_at=MONDAY)
    other = msgspec.structs.replace(one, id="2", identities=("c:d",), occurred_at=MONDAY + 1, sent_at=None)
    assert (decoder(encode(one)), decoder(encode(other))) == (one, other)
    assert list(remembered(decoder).values()) == [
        {"actor": "customer", "channel": "web", "touchpoint": "tariffs", "direction": "inbound"}
    ]


@pytest.mark.parametrize(
    "naming",
    [
        {"actor_id": "7"}, {"thread_id": "t"}, {"objects": ("case:1",)}, {"text_ref": "t"}, {"ext": "{}"},
        {"reply_to": "m"}, {"promise_id": "p"}, {"amount": 1.5}, {"wait_ms": 1},
    ],
)  # fmt: skip
def test_what_may_name_somebody_is_not_remembered(naming: dict[str, object]) -> None:
    decoder = fresh_decoder()
    touchpoint = msgspec.structs.replace(PLAIN, **naming)
    assert decoder(encode(touchpoint)) == touchpoint
    assert remembered(decoder) == {}


def test_no_more_is_remembered_than_ten_thousand_short_ends() -> None:
    decoder = fresh_decoder()
    for number in range(10_001):
        decoder(encode(msgspec.structs.replace(PLAIN, touchpoint=str(number))))
    assert len(remembered(decoder)) == 10_000
    long = fresh_decoder()
    long(encode(msgspec.structs.replace(PLAIN, touchpoint="p" * 128)))
    assert remembered(long) == {}

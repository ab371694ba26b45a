"""Which touchpoints are about the same matter."""

import pytest

from processors.matters import is_lasting, matter_keys, topic_match


@pytest.mark.parametrize(
    ("one", "other", "strongest"),
    [
        ((("case:1", "order:2"), "a"), (("order:2", "case:1"), "a"), "0case:1"),
        ((("order:2",), "a"), (("order:2:line-1",), "a"), "1order:2"),
        ((("contract:2",), "a"), (("contract:2",), "b"), "2contract:2"),
        (((), "a"), (("case:9",), "a"), "3a"),
        (((), None), ((), None), None),
        ((("case:1",), None), (("case:2",), None), None),
        ((("campaign:1", "session:1", "incident:1", "form:1", "change:1"), None), (("campaign:1",), None), None),
        ((("case:",), None), (("case:",), None), None),
        ((("topic:a",), None), ((), "topic:a"), None),
    ],
)
def test_the_strongest_shared_key_decides(
    one: tuple[tuple[str, ...], str | None], other: tuple[tuple[str, ...], str | None], strongest: str | None
) -> None:
    assert topic_match(matter_keys(*one), matter_keys(*other)) == strongest
    assert topic_match(matter_keys(*other), matter_keys(*one)) == strongest


def test_keys_come_strongest_first_and_once() -> None:
    keys = matter_keys(("product:1", "order:1:a", "order:1:b", "case:1"), "topic")
    assert keys == ("0case:1", "1order:1", "2product:1", "3topic")
    assert [is_lasting(key) for key in keys] == [True, True, False, False]

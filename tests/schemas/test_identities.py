import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identities import is_blocked, split_identity, strongest_identity, usable_identities
from schemas.vocabulary import NAMESPACES


@pytest.mark.parametrize(
    ("identity", "parts"),
    [
        ("customer_no:4711", ("customer_no", "4711")),
        (" Customer_No : 4711 ", ("customer_no", "4711")),
        ("email: Ada@Example.ORG ", ("email", "ada@example.org")),
        ("phone:+49 (30) 12/34-56.7", ("phone", "+49301234567")),
        ("account:Ada", ("account", "Ada")),
        ("social:mastodon:ada", ("social", "mastodon:ada")),
        ("customer_no:", ("customer_no", "")),
    ],
)
def test_spellings_of_one_identity_are_one(identity: str, parts: tuple[str, str]) -> None:
    assert split_identity(identity) == parts


@pytest.mark.parametrize("identity", ["", "4711", ":4711", "  :4711"])
def test_without_a_namespace_it_is_no_identity(identity: str) -> None:
    assert split_identity(identity) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "000",
        "-",
        "--",
        "0-0",
        "-1",
        "null",
        "NULL",
        "None",
        "n/a",
        "unknown",
        "Anonymous",
        "test",
        "test@x.org",
    ],
)
def test_values_that_stand_for_nobody_are_blocked(value: str) -> None:
    assert is_blocked(value)


@pytest.mark.parametrize("value", ["1", "10", "00001", "tester", "a", "nullify", "contest@x.org", "default-7"])
def test_values_that_only_look_like_it_are_not(value: str) -> None:
    assert not is_blocked(value)


def test_an_operator_can_block_more_whatever_the_case() -> None:
    assert is_blocked("9999", frozenset({"9999"}))
    assert is_blocked("Walk-In", frozenset({"walk-in"}))
    assert usable_identities(("customer_no:9999",), frozenset({"9999"})) == []


def test_the_strongest_identity_comes_first() -> None:
    usable = usable_identities(("cookie:c", "email:a@b.org", "household:h", "customer_no:4711", "loyalty:l"))
    assert [namespace for namespace, _ in usable] == ["customer_no", "loyalty", "email", "cookie", "household"]


def test_what_several_people_share_is_the_weakest_of_all() -> None:
    assert strongest_identity(("household:h", "cookie:c")) == "cookie:c"
    assert strongest_identity(("household:h", "gadget:g")) == "gadget:g"


def test_an_unknown_namespace_is_as_weak_as_the_weakest_volatile_one() -> None:
    assert strongest_identity(("gadget:g", "card_token:t")) == "card_token:t"
    assert strongest_identity(("gadget:g", "phone:1")) == "phone:1"


def test_within_a_namespace_the_order_of_the_producer_stays() -> None:
    assert usable_identities(("email:b@x.org", "email:a@x.org")) == [("email", "b@x.org"), ("email", "a@x.org")]


def test_the_same_identity_counts_once_however_it_is_spelled() -> None:
    assert usable_identities(("email:A@x.org", "EMAIL: a@x.org")) == [("email", "a@x.org")]


def test_placeholders_and_malformed_ones_are_left_out() -> None:
    assert usable_identities(("customer_no:0", "4711", "cookie:abc")) == [("cookie", "abc")]
    assert strongest_identity(("customer_no:0", "4711")) is None


_identities = st.lists(
    st.builds(
        "{}:{}".format, st.sampled_from([*NAMESPACES, "gadget"]), st.text(st.characters(codec="utf-8"), max_size=5)
    ),
    max_size=6,
)


@given(_identities)
def test_the_owner_is_the_same_in_any_order_unless_two_are_equally_strong(identities: list[str]) -> None:
    usable = usable_identities(identities)
    namespaces = [namespace for namespace, _ in usable]
    if namespaces.count(namespaces[0] if namespaces else "") == 1:
        assert usable_identities(reversed(identities))[0] == usable[0]


@given(_identities)
def test_what_is_usable_stays_so(identities: list[str]) -> None:
    usable = usable_identities(identities)
    assert usable_identities(":".join(parts) for parts in usable) == usable

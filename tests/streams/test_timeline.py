"""Whom a question by identity finds, under every key that the ring holds, and what is told of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.admission import hash_identity
from processors.keyring import Key, Keyring
from schemas.identity import PersonIdentifier, identifier_of
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import identifier_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from streams.timeline import NobodyFound, find_person, load_story
from tests.support.local_clickhouse import running_clickhouse
from tests.support.touchpoints import HOUR, MONDAY, happened

pytestmark = pytest.mark.stack

OLD, NEW = Key(b"the old key"), Key(b"the new key", MONDAY)
RING = Keyring((OLD, NEW))


def name(key: Key, namespace: str, value: str) -> str:
    return f"{namespace}:{hash_identity(key.secret, 'default', namespace, value, 4)}"


def account(key: Key, who: str) -> str:
    return name(key, "customer_no", who)


def mail(key: Key, who: str) -> str:
    return name(key, "email", f"{who}@example.org")


def visit(at: int, *identities: str, **fields: str) -> AppliedTouchpoint:
    return happened(fields.pop("kind", "page.viewed"), at, identities=identities, **fields)


def row(identity: str, person: str, *, is_placeholder: bool = False) -> PersonIdentifier:
    return PersonIdentifier(
        identifier=identifier_of(identity),
        tenant="default",
        identity=identity,
        person_key=identifier_of(person),
        is_placeholder=is_placeholder,
    )


NOBODYS = name(NEW, "customer_no", "9999991")
DORA = account(NEW, "dora"), mail(NEW, "dora"), name(NEW, "cookie", "dora's")
EMIL = mail(NEW, "emil")
HOUSEHOLD = name(NEW, "household", "12")
#: Ada is known from before the rotation, Ben from after it, Cem from both and not linked, Fay under her device only.
STORED = [
    visit(MONDAY - HOUR, account(OLD, "ada"), mail(OLD, "ada")),
    visit(MONDAY + HOUR, account(NEW, "ben"), mail(NEW, "ben")),
    visit(MONDAY - HOUR, account(OLD, "cem"), mail(OLD, "cem")),
    visit(MONDAY + HOUR, account(NEW, "cem"), mail(NEW, "cem")),
    visit(MONDAY, name(OLD, "device", "fay's")),
    # Dora's; some of it lies under an account that is nobody's, as does some of Emil's.
    visit(MONDAY + 1 * HOUR, DORA[0], HOUSEHOLD, id="under the account"),
    visit(MONDAY + 2 * HOUR, DORA[2], id="under the cookie"),
    visit(MONDAY + 3 * HOUR, NOBODYS, DORA[1], id="under nobody's, Dora's"),
    visit(MONDAY + 4 * HOUR, NOBODYS, EMIL, id="under nobody's, Emil's"),
    visit(MONDAY + 5 * HOUR, NOBODYS, id="nobody's"),
    visit(MONDAY + 6 * HOUR, DORA[0], DORA[1], kind="identity.linked", id="a statement"),
]
DECIDED = [
    *(row(end, mail(OLD, "ada")) for end in (account(OLD, "ada"), mail(OLD, "ada"))),
    *(row(end, account(NEW, "ben")) for end in (account(NEW, "ben"), mail(NEW, "ben"))),
    *(row(end, account(key, "cem")) for key in (OLD, NEW) for end in (account(key, "cem"), mail(key, "cem"))),
    *(row(end, DORA[1]) for end in DORA),
    row(EMIL, EMIL),
    row(HOUSEHOLD, HOUSEHOLD),
    row(NOBODYS, NOBODYS, is_placeholder=True),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    """Tables with what happened and what was decided."""
    with running_clickhouse(Path(tmp_path_factory.mktemp("clickhouse"))) as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        writer.insert(touchpoint_block(STORED, token_prefix="t"))
        writer.insert(identifier_block(DECIDED, token_prefix="t"))
        writer.close()
        yield address


def found(address: ClickHouseAddress, identity: str) -> str:
    return find_person(address, identity, tenant="default", keyring=RING)


@pytest.mark.parametrize(
    ("who", "person"),
    [("ada", mail(OLD, "ada")), ("ben", account(NEW, "ben")), ("cem", account(NEW, "cem")), ("dora", DORA[1])],
)
def test_a_person_is_found_by_any_identity_under_the_newest_key_that_knows_them(
    address: ClickHouseAddress, who: str, person: str
) -> None:
    assert found(address, f"customer_no:{who}") == identifier_of(person)
    assert found(address, f"email:{who}@example.org") == identifier_of(person)


def test_a_person_is_found_by_the_hash_of_any_identity(address: ClickHouseAddress) -> None:
    assert {found(address, identifier_of(identity)) for identity in DORA} == {identifier_of(DORA[1])}


def test_an_identity_that_was_never_seen_with_another_is_a_person_of_its_own(address: ClickHouseAddress) -> None:
    assert found(address, "device:fay's") == identifier_of(name(OLD, "device", "fay's"))
    assert found(address, "device:nobody-yet's") == identifier_of(name(NEW, "device", "nobody-yet's"))
    assert found(address, "0" * 32) == "0" * 32


def told(address: ClickHouseAddress, identity: str) -> list[str]:
    story = load_story(address, identifier_of(identity))
    return [touchpoint["touchpoint_key"].removeprefix("default/test/") for touchpoint in story.touchpoints]


def test_a_story_has_what_lies_under_all_identities_of_the_person_and_no_statements(address: ClickHouseAddress) -> None:
    assert told(address, DORA[1]) == ["under the account", "under the cookie", "under nobody's, Dora's"]
    assert told(address, EMIL) == ["under nobody's, Emil's"]
    assert told(address, NOBODYS) == ["nobody's"]
    assert told(address, name(OLD, "device", "fay's")) == [f"page.viewed@{MONDAY}"]


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("household:12", r"stands only beside others .* see: journeys identity show [0-9a-f]{32}$"),
        ("customer_no:unheard-of", "nobody with this identity has touchpoints yet"),
        ("customer_no:0", "'customer_no:0' identifies nobody; expected namespace:value"),
    ],
)
def test_who_has_no_story_is_told_why(address: ClickHouseAddress, identity: str, message: str) -> None:
    with pytest.raises(NobodyFound, match=message):
        load_story(address, found(address, identity))

"""Whom a question by identity finds: under every key that the ring holds, the newest first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.admission import hash_identity
from processors.keyring import Key, Keyring
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import touchpoint_block
from sinks.clickhouse.writer import Writer
from streams.timeline import find_person
from tests.support.local_clickhouse import running_clickhouse
from tests.support.touchpoints import HOUR, MONDAY, happened

pytestmark = pytest.mark.stack

OLD, NEW = Key(b"the old key"), Key(b"the new key", MONDAY)


def name(key: Key, namespace: str, value: str) -> str:
    return f"{namespace}:{hash_identity(key.secret, 'default', namespace, value)}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    """Tables with Ada from before the rotation, Ben from after it, and Cem from both."""
    stored = [
        (OLD, "ada", MONDAY - HOUR),
        (NEW, "ben", MONDAY + HOUR),
        (OLD, "cem", MONDAY - HOUR),
        (NEW, "cem", MONDAY + HOUR),
    ]
    touchpoints = [
        happened(
            "page.viewed", at, identities=(name(key, "customer_no", who), name(key, "email", f"{who}@example.org"))
        )
        for key, who, at in stored
    ]
    with running_clickhouse(Path(tmp_path_factory.mktemp("clickhouse"))) as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        writer.insert(touchpoint_block(touchpoints, token_prefix="t"))
        writer.close()
        yield address


@pytest.mark.parametrize(("who", "key"), [("ada", OLD), ("ben", NEW), ("cem", NEW), ("nobody-yet", NEW)])
def test_a_person_is_found_under_the_newest_key_that_knows_them(address: ClickHouseAddress, who: str, key: Key) -> None:
    keyring = Keyring((OLD, NEW))
    expected = hash_identity(key.secret, "default", "customer_no", who)
    assert find_person(address, f"customer_no:{who}", tenant="default", keyring=keyring) == expected
    if who != "nobody-yet":
        assert find_person(address, f"email:{who}@example.org", tenant="default", keyring=keyring) == expected

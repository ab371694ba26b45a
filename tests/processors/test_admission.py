import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from processors import admission
from processors.admission import (
    AdmissionSettings,
    Refusal,
    admit,
    hash_identity,
    owner_hash,
    owner_hashes,
    owner_partition,
)
from processors.keyring import Key, Keyring
from schemas.log import Position
from schemas.touchpoint import AppliedTouchpoint, Touchpoint

NOW = 1_790_000_000_000
DAY = 86_400_000
MINUTE = 60_000
PEPPER = b"pepper"
NEW_PEPPER = b"salt"
KEYRING = Keyring((Key(PEPPER),))
ROTATED_AT = NOW + 100 * DAY
#: The window of 90 days is over at the end of the 190th.
ROTATION = Keyring((Key(PEPPER), Key(NEW_PEPPER, ROTATED_AT)))


def admitted(*, keyring: Keyring = KEYRING, append_time: int = NOW, **fields: object) -> AppliedTouchpoint | Refusal:
    touchpoint = msgspec.structs.replace(
        Touchpoint(id="1", source="crm", kind="contact.started", occurred_at=NOW, identities=("customer_no:7",)),
        **fields,
    )
    return admit(
        touchpoint,
        position=Position("touchpoints", 2, 11),
        append_time=append_time,
        schema_id=1,
        keyring=keyring,
        settings=AdmissionSettings(blocked=frozenset({"house-account"})),
    )


def let_in(**fields: Any) -> AppliedTouchpoint:
    result = admitted(**fields)
    assert isinstance(result, AppliedTouchpoint), result
    return result


def test_identifiers_leave_only_as_keyed_hashes_strongest_first() -> None:
    applied = let_in(identities=("cookie:abc", "email: Ada@Example.org ", "customer_no:7"))
    assert [identity.split(":")[0] for identity in applied.touchpoint.identities] == ["customer_no", "email", "cookie"]
    assert applied.identity_hash == hash_identity(PEPPER, "default", "customer_no", "7", 4)
    assert applied.touchpoint.identities[1] == "email:" + hash_identity(
        PEPPER, "default", "email", "ada@example.org", 4
    )
    assert all(len(identity.split(":")[1]) == 32 for identity in applied.touchpoint.identities)


def test_the_same_number_in_another_tenant_or_namespace_or_under_another_pepper_is_somebody_else() -> None:
    hashes = {
        hash_identity(pepper, tenant, namespace, "7", 4)
        for pepper in (b"a", b"b")
        for tenant in ("x", "y")
        for namespace in ("account", "customer_no")
    }
    assert len(hashes) == 8


def test_a_household_never_owns_a_touchpoint_that_carries_a_cookie() -> None:
    applied = let_in(identities=("household:12", "cookie:abc"))
    assert applied.identity_hash == hash_identity(PEPPER, "default", "cookie", "abc", 4)


@pytest.mark.parametrize(
    "placeholder", ["", "0", "00000", "-", "---", "-1", "null", "Anonymous", "test@example.org", "House-Account", " "]
)
def test_placeholders_identify_nobody(placeholder: str) -> None:
    refusal = admitted(identities=(f"customer_no:{placeholder}",))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.field) == ("missing_identity", "identities")


def test_a_placeholder_beside_a_real_identity_is_left_out() -> None:
    assert len(let_in(identities=("customer_no:0", "cookie:abc")).touchpoint.identities) == 1


def test_a_hash_is_the_keyed_one_with_the_partition_in_it_that_kafka_puts_the_identity_in() -> None:
    plain = hmac.digest(PEPPER, b"default\x1fcustomer_no\x1f7", "sha256").hex()[:32]
    assert (plain[:8], murmur2(b"customer_no:7") % 2**31 % 48) == ("95ec8b9f", 0)
    assert hash_identity(PEPPER, "default", "customer_no", "7", 48) == "95ec8b70" + plain[8:]
    # One partition leaves the hash as it is.
    assert hash_identity(PEPPER, "default", "customer_no", "7", 1) == plain


@given(
    st.binary(min_size=1, max_size=8), st.sampled_from(["customer_no", "cookie"]), st.text(max_size=20),
    st.integers(1, 1024),
)  # fmt: skip
def test_the_owner_partition_is_where_a_producer_puts_the_record(
    key: bytes, namespace: str, value: str, partitions: int
) -> None:
    hashed = hash_identity(key, "default", namespace, value, partitions)
    slot = murmur2(f"{namespace}:{value}".encode()) % 2**31 % partitions
    assert owner_partition(hashed, partitions) == slot
    plain = hmac.digest(key, f"default\x1f{namespace}\x1f{value}".encode(), "sha256").hex()
    assert (len(hashed), hashed[8:]) == (32, plain[8:32])
    # The number in front differs by less than the partitions.
    assert abs(int(hashed[:8], 16) - int(plain[:8], 16)) < partitions


def test_a_number_at_the_end_of_its_range_does_not_grow_longer() -> None:
    # 2**32 is not a multiple of 1000: the last 296 numbers have no room for a higher slot.
    number = next(
        number
        for number in range(10**8)
        if int(hmac.digest(PEPPER, f"default\x1fcookie\x1f{number}".encode(), "sha256").hex()[:8], 16) >= 2**32 - 10**6
        and murmur2(f"cookie:{number}".encode()) % 2**31 % 10**6 > 967_296
    )
    hashed = hash_identity(PEPPER, "default", "cookie", str(number), 10**6)
    assert len(hashed) == 32
    assert owner_partition(hashed, 10**6) == murmur2(f"cookie:{number}".encode()) % 2**31 % 10**6


def test_owner_hash_finds_the_person_under_any_spelling() -> None:
    assert owner_hash(PEPPER, "default", "email:ADA@example.org", 4) == owner_hash(
        PEPPER, "default", "email: ada@example.org", 4
    )
    assert owner_hash(PEPPER, "default", "ada@example.org", 4) is None


@pytest.mark.parametrize(
    ("age", "is_let_in"), [(400 * DAY, True), (400 * DAY + 1, False), (-10 * MINUTE, True), (-10 * MINUTE - 1, False)]
)
def test_time_is_checked_against_the_append_time_at_the_boundary(age: int, is_let_in: bool) -> None:
    assert isinstance(admitted(occurred_at=NOW - age), AppliedTouchpoint) is is_let_in


def test_imported_history_may_be_any_age() -> None:
    assert let_in(occurred_at=NOW - 6000 * DAY, backfill=True).event_time == NOW - 6000 * DAY


@pytest.mark.parametrize(("ahead", "is_let_in"), [(10 * MINUTE, True), (10 * MINUTE + 1, False)])
def test_imported_history_is_not_ahead_of_its_import(ahead: int, is_let_in: bool) -> None:
    assert isinstance(admitted(occurred_at=NOW + ahead, backfill=True), AppliedTouchpoint) is is_let_in


def test_a_clock_five_minutes_wrong_is_kept_and_one_more_wrong_is_corrected() -> None:
    kept = let_in(occurred_at=NOW - 9 * MINUTE, sent_at=NOW - 5 * MINUTE)
    assert (kept.event_time, kept.is_time_corrected) == (NOW - 9 * MINUTE, False)
    corrected = let_in(occurred_at=NOW - 9 * MINUTE, ended_at=NOW - 8 * MINUTE, sent_at=NOW - 5 * MINUTE - 1)
    assert (corrected.event_time, corrected.is_time_corrected) == (NOW - 4 * MINUTE + 1, True)
    assert corrected.end_time == NOW - 3 * MINUTE + 1
    assert corrected.touchpoint.occurred_at == NOW - 9 * MINUTE


def test_an_end_before_the_start_is_the_start() -> None:
    assert let_in(ended_at=NOW - 1).end_time == NOW


# --- rotation of the key


def under(key: bytes, *identities: tuple[str, str]) -> tuple[str, ...]:
    return tuple(f"{namespace}:{hash_identity(key, 'default', namespace, value, 4)}" for namespace, value in identities)


@pytest.mark.parametrize(
    ("after", "key", "previous"),
    [
        (-1, PEPPER, None),
        (0, NEW_PEPPER, PEPPER),
        (90 * DAY - 1, NEW_PEPPER, PEPPER),
        (90 * DAY, NEW_PEPPER, None),
    ],
)
def test_the_append_time_chooses_the_key_and_whether_the_one_before_it_counts(
    after: int, key: bytes, previous: bytes | None
) -> None:
    applied = let_in(
        keyring=ROTATION, append_time=ROTATED_AT + after, identities=("email:ada@example.org", "customer_no:7")
    )
    who = ("customer_no", "7"), ("email", "ada@example.org")
    assert applied.touchpoint.identities == under(key, *who)
    assert applied.identity_hash == hash_identity(key, "default", "customer_no", "7", 4)
    assert applied.rotated == (() if previous is None else under(previous, *who))


@pytest.mark.parametrize(("after", "is_let_in"), [(-1, False), (0, True)])
def test_what_is_older_than_the_oldest_key_is_refused_and_not_hashed_with_a_later_one(
    after: int, is_let_in: bool
) -> None:
    result = admitted(keyring=Keyring((Key(NEW_PEPPER, ROTATED_AT),)), append_time=ROTATED_AT + after)
    if is_let_in:
        assert isinstance(result, AppliedTouchpoint)
        assert result.rotated == ()
    else:
        assert isinstance(result, Refusal)
        assert (result.reason, result.field) == ("key_missing", "identities")


def test_what_is_refused_for_good_does_not_wait_for_a_key() -> None:
    later = Keyring((Key(NEW_PEPPER, ROTATED_AT),))
    for fields in ({"identities": ("cookie:0",)}, {"occurred_at": NOW - 401 * DAY}):
        refusal = admitted(keyring=later, **fields)
        assert isinstance(refusal, Refusal)
        assert refusal.reason in {"missing_identity", "time_out_of_range"}


_APPENDED = st.integers(NOW, NOW + 400 * DAY)


@given(st.sets(_APPENDED, min_size=1, max_size=4), st.sets(_APPENDED, max_size=4), st.lists(_APPENDED, max_size=8))
def test_a_replay_after_further_rotations_gives_the_very_same_touchpoints(
    moments: set[int], later: set[int], appended: list[int]
) -> None:
    keys = tuple(Key(f"key {at}".encode(), at) for at in sorted(moments))
    more = tuple(Key(f"key {at}".encode(), at) for at in sorted(later) if at > keys[-1].since)
    end = more[0].since if more else NOW + 401 * DAY
    first, again = (
        [
            admitted(keyring=ring, append_time=at, occurred_at=at, identities=("customer_no:7", "cookie:c"))
            for at in appended
            if at < end
        ]
        for ring in (Keyring(keys), Keyring(keys + more))
    )
    assert first == again


def test_a_person_is_looked_for_under_every_key_the_newest_first() -> None:
    assert owner_hashes(ROTATION, "default", "email: ADA@example.org") == (
        hash_identity(NEW_PEPPER, "default", "email", "ada@example.org", 4),
        hash_identity(PEPPER, "default", "email", "ada@example.org", 4),
    )
    assert owner_hashes(ROTATION, "default", "ada@example.org") == ()


@pytest.mark.parametrize(("characters", "is_remembered"), [(512, True), (513, False)])
def test_identities_so_long_that_they_would_fill_the_memory_are_not_remembered(
    characters: int, is_remembered: bool
) -> None:
    number = "7" * (characters - len("default" + "customer_no:"))
    before = admission._names.cache_info().currsize
    for id_ in ("1", "2"):
        applied = let_in(id=id_, identities=(f"customer_no:{number}",))
        assert applied.identity_hash == hash_identity(PEPPER, "default", "customer_no", number, 4)
    assert admission._names.cache_info().currsize - before == is_remembered


def test_who_asks_to_be_forgotten_is_not_remembered_and_neither_is_anybody_else() -> None:
    let_in(identities=("customer_no:7", "email:ada@example.org"))
    assert admission._names.cache_info().currsize
    let_in(kind="subject.erase_requested", identities=("customer_no:7",))
    assert admission._names.cache_info().currsize == 0

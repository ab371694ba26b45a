import msgspec
import pytest

from processors.admission import AdmissionSettings, Refusal, admit, hash_identity, owner_hash
from schemas.log import Position
from schemas.touchpoint import AppliedTouchpoint, Touchpoint

NOW = 1_790_000_000_000
DAY = 86_400_000
MINUTE = 60_000
PEPPER = b"pepper"


def admitted(**fields: object) -> AppliedTouchpoint | Refusal:
    touchpoint = msgspec.structs.replace(
        Touchpoint(id="1", source="crm", kind="contact.started", occurred_at=NOW, identities=("customer_no:7",)),
        **fields,
    )
    return admit(
        touchpoint,
        position=Position("touchpoints", 2, 11),
        append_time=NOW,
        schema_id=1,
        pepper=PEPPER,
        settings=AdmissionSettings(blocked=frozenset({"house-account"})),
    )


def let_in(**fields: object) -> AppliedTouchpoint:
    result = admitted(**fields)
    assert isinstance(result, AppliedTouchpoint), result
    return result


def test_identifiers_leave_only_as_keyed_hashes_strongest_first() -> None:
    applied = let_in(identities=("cookie:abc", "email: Ada@Example.org ", "customer_no:7"))
    assert [identity.split(":")[0] for identity in applied.touchpoint.identities] == ["customer_no", "email", "cookie"]
    assert applied.identity_hash == hash_identity(PEPPER, "default", "customer_no", "7")
    assert applied.touchpoint.identities[1] == "email:" + hash_identity(PEPPER, "default", "email", "ada@example.org")
    assert all(len(identity.split(":")[1]) == 32 for identity in applied.touchpoint.identities)


def test_the_same_number_in_another_tenant_or_namespace_or_under_another_pepper_is_somebody_else() -> None:
    hashes = {
        hash_identity(pepper, tenant, namespace, "7")
        for pepper in (b"a", b"b")
        for tenant in ("x", "y")
        for namespace in ("account", "customer_no")
    }
    assert len(hashes) == 8


def test_a_household_never_owns_a_touchpoint_that_carries_a_cookie() -> None:
    applied = let_in(identities=("household:12", "cookie:abc"))
    assert applied.identity_hash == hash_identity(PEPPER, "default", "cookie", "abc")


@pytest.mark.parametrize(
    "placeholder", ["", "0", "00000", "-", "---", "-1", "null", "Anonymous", "test@example.org", "House-Account", " "]
)
def test_placeholders_identify_nobody(placeholder: str) -> None:
    refusal = admitted(identities=(f"customer_no:{placeholder}",))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.field) == ("missing_identity", "identities")


def test_a_placeholder_beside_a_real_identity_is_left_out() -> None:
    assert len(let_in(identities=("customer_no:0", "cookie:abc")).touchpoint.identities) == 1


def test_owner_hash_finds_the_person_under_any_spelling() -> None:
    assert owner_hash(PEPPER, "default", "email:ADA@example.org") == owner_hash(
        PEPPER, "default", "email: ada@example.org"
    )
    assert owner_hash(PEPPER, "default", "ada@example.org") is None


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

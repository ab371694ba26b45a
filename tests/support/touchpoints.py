"""Builders of touchpoints for tests: short to write, complete to use, the same on every run."""

from typing import Any

from schemas.touchpoint import AppliedTouchpoint, Touchpoint

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: A quiet Monday, 2024-01-01 00:00 UTC, in milliseconds.
MONDAY = 1_704_067_200_000

TENANT = "default"
#: What hashed identities look like inside the pipeline: `namespace:<32 hex characters>`.
ANNA = "a" * 32
ANNAS_ACCOUNT = f"customer_no:{ANNA}"


def touchpoint(kind: str, at: int, **fields: Any) -> Touchpoint:
    """Touchpoint of Anna at `at` (UTC milliseconds); its id tells kind and time unless one is given."""
    named: dict[str, Any] = {
        "id": f"{kind}@{at}",
        "source": "test",
        "identities": (ANNAS_ACCOUNT,),
        "tenant": TENANT,
    }
    return Touchpoint(kind=kind, occurred_at=at, **(named | fields))


def applied(
    touch: Touchpoint,
    *,
    event_time: int | None = None,
    identity_hash: str | None = None,
    ingestion_time: int | None = None,
    offset: int = 0,
    partition: int = 0,
) -> AppliedTouchpoint:
    """Touchpoint as it is after admission: time as given, or as the touchpoint says; log position as given."""
    start = touch.occurred_at if event_time is None else event_time
    length = 0 if touch.ended_at is None else max(0, touch.ended_at - touch.occurred_at)
    return AppliedTouchpoint(
        touchpoint=touch,
        event_time=start,
        end_time=start + length,
        identity_hash=identity_hash or touch.identities[0].partition(":")[2],
        ingestion_time=start if ingestion_time is None else ingestion_time,
        is_time_corrected=event_time is not None and event_time != touch.occurred_at,
        origin_topic="touchpoints.keyed",
        origin_partition=partition,
        origin_offset=offset,
        schema_id=1,
    )


def happened(kind: str, at: int, **fields: Any) -> AppliedTouchpoint:
    """`applied(touchpoint(kind, at, ...))`, for tests that only care for what happened."""
    return applied(touchpoint(kind, at, **fields))

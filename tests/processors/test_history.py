import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.history import is_too_late, judged
from schemas.touchpoint import AppliedTouchpoint
from tests.support.touchpoints import DAY, MONDAY, applied, touchpoint

HORIZON = 90 * DAY


def arrived(after: int, kind: str = "page.viewed", *, at: int = MONDAY, **fields: object) -> AppliedTouchpoint:
    """What happened at `at` and was appended `after` ms later."""
    one = applied(touchpoint(kind, at, id=f"{kind}-{at}-{after}"), ingestion_time=at + after)
    return msgspec.structs.replace(one, touchpoint=msgspec.structs.replace(one.touchpoint, **fields))


@pytest.mark.parametrize(("after", "is_late"), [(HORIZON, False), (HORIZON + 1, True)])
def test_too_late_is_more_than_the_horizon(after: int, is_late: bool) -> None:
    assert is_too_late(arrived(after), HORIZON) is is_late
    assert not is_too_late(arrived(after, backfill=True), HORIZON)


def test_statements_are_not_part_of_a_story() -> None:
    page = arrived(0)
    statements = [arrived(0, kind) for kind in ("identity.linked", "identity.unlinked", "subject.erase_requested")]
    assert judged([page, *statements], HORIZON) == [page]


def test_a_request_takes_in_what_came_before_it_and_not_what_comes_after() -> None:
    late, later, timely = arrived(HORIZON + 1), arrived(HORIZON + 2), arrived(5)
    assert judged([late, later, timely], HORIZON) == [timely]
    request = arrived(0, "history.refold_requested", at=late.ingestion_time)
    assert judged([late, later, timely, request], HORIZON) == [late, timely]
    earlier = arrived(0, "history.refold_requested", at=late.ingestion_time - 1)
    assert judged([late, later, timely, earlier], HORIZON) == [timely]
    assert judged([earlier, late, request, later, timely], HORIZON) == [late, timely]


@given(
    st.permutations(
        [arrived(HORIZON + n) for n in range(4)] + [arrived(0, "history.refold_requested", at=MONDAY + HORIZON + 2)]
    )
)
def test_the_order_of_reading_does_not_matter(touchpoints: list[AppliedTouchpoint]) -> None:
    assert sorted(one.ingestion_time - HORIZON - MONDAY for one in judged(touchpoints, HORIZON)) == [0, 1, 2]

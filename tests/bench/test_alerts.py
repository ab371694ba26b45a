"""Ten thousand frictions within a minute, through a real broker, to a real worker and its ledger in ClickHouse."""

import pytest

from bench.alerts import flood
from bench.site import running_site

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(900)]


def test_ten_thousand_frictions_a_minute_are_written_at_once_told_in_order_and_cost_no_memory() -> None:
    with running_site("embedded", 4) as site:
        found = flood(site, 10_000, causes=40, seconds=60.0, patience_s=400.0)
    assert found.problems == (), found
    assert found.behind_s < 10.0, "what comes is written as fast as it comes"
    # In the first tenth of the minute it has read a thousand.
    assert max(found.resident_bytes) < 1.15 * found.resident_bytes[0]
    assert sum(found.told["desk"].values()) < 100

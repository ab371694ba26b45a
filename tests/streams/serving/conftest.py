from collections.abc import Iterator

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from tests.support import page_data
from tests.support.local_clickhouse import ClickHousePorts, running_clickhouse
from tests.support.running_page import Page, running_page


@pytest.fixture(scope="session")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHousePorts]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="session")
def engine(ports: ClickHousePorts) -> ClickHouseAddress:
    return ClickHouseAddress(port=ports.native)


@pytest.fixture(scope="session")
def company(engine: ClickHouseAddress) -> ClickHouseAddress:
    return page_data.company(engine)


@pytest.fixture(scope="session")
def page(company: ClickHouseAddress, ports: ClickHousePorts) -> Iterator[Page]:
    """The page over a made-up company."""
    with running_page(company, clickhouse_http=f"http://127.0.0.1:{ports.http}") as running:
        yield running


@pytest.fixture(scope="session")
def empty_page(company: ClickHouseAddress) -> Iterator[Page]:
    """The page over empty tables."""
    with running_page(page_data.nothing(company)) as running:
        yield running


@pytest.fixture(scope="session")
def full_page(company: ClickHouseAddress) -> Iterator[Page]:
    """The page over 50,000 frictions."""
    with running_page(page_data.too_much(company)) as running:
        yield running

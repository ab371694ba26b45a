from collections.abc import Iterator

import pytest
from clickhouse_driver import Client

from tests.support.local_clickhouse import ClickHousePorts, running_clickhouse


@pytest.fixture(scope="session")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHousePorts]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
def client(ports: ClickHousePorts) -> Iterator[Client]:
    with Client("127.0.0.1", port=ports.native) as connected:
        yield connected

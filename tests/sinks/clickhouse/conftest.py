from collections.abc import Iterator

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.writer import Writer
from tests.support.local_clickhouse import running_clickhouse


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    """An engine without a schema; each test that makes one names its own database."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as ports:
        yield ClickHouseAddress(port=ports.native)


@pytest.fixture(scope="session")
def address(engine: ClickHouseAddress) -> ClickHouseAddress:
    """The database `journeys` with the schema in it; tests keep apart by the names of what they write."""
    migrate(engine)
    return engine


@pytest.fixture
def writer(address: ClickHouseAddress) -> Iterator[Writer]:
    writer = Writer(address)
    yield writer
    writer.close()


@pytest.fixture
def reader(address: ClickHouseAddress) -> Iterator[Reader]:
    reader = Reader(address)
    yield reader
    reader.close()


@pytest.fixture
def unmerged(address: ClickHouseAddress) -> Iterator[None]:
    """While a test runs, repeated and superseded rows stay: the engine merges them away whenever it likes."""
    client = connect(address)
    client.execute("SYSTEM STOP MERGES")
    yield
    client.execute("SYSTEM START MERGES")

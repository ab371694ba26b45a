"""The product's worker with a store that throws away what it is given, so that one sees what comes before the writing.

Questions go to a real ClickHouse, whose tables stay empty. Run as a process: `python -m bench.discarding_worker FOLDER
KAFKA CLICKHOUSE`, with addresses as `journeys worker` takes them.
"""

import asyncio
import sys
from pathlib import Path

from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.writer import RefusedRow
from streams.agent import Agent
from streams.dead_letters_agent import DeadLettersAgent
from streams.intake_agent import IntakeAgent
from streams.journeys_agent import JourneysAgent
from streams.logs import configure_logs
from streams.settings import load_settings
from streams.store import Store, clickhouse_address
from streams.trials import Journal
from streams.worker import run_worker


class DiscardingStore(Store):
    """Accepts every block and keeps nothing of it."""

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:  # noqa: ARG002 - it is not looked at
        return ()


def main() -> None:
    configure_logs()
    folder, kafka, clickhouse = sys.argv[1:]
    settings = load_settings(Path(folder), kafka=kafka, clickhouse=clickhouse)
    address = clickhouse_address(settings.clickhouse)
    intake: list[Agent] = [] if settings.fused else [IntakeAgent(settings)]
    agents: list[Agent] = [
        *intake,
        JourneysAgent(settings, DiscardingStore(address)),
        DeadLettersAgent(settings, DiscardingStore(address)),
    ]
    sys.exit(asyncio.run(run_worker(settings, agents, lambda: None, journal=Journal(Store(address)))))


if __name__ == "__main__":
    main()

"""A worker that dies hard of some records: run as a process, in a data folder where a local stack runs.

`python -m tests.support.fragile_worker DATA_DIR VICTIM BAIT` runs intake, journeys and the dead letters' agent; the one
named VICTIM ends the process by SIGKILL as soon as it is handed a record whose value holds BAIT.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.agent import Agent, Delivery
from streams.dead_letters_agent import DeadLettersAgent
from streams.intake_agent import IntakeAgent
from streams.journeys_agent import JourneysAgent
from streams.logs import configure_logs
from streams.settings import Settings, load_settings
from streams.store import Store, clickhouse_address
from streams.trials import Journal
from streams.worker import run_worker


def fragile(agent: Any, bait: bytes) -> Agent:
    """The agent, but mortal."""
    handle: Callable[[Delivery], Any] = agent.handle

    async def handle_or_die(delivery: Delivery) -> None:
        if any(bait in (record.value or b"") for record in delivery.records):
            os.kill(os.getpid(), signal.SIGKILL)
        await handle(delivery)

    agent.handle = handle_or_die
    found: Agent = agent
    return found


def main() -> None:
    configure_logs()
    data_dir, victim, bait = sys.argv[1:]
    settings: Settings = load_settings(Path(data_dir))
    agents: list[Agent] = [kind(settings) for kind in (IntakeAgent, JourneysAgent, DeadLettersAgent)]
    mortal = [fragile(agent, bait.encode()) if agent.name == victim else agent for agent in agents]
    journal = Journal(Store(clickhouse_address(settings.clickhouse)))
    sys.exit(asyncio.run(run_worker(settings, mortal, lambda: print("ready", flush=True), journal=journal)))


if __name__ == "__main__":
    main()

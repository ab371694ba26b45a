"""`journeys worker`: run agents against any Kafka and ClickHouse."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.addressing import ClickHouse, DataDir, Kafka

HELP = """Run agents until SIGTERM or Ctrl-C.

intake checks raw touchpoints and forwards them to the owner of their person; journeys owns persons and writes what
holds for them to ClickHouse, and notes dead letters there; alerts tells teams. In fused mode (JOURNEYS_FUSED) journeys
does the work of intake too. Run as many workers as there are partitions. Exit code 0: stopped cleanly; 1: something
could not go on; 3: the watchdog found that nothing moved on, though records waited and the broker answered, or that the
event loop was silent, and wrote down all stacks. Nothing was lost in any case: start it again.
"""
AGENTS = ("intake", "journeys", "alerts")


def command(
    agents: Annotated[
        str, typer.Option("--agents", help="Comma-separated: intake, journeys, alerts.")
    ] = "intake,journeys,alerts",
    data_dir: DataDir = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="File to write the process id into when all agents are ready.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Serve metrics for Prometheus on http://127.0.0.1:PORT/metrics."),
    ] = None,
) -> None:
    """Run agents."""
    names = [name.strip() for name in agents.split(",") if name.strip()]
    unknown = sorted(set(names) - set(AGENTS))
    if unknown or not names:
        raise typer.BadParameter(f"unknown agent {', '.join(unknown) or 'none'}; there are: {', '.join(AGENTS)}")

    from aiokafka.errors import KafkaError as ClientError
    from kafka.errors import KafkaError

    from sinks.alerts.routing import RoutingError
    from sinks.clickhouse.errors import SchemaMismatch
    from streams.agent import Agent, DecisionNeeded
    from streams.alerts_agent import AlertsAgent
    from streams.cli.output import friendly_errors
    from streams.dead_letters_agent import DeadLettersAgent
    from streams.intake_agent import IntakeAgent
    from streams.journeys_agent import JourneysAgent
    from streams.lag import LagUnknown
    from streams.logs import configure_logs
    from streams.rule_log import RuleLogSilent
    from streams.settings import SettingsError, load_settings
    from streams.store import Store, clickhouse_address
    from streams.topics import TopicMismatch
    from streams.trials import Journal
    from streams.worker import run_worker

    configure_logs(verbose=verbose)

    def ready() -> None:
        if ready_file is not None:
            ready_file.write_text(f"{os.getpid()}\n")

    with friendly_errors(
        SettingsError, RoutingError, SchemaMismatch, TopicMismatch, KafkaError, ClientError, RuleLogSilent,
        DecisionNeeded, LagUnknown,
    ):  # fmt: skip
        settings = load_settings(data_dir, kafka=kafka, clickhouse=clickhouse)
        kinds: dict[str, list[type[IntakeAgent | JourneysAgent | DeadLettersAgent | AlertsAgent]]] = {
            # Journeys does its work then.
            "intake": [] if settings.fused else [IntakeAgent],
            "journeys": [JourneysAgent, DeadLettersAgent],
            "alerts": [AlertsAgent],
        }
        wanted: list[Agent] = [kind(settings) for name in dict.fromkeys(names) for kind in kinds[name]]
        if not wanted:
            raise SettingsError("in fused mode (JOURNEYS_FUSED) there is no intake; journeys reads touchpoints itself")
        journal = Journal(Store(clickhouse_address(settings.clickhouse)))
        code = asyncio.run(run_worker(settings, wanted, ready, journal=journal, metrics_port=metrics_port))
    raise typer.Exit(code)

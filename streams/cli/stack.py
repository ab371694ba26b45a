"""`journeys up`, `journeys down` and `journeys status`: the local stack."""

import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir, Kafka

UP_HELP = """Start the local stack on loopback: broker, ClickHouse, worker, alerts, HTTP door and page.

Stays in the foreground until Ctrl-C, which stops everything; --detach leaves it running. On a folder whose stack is
running it says so; when a part of it died, that part is started. With --kafka or --clickhouse servers that are there
already are used instead of our own. Exit code 4: a port is taken.

The broker is Apache Kafka where `journeys kafka install` has fetched it and Java 17 is there: its log stays in the data
folder. Else it is the embedded one, tansu, whose log is in memory and is gone after `journeys down`.
"""
DOWN_HELP = "Stop the local stack of a data folder; its data stays, except the log of the embedded broker."
STATUS_HELP = "Say what runs. Exit code 0: everything; 1: nothing, or a part is missing."


class Broker(StrEnum):
    """Which broker to run."""

    AUTO = "auto"
    KAFKA = "kafka"
    EMBEDDED = "embedded"


_PORT_TAKEN = 4
_LOOK_EVERY_S = 0.3


def up(
    data_dir: DataDir = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    broker: Annotated[
        Broker,
        typer.Option(help="Broker to start: Apache Kafka, the embedded one, or auto, Apache Kafka where it is there."),
    ] = Broker.AUTO,
    detach: Annotated[bool, typer.Option("--detach", help="Return when everything is ready.")] = False,
    kafka_port: Annotated[int, typer.Option(help="Port of the broker; 0 takes a free one.", min=0, max=65535)] = 9092,
    clickhouse_port: Annotated[
        int, typer.Option(help="Port of ClickHouse's native protocol; 0 takes a free one.", min=0, max=65535)
    ] = 9000,
    clickhouse_http_port: Annotated[
        int, typer.Option(help="Port of ClickHouse's HTTP (read-only); 0 takes a free one.", min=0, max=65535)
    ] = 8123,
    door_port: Annotated[
        int, typer.Option(help="Port of the HTTP door for events; 0 takes a free one.", min=0, max=65535)
    ] = 8080,
    page_port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.", min=0, max=65535)] = 8088,
) -> None:
    """Start the local stack."""
    from kafka.errors import KafkaError

    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.migrator import MigrationError
    from streams.cli.output import friendly_errors
    from streams.settings import SettingsError, chosen_data_dir
    from streams.stack.apache_kafka import KafkaUnavailable
    from streams.stack.local import LocalStack, Ports, StackError
    from streams.stack.local_files import LocalFilesMissing
    from streams.stack.ports import PortTaken
    from streams.topics import TopicMismatch

    # Whoever asks us to end asks for all of it: what was started is stopped again, by the way of Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    stack = LocalStack(chosen_data_dir(data_dir), typer.echo)
    ports = Ports(kafka_port, clickhouse_port, clickhouse_http_port, door_port, page_port)
    known = (
        StackError,
        KafkaUnavailable,
        SettingsError,
        LocalFilesMissing,
        TopicMismatch,
        MigrationError,
        StoreUnavailable,
    )
    with friendly_errors(PortTaken, code=_PORT_TAKEN), friendly_errors(*known, SchemaMismatch, KafkaError):
        _, is_new = stack.up(ports, broker=broker.value, kafka=kafka, clickhouse=clickhouse)
    if not is_new:
        typer.echo(f"the stack in {stack.data_dir} is already running:")
        _print_status(stack.data_dir)
        return
    if detach:
        typer.echo(f"running in the background; stop it with: journeys down --data-dir {stack.data_dir}")
        return
    with friendly_errors(StackError):
        try:
            typer.echo("Ctrl-C stops everything")
            _stay(stack.data_dir)
        except KeyboardInterrupt:
            # Once is enough; impatience must not leave half of it running.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        typer.echo("stopping")
        stack.down()


def _stay(data_dir: Path) -> None:
    """Wait for Ctrl-C or SIGTERM, telling of processes that end meanwhile; return when all of them ended."""
    from streams.stack.local import is_changing, load_state

    told: set[tuple[str, int]] = set()
    while True:
        time.sleep(_LOOK_EVERY_S)
        if is_changing(data_dir):
            continue
        state = load_state(data_dir)
        if state is None:
            return
        running = 0
        for process in state.processes:
            if process.handle() is not None:
                running += 1
            elif (process.name, process.pid) not in told:
                told.add((process.name, process.pid))
                typer.echo(
                    f"{process.name} ended; see {process.log}; start it again with: journeys up --data-dir {data_dir}",
                    err=True,
                )
        if not running:
            return


def down(data_dir: DataDir = None) -> None:
    """Stop the local stack."""
    from streams.cli.output import friendly_errors
    from streams.settings import chosen_data_dir
    from streams.stack.local import LocalStack, StackError

    stack = LocalStack(chosen_data_dir(data_dir), typer.echo)
    if not stack.data_dir.is_dir():
        typer.echo(f"nothing runs in {stack.data_dir}")
        return
    with friendly_errors(StackError):
        stopped = stack.down()
    typer.echo(f"stopped {', '.join(stopped)}" if stopped else f"nothing runs in {stack.data_dir}")


def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say what runs."""
    from streams.cli.output import print_json
    from streams.settings import chosen_data_dir
    from streams.stack.local import status as stack_status

    folder = chosen_data_dir(data_dir).resolve()
    found = stack_status(folder)
    if as_json:
        print_json(found)
    elif not found["processes"]:
        typer.echo(f"nothing runs in {folder}; start it with: journeys up --data-dir {folder}")
    else:
        _print_status(folder)
    if not found["is_running"]:
        raise typer.Exit(1)


def _print_status(folder: Path) -> None:
    from streams.cli.output import print_table
    from streams.stack.local import BROKERS
    from streams.stack.local import status as stack_status

    found = stack_status(folder)
    processes = found["processes"]
    rows = [[process["name"], process["state"], process["pid"], process["address"]] for process in processes]
    print_table(["name", "state", "pid", "address"], rows)
    typer.echo(f"broker at {found['kafka']}: {BROKERS[found['broker']]}")

"""Apache Kafka for one machine: broker and controller in one process, with its log in a folder.

The folder is formatted once, with a cluster id of its own; topics, messages and committed offsets stay in it. This
process becomes the broker itself, so signals reach it directly; it accepts connections some seconds later.
"""

import argparse
import os
import secrets
import subprocess
from pathlib import Path

from deploy.local.starting import (
    EXIT_DATA_DIR,
    EXIT_MISSING_PACKAGE,
    EXIT_PORT_TAKEN,
    StartError,
    broker_port,
    listen,
)

_EXIT_CODES = f"""\
exit codes:
  143  stopped by SIGTERM
  2  a wrong option
  {EXIT_MISSING_PACKAGE}  Java cannot be run
  {EXIT_PORT_TAKEN}  the port is taken
  {EXIT_DATA_DIR}  the folder cannot be used
"""
_HOST = "127.0.0.1"
_LOG = Path("log")
_SETTINGS = Path("server.properties")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.kafka",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--java", default="java", help="Java 17 or newer (default: the one on the PATH)")
    parser.add_argument("--jars", type=Path, required=True, help="folder of Kafka's jars: journeys kafka install")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder for the log; made if it is missing")
    parser.add_argument(
        "--port", type=broker_port, default=9092, help=f"port to listen on, on {_HOST} (default: %(default)s)"
    )
    return parser


def _settings(port: int, controller: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{_HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{_HOST}:{port},CONTROLLER://{_HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{_HOST}:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        # Relative, so that no path has to be spelled in Latin-1 and without commas.
        "log.dirs": str(_LOG),
        # One broker holds the only copy of everything.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        # A broker that was killed is let in again when its last life is over: after 3 s instead of 9.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
    }


def _free_port() -> int:
    with listen(_HOST, 0, option="--port") as listener:
        port: int = listener.getsockname()[1]
    return port


def _java(java: str, jars: Path) -> list[str]:
    return [
        java,
        "-Xmx512m",
        # Without it the sockets are IPv6 ones that also speak IPv4.
        "-Djava.net.preferIPv4Stack=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{jars}/*",
    ]


def _format(java: list[str]) -> None:
    """Format the log's folder; `meta.properties` is what formatting writes last."""
    if (_LOG / "meta.properties").exists():
        return
    # 22 characters that mean 16 bytes in Base64, as Kafka wants them.
    cluster_id = f"local-{secrets.token_hex(8)}"
    command = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(_SETTINGS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # no shell
    if done.returncode:
        message = f"Kafka cannot format {_LOG.absolute()}: {(done.stderr or done.stdout).strip()}"
        raise StartError(EXIT_DATA_DIR, message)


def _prepare(arguments: argparse.Namespace) -> list[str]:
    """Make the folder ready and the working folder; return the command that becomes the broker."""
    listen(_HOST, arguments.port, option="--port").close()
    jars = arguments.jars.absolute()
    try:
        arguments.data_dir.mkdir(parents=True, exist_ok=True)
        os.chdir(arguments.data_dir)
        settings = _settings(arguments.port, _free_port())
        _SETTINGS.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="ascii")
    except OSError as error:
        raise StartError(EXIT_DATA_DIR, f"cannot use {arguments.data_dir}: {error.strerror}") from error
    java = _java(arguments.java, jars)
    _format(java)
    return [*java, "kafka.Kafka", str(_SETTINGS)]


def main() -> None:
    """Become the broker; returns only by exiting, when that fails."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        command = _prepare(arguments)
        os.execvp(command[0], command)  # noqa: S606  # no shell
    except StartError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    except OSError as error:
        parser.exit(EXIT_MISSING_PACKAGE, f"{parser.prog}: cannot run {arguments.java}: {error.strerror}\n")


if __name__ == "__main__":
    main()

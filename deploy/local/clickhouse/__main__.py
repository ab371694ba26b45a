"""ClickHouse for one machine: the embedded engine behind ClickHouse's native and HTTP protocols.

Writers (the worker, the migrator) use the native port. Readers use either: the HTTP port only ever reads, and so does
the native port for user "reader". There are no users and passwords beyond that, so only loopback addresses are served:
everyone who can log in to this machine can write. Prints one line "ready native=HOST:PORT http=HOST:PORT" on standard
output when both ports accept; logs go to standard error.
"""

import argparse
import os
import signal
from pathlib import Path

from deploy.local.starting import (
    EXIT_DATA_DIR,
    EXIT_MISSING_PACKAGE,
    EXIT_PORT_TAKEN,
    StartError,
    loopback_host,
    missing_package,
    port_number,
)

_STOPPING = {signal.SIGTERM, signal.SIGINT}

_EXIT_CODES = f"""\
exit codes:
  0  stopped by SIGTERM or SIGINT
  2  a wrong option, or a host that is not a loopback address
  {EXIT_MISSING_PACKAGE}  the engine is not installed
  {EXIT_PORT_TAKEN}  a port is taken
  {EXIT_DATA_DIR}  the data directory cannot be opened, or another process uses it
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local.clickhouse",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="directory of the data, made when it is missing")
    add("--host", type=loopback_host, default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    add("--native-port", type=port_number, default=9000, help="native protocol; 0 takes a free one (default: 9000)")
    add("--http-port", type=port_number, default=8123, help="HTTP, read-only; 0 takes a free one (default: 8123)")
    limits = parser.add_argument_group("limits of one query of a reader (past a limit it fails, nothing is cut short)")
    add = limits.add_argument
    add("--read-seconds", type=_positive, default=30, metavar="N", help="running time (default: %(default)s)")
    add("--read-memory-mb", type=_positive, default=2000, metavar="N", help="memory (default: %(default)s)")
    add("--read-rows", type=_positive, default=1_000_000, metavar="N", help="rows of the result (default: %(default)s)")
    add("--read-result-mb", type=_positive, default=128, metavar="N", help="size of the result (default: %(default)s)")
    return parser


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        message = f"{text!r} is not a whole number above 0"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = _parser()
    arguments = parser.parse_args()
    # The wire is the driver's, whose table of all days of four hundred years nobody needs here: 0.15 s and 23 MB.
    os.environ.setdefault("CLICKHOUSE_DRIVER_LASY_DATE_LUT", "2020-01-01:2020-01-01")
    # The engine starts threads when it is imported and opened: a signal must not end the process in one of them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        try:
            from deploy.local.clickhouse.serving import serve  # noqa: PLC0415  # an extra, and slow to import
        except ModuleNotFoundError as error:
            raise missing_package(error) from error
        serve(arguments, _STOPPING)
    except StartError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()

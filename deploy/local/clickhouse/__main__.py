"""The command: an embedded ClickHouse for one machine, behind ClickHouse's own protocols."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

from deploy.local.listening import (
    EXIT_DATA_DIR,
    EXIT_MISSING_PACKAGE,
    EXIT_PORT_TAKEN,
    PortTakenError,
    listen,
    loopback_host,
    shown_address,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.clickhouse", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", type=loopback_host, default="127.0.0.1")
    parser.add_argument("--native-port", type=int, default=9000)
    parser.add_argument("--http-port", type=int, default=8123)
    return parser


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        from deploy.local.clickhouse.engine import DataDirError, Engine
        from deploy.local.clickhouse.native_port import NativePort
    except ModuleNotFoundError as error:
        print(f"{error}; install customer-journeys[local]", file=sys.stderr)
        return EXIT_MISSING_PACKAGE
    try:
        native = listen(arguments.host, arguments.native_port, option="--native-port")
        http = listen(arguments.host, arguments.http_port, option="--http-port")
    except PortTakenError as error:
        print(error, file=sys.stderr)
        return EXIT_PORT_TAKEN
    try:
        engine = Engine(arguments.data_dir)
    except DataDirError as error:
        print(error, file=sys.stderr)
        return EXIT_DATA_DIR
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    NativePort(native, engine).start()
    print(
        f"ready native={shown_address(arguments.host, native.getsockname()[1])} "
        f"http={shown_address(arguments.host, http.getsockname()[1])}",
        flush=True,
    )
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

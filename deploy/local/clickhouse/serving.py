"""The life of the service: open the engine, serve both ports, stop when told to."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Set as AbstractSet

from deploy.local.clickhouse.engine import Engine
from deploy.local.clickhouse.http_port import HttpPort
from deploy.local.clickhouse.native_port import NativePort
from deploy.local.clickhouse.reading import ReadLimits
from deploy.local.starting import listen, shown_address

GRACE_SECONDS = 3.0  # for queries that run when the service is told to stop
CLOSE_SECONDS = 8.0  # after that it ends without waiting for the engine, whose files survive any end

logger = logging.getLogger(__name__)


def serve(options: argparse.Namespace, stopping: AbstractSet[signal.Signals]) -> None:
    """Serve until one of the signals ``stopping``, which the caller has blocked; then leave the process with 0.

    Raises:
        StartError: a port is taken or the data directory cannot be opened.

    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    native_listener = listen(options.host, options.native_port, option="--native-port")
    http_listener = listen(options.host, options.http_port, option="--http-port")
    engine = Engine(options.data_dir)
    limits = ReadLimits(
        seconds=options.read_seconds,
        memory_bytes=options.read_memory_mb * 1_000_000,
        rows=options.read_rows,
        result_bytes=options.read_result_mb * 1_000_000,
    )
    native_port = NativePort(native_listener, engine, limits)
    http_port = HttpPort(http_listener, engine, limits)
    native_port.start()
    http_port.start()
    native, http = (shown_address(options.host, each.getsockname()[1]) for each in (native_listener, http_listener))
    sys.stdout.write(f"ready native={native} http={http}\n")
    sys.stdout.flush()

    logger.info("stopping after %s", signal.Signals(signal.sigwait(stopping)).name)
    last_resort = threading.Timer(CLOSE_SECONDS, os._exit, [0])
    last_resort.daemon = True
    last_resort.start()
    http_port.close()
    native_port.close(GRACE_SECONDS)
    engine.close()
    # Not by returning: a thread inside a query that did not end in time would keep the interpreter alive.
    os._exit(0)
